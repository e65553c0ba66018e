/* uses.c - writes to the store when tokens were last used, off the path of requests. */
#include "auth/control/uses.h"

#include <stdlib.h>

struct uses_writer {
	const struct control_setup *setup;
	struct store *store;
	struct disk *disk;
	struct event *tick;
	bool under_way;
	size_t count; /* of the batch that is not written yet */
	struct token_use batch[STORE_USES_MAX];
};

static void write_batch(struct uses_writer *writer);

static void
written(void *ctx, enum store_result result, const struct record *none)
{
	struct uses_writer *writer = ctx;

	(void)none;
	writer->under_way = false;
	if (result != STORE_OK)
		return; /* the next tick tries again: a use that is written twice does no harm */
	writer->count = 0;
	write_batch(writer);
}

static void
write_batch(struct uses_writer *writer)
{
	if (writer->count == 0)
		writer->count = writer->setup->uses_take(
		    writer->setup->observe_ctx, writer->batch, STORE_USES_MAX);
	if (writer->count == 0 || !disk_may_grow(writer->disk))
		return;
	writer->under_way = true;
	store_token_uses(writer->store, writer->batch, writer->count, written, writer);
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
uses_writer_free(struct uses_writer *writer)
{
	if (writer == NULL)
		return;
	if (writer->tick != NULL)
		event_free(writer->tick);
	free(writer);
}
