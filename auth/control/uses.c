/* uses.c - writes to the store when tokens and jobs were last used, off the path of requests. */
#include "auth/control/uses.h"

#include <stdlib.h>

#include "jobgate/clock.h"

/* How long the end of the process waits for the store to take the last uses. */
#define FINISH_S 1

struct uses_writer {
	const struct control_setup *setup;
	struct store *store;
	struct disk *disk;
	struct event *tick;
	struct event_base *last_loop; /* with uses_writer_finish: it ends when all is written */
	bool under_way;
	size_t count; /* of the batch that is not written yet */
	struct record_use batch[STORE_USES_MAX];
	size_t noted_count; /* uses of calls at the local socket, for the next batch */
	struct record_use noted[STORE_USES_MAX];
};

static void write_batch(struct uses_writer *writer);

static void
written(void *ctx, enum store_result result, const struct record *none)
{
	struct uses_writer *writer = ctx;

	(void)none;
	writer->under_way = false;
	/* Without an answer the next tick tries again: a use that is written twice does no harm. */
	if (result == STORE_OK || result == STORE_BROKEN)
		writer->count = 0;
	if (result == STORE_OK)
		write_batch(writer);
	if (writer->last_loop != NULL && !writer->under_way)
		event_base_loopbreak(writer->last_loop);
}

static void
fill_batch(struct uses_writer *writer)
{
	size_t count = writer->noted_count;

	memcpy(writer->batch, writer->noted, count * sizeof(writer->noted[0]));
	writer->noted_count = 0;
	writer->count = count + writer->setup->uses_take(writer->setup->observe_ctx,
				    writer->batch + count, STORE_USES_MAX - count);
}

static void
write_batch(struct uses_writer *writer)
{
	if (writer->count == 0)
		fill_batch(writer);
	if (writer->count == 0 || !disk_may_grow(writer->disk))
		return;
	writer->under_way = true;
	store_record_uses(writer->store, writer->batch, writer->count, written, writer);
}

static void
on_tick(evutil_socket_t fd, short events, void *ctx)
{
	struct uses_writer *writer = ctx;

	(void)fd;
	(void)events;
	if (!writer->under_way)
		write_batch(writer);
}

struct uses_writer *
uses_writer_new(struct event_base *base, const struct control_setup *setup, struct store *store,
    struct disk *disk)
{
	const struct timeval second = {.tv_sec = 1};
	struct uses_writer *writer = calloc(1, sizeof(*writer));

	if (writer == NULL)
		return NULL;
	writer->setup = setup;
	writer->store = store;
	writer->disk = disk;
	writer->tick = event_new(base, -1, EV_PERSIST, on_tick, writer);
	if (writer->tick != NULL && event_add(writer->tick, &second) == 0)
		return writer;
	uses_writer_free(writer);
	return NULL;
}

void
uses_writer_note(struct uses_writer *writer, struct slice id)
{
	uint64_t minute = clock_ms(CLOCK_REALTIME) / RECORD_USE_MS;
	size_t i = 0;

	if (writer == NULL)
		return;
	while (i < writer->noted_count && !slice_equal(record_use_member(&writer->noted[i]), id))
		i++;
	if (i < STORE_USES_MAX && record_use_set(&writer->noted[i], false, id, minute) &&
	    i == writer->noted_count)
		writer->noted_count++;
}

void
uses_writer_finish(struct uses_writer *writer, struct event_base *base)
{
	const struct timeval timeout = {.tv_sec = FINISH_S};

	if (writer == NULL)
		return;
	writer->last_loop = base;
	if (!writer->under_way)
		write_batch(writer);
	if (writer->under_way && event_base_loopexit(base, &timeout) == 0)
		event_base_dispatch(base);
}

void
uses_writer_free(struct uses_writer *writer)
{
	if (writer == NULL)
		return;
	if (writer->tick != NULL)
		event_free(writer->tick);
	free(writer);
}
