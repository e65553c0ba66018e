/* live_dump.c - what every object of a worker is at this moment, as lines of the service log. */
#include <stdio.h>

#include "jobgate/container_of.h"
#include "jobgate/dump.h"
#include "server/worker_state.h"

/* Objects that are written in one tick of the loop, so that none of their clients waits for it. */
#define DUMP_AT_ONCE 256

/* Each line is written whatever log.level is, because the operator asked for it. */
static void
dump_line(const struct worker *worker, const char *text)
{
	struct log log = worker->log;

	if (log.level < LOG_LEVEL_INFO)
		log.level = LOG_LEVEL_INFO;
	log_info(&log, "dump: %s", text);
}

/* What a worker has one of. */
static void
dump_worker(struct worker *worker)
{
	char text[DUMP_TEXT_MAX];
	struct dump dump;

	jg_dump_init(&dump, text, sizeof(text));
	downstream_dump(worker->downstream, &dump);
	dump_line(worker, text);
	jg_dump_init(&dump, text, sizeof(text));
	redis_tracker_dump(worker->link, &dump);
	dump_line(worker, text);
}

/* Write the next connections, and come back for the rest in the next tick. */
static void
on_dump(struct timer *timer)
{
	struct worker *worker = container_of(timer, struct worker, dump_timer);
	char text[DUMP_TEXT_MAX];
	struct dump dump;

	for (size_t i = 0; i < DUMP_AT_ONCE; i++) {
		jg_dump_init(&dump, text, sizeof(text));
		if (!downstream_walk_dump(worker->downstream, &dump)) {
			snprintf(text, sizeof(text), "end, client_connections=%zu", worker->dumped);
			dump_line(worker, text);
			worker->dumping = false;
			return;
		}
		dump_line(worker, text);
		worker->dumped++;
	}
	timer_start(worker->loop, timer, 1);
}

void
live_dump_start(struct worker *worker)
{
	if (worker->dumping)
		return;
	worker->dumping = true;
	worker->dumped = 0;
	worker->dump_timer.expired = on_dump;
	dump_worker(worker);
	downstream_walk_begin(worker->downstream);
	timer_start(worker->loop, &worker->dump_timer, 1);
}
