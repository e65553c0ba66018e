/* live_dump.c - writes the present state of every object of a worker into the service log. */
#include <stdio.h>

#include "jobgate/container_of.h"
#include "jobgate/dump.h"
#include "server/worker_state.h"

/* Objects that are written in one tick of the loop: so few that no client waits for long, and that
 * the ring of the log has room for their lines. */
#define DUMP_AT_ONCE 256

/* Each line is written whatever log.level is, because the operator asked for it. */
static void
dump_line(struct worker *worker, const char *text)
{
	struct log log = worker->log;

	if (log.level < LOG_LEVEL_INFO)
		log.level = LOG_LEVEL_INFO;
	log_info(&log, "dump: %s", text);
	worker->dump.lines++;
}

/* ---- objects of which a worker has one, or few ---- */

static void
listener_dump(const struct listener *listener, struct dump *dump)
{
	const struct worker *worker = listener->worker;
	const struct listener_options *options = &listener->options;
	size_t index = (size_t)(listener - worker->listeners);

	jg_dump_begin(dump, "listener");
	jg_dump_text(dump, "address", slice_of(worker->setup->config->listeners[index].address));
	jg_dump_number(dump, "fd", (uint64_t)listener->fd);
	jg_dump_flag(dump, "accepts",
	    listener->event != NULL && event_pending(listener->event, EV_READ, NULL) != 0);
	jg_dump_flag(dump, "control", options->purpose == FOR_CONTROL);
	jg_dump_flag(dump, "metrics", options->purpose == FOR_METRICS);
	jg_dump_flag(dump, "tls", options->tls);
	jg_dump_flag(dump, "redirect", options->redirect);
	jg_dump_flag(dump, "proxied", options->proxied);
	jg_dump_flag(dump, "authorize", options->forward_auth);
	jg_dump_end(dump);
}

static void
worker_dump(const struct worker *worker, struct dump *dump)
{
	jg_dump_begin(dump, "worker");
	jg_dump_flag(dump, "accepting", worker->accepting);
	jg_dump_flag(dump, "paused", worker->paused);
	jg_dump_flag(dump, "draining", worker->draining);
	jg_dump_number(dump, "most_clients", worker->clients_max);
	jg_dump_number(dump, "orphan_changes", worker->orphan_changes);
	jg_dump_end(dump);
}

/* Log one line, which `write` fills with the object. */
#define DUMP_LINE(worker, write, object)                 \
	do {                                             \
		char text[DUMP_TEXT_MAX];                \
		struct dump dump;                        \
                                                         \
		jg_dump_init(&dump, text, sizeof(text)); \
		write(object, &dump);                    \
		dump_line(worker, text);                 \
	} while (0)

static void
dump_single(struct worker *worker)
{
	DUMP_LINE(worker, worker_dump, worker);
	DUMP_LINE(worker, downstream_dump, worker->downstream);
	DUMP_LINE(worker, exchange_context_dump, worker->exchanges);
	DUMP_LINE(worker, pool_dump, worker->pool);
	DUMP_LINE(worker, resolver_dump, worker->resolver);
	DUMP_LINE(worker, jg_directory_dump, worker->directory);
	DUMP_LINE(worker, redis_tracker_dump, worker->tracker);
	for (size_t i = 0; i < worker->setup->config->listener_count; i++)
		DUMP_LINE(worker, listener_dump, &worker->listeners[i]);
}

/* ---- objects of which it has many ---- */

/* Go on with the next part. */
static void
begin_part(struct worker *worker, enum live_dump_part part)
{
	worker->dump.part = part;
	switch (part) {
	case DUMP_CLIENTS:
		downstream_walk_begin(worker->downstream);
		return;
	case DUMP_BACKENDS:
		pool_walk_begin(worker->pool);
		return;
	case DUMP_RECORDS:
		worker->dump.records = (struct directory_count){0};
		return;
	case DUMP_NONE:
		return;
	}
}

/* Count some more records; false when all have been counted and the counts are written. */
static bool
count_records(struct worker *worker)
{
	struct directory_count *count = &worker->dump.records;
	char text[DUMP_TEXT_MAX];
	struct dump dump;

	if (jg_directory_count(worker->directory, count, loop_now_ms(worker->loop)))
		return true;
	for (enum record_kind kind = 0; kind < RECORD_CACHED_KINDS; kind++) {
		jg_dump_init(&dump, text, sizeof(text));
		jg_directory_count_dump(count, kind, &dump);
		dump_line(worker, text);
	}
	return false;
}

/* Write some more of the part; false when it is done. */
static bool
dump_some(struct worker *worker)
{
	bool clients = worker->dump.part == DUMP_CLIENTS;
	char text[DUMP_TEXT_MAX];
	struct dump dump;

	if (worker->dump.part == DUMP_RECORDS)
		return count_records(worker);
	for (size_t i = 0; i < DUMP_AT_ONCE; i++) {
		jg_dump_init(&dump, text, sizeof(text));
		if (!(clients ? downstream_walk_dump(worker->downstream, &dump)
			      : pool_walk_dump(worker->pool, &dump)))
			return false;
		dump_line(worker, text);
	}
	return true;
}

/* Write the next objects, and come back for the rest in the next tick. */
static void
on_dump(struct timer *timer)
{
	struct worker *worker = container_of(timer, struct worker, dump.timer);
	char text[DUMP_TEXT_MAX];

	if (!dump_some(worker))
		begin_part(
		    worker, worker->dump.part == DUMP_RECORDS ? DUMP_NONE : worker->dump.part + 1);
	if (worker->dump.part != DUMP_NONE) {
		timer_start(worker->loop, timer, 1);
		return;
	}
	snprintf(text, sizeof(text), "end, lines=%zu", worker->dump.lines);
	dump_line(worker, text);
}

void
live_dump_start(struct worker *worker)
{
	if (worker->dump.part != DUMP_NONE)
		return;
	worker->dump.lines = 0;
	worker->dump.timer.expired = on_dump;
	dump_single(worker);
	begin_part(worker, DUMP_CLIENTS);
	timer_start(worker->loop, &worker->dump.timer, 1);
}
