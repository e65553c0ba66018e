/* downstream.c - the client's end of one worker, put together and taken apart. */
#include "downstream/downstream.h"

#include <stdlib.h>

#include "downstream/connection_state.h"
#include "downstream/quota.h"

/* Returns how many connections there may be for all purposes together. */
static size_t
places_init(struct downstream *downstream)
{
	size_t all = 0;

	for (size_t i = 0; i < PURPOSE_COUNT; i++) {
		struct places *places = &downstream->places[i];

		TAILQ_INIT(&places->connections);
		TAILQ_INIT(&places->handshaking);
		places->max = downstream->options.places[i].connections;
		places->handshakes_max = downstream->options.places[i].handshakes;
		all += places->max;
	}
	return all;
}

/* What client connections may speak. A connection's block has room for each. */
static void
protocols_init(struct downstream *downstream)
{
	const struct connection_protocol *const *protocols = downstream->options.protocols;

	for (size_t i = 0; i < PROTOCOL_COUNT; i++) {
		if (protocols[i] == NULL)
			continue;
		if (downstream->connections.size < protocols[i]->size)
			downstream->connections.size = protocols[i]->size;
		if (downstream->streams.size < protocols[i]->stream_size)
			downstream->streams.size = protocols[i]->stream_size;
	}
}

struct downstream *
downstream_new(const struct downstream_options *options, struct loop *loop,
    struct exchange_context *exchanges, struct buffer_pool *buffers, struct worker_stats *stats,
    const struct log *log)
{
	struct downstream *downstream = calloc(1, sizeof(*downstream));

	if (downstream == NULL)
		return NULL;
	downstream->options = *options;
	window_budget_init(&downstream->http2_windows, options->http2.buffer);
	downstream->loop = loop;
	downstream->exchanges = exchanges;
	downstream->buffers = buffers;
	downstream->stats = stats;
	downstream->log = log;
	protocols_init(downstream);
	downstream->quotas = quotas_new(&options->quota_limits, places_init(downstream));
	downstream->scratch = scratch_new(sizeof(*downstream->scratch));
	if (downstream->quotas == NULL || downstream->scratch == NULL) {
		downstream_free(downstream);
		return NULL;
	}
	return downstream;
}

static void
places_clear(struct places *places)
{
	struct connection *connection, *next;

	for (connection = TAILQ_FIRST(&places->connections); connection != NULL;
	     connection = next) {
		next = TAILQ_NEXT(connection, link);
		connection_shutdown(connection);
	}
	while ((connection = TAILQ_FIRST(&places->handshaking)) != NULL)
		connection_shutdown(connection);
}

void
downstream_shutdown(struct downstream *downstream)
{
	downstream->draining = true;
	for (size_t i = 0; i < PURPOSE_COUNT; i++)
		places_clear(&downstream->places[i]);
}

void
downstream_free(struct downstream *downstream)
{
	if (downstream == NULL)
		return;
	CHECK(downstream_connections(downstream) == 0, downstream_dump, downstream);
	quotas_free(downstream->quotas);
	slab_clear(&downstream->connections);
	slab_clear(&downstream->streams);
	scratch_free(downstream->scratch, sizeof(*downstream->scratch));
	free(downstream);
}

static void
places_drain(struct places *places, bool gently)
{
	struct connection *connection, *next;

	for (connection = TAILQ_FIRST(&places->connections); connection != NULL;
	     connection = next) {
		next = TAILQ_NEXT(connection, link);
		connection_drain(connection, gently);
	}
}

void
downstream_drain(struct downstream *downstream, bool gently)
{
	downstream->draining = true;
	for (size_t i = 0; i < PURPOSE_COUNT; i++)
		places_drain(&downstream->places[i], gently);
}

size_t
downstream_connections(const struct downstream *downstream)
{
	size_t count = 0;

	for (size_t i = 0; i < PURPOSE_COUNT; i++)
		count += downstream->places[i].count;
	return count;
}

static void
places_dump(const struct places *places, enum purpose purpose, struct dump *dump)
{
	jg_dump_begin(dump, purpose_name(purpose));
	jg_dump_number(dump, "connections", places->count);
	jg_dump_number(dump, "most", places->max);
	jg_dump_number(dump, "handshakes", places->handshakes);
	jg_dump_number(dump, "most_handshakes", places->handshakes_max);
	jg_dump_end(dump);
}

void
downstream_dump(const struct downstream *downstream, struct dump *dump)
{
	jg_dump_begin(dump, "downstream");
	jg_dump_flag(dump, "draining", downstream->draining);
	for (enum purpose purpose = 0; purpose < PURPOSE_COUNT; purpose++)
		places_dump(&downstream->places[purpose], purpose, dump);
	jg_dump_number(dump, "idle_blocks", downstream->connections.idle_count);
	quotas_dump(downstream->quotas, dump);
	buffer_pool_dump(downstream->buffers, dump);
	jg_dump_end(dump);
}
