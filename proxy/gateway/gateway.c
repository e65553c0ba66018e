/* gateway.c - the data path of one worker, put together and taken apart. */
#include "gateway/gateway.h"

#include <openssl/rand.h>
#include <stdlib.h>

#include "gateway/downstream.h"
#include "gateway/pool.h"

struct slice
gateway_date(struct gateway *gateway)
{
	int64_t second = loop_wall_us(gateway->loop) / 1000000;

	if (second != gateway->date_second) {
		http_date(second, gateway->date);
		gateway->date_second = second;
	}
	return (struct slice){gateway->date, sizeof(gateway->date)};
}

/* Returns how many connections there may be for all purposes together. */
static size_t
places_init(struct gateway *gateway)
{
	size_t all = 0;

	for (size_t i = 0; i < PURPOSE_COUNT; i++) {
		struct places *places = &gateway->places[i];

		TAILQ_INIT(&places->connections);
		TAILQ_INIT(&places->securing);
		places->max = gateway->options.places[i].connections;
		places->handshakes_max = gateway->options.places[i].handshakes;
		all += places->max;
	}
	return all;
}

struct gateway *
gateway_new(const struct gateway_options *options, struct loop *loop, struct directory *directory,
    struct resolver *resolver, struct worker_stats *stats, struct access_log *access_log,
    const struct log *log)
{
	struct gateway *gateway = calloc(1, sizeof(*gateway));

	if (gateway == NULL) {
		log_error(log, "out of memory");
		return NULL;
	}
	gateway->options = *options;
	gateway->loop = loop;
	gateway->directory = directory;
	gateway->resolver = resolver;
	gateway->stats = stats;
	gateway->access_log = access_log;
	gateway->log = log;
	gateway->downstreams.size = downstream_size();
	gateway->exchanges.size = exchange_size();
	gateway->buffers = buffer_pool_new();
	gateway->pool = pool_new(gateway);
	gateway->clients = clients_new(&options->client_limits, places_init(gateway));
	if (gateway->buffers == NULL || gateway->pool == NULL || gateway->clients == NULL ||
	    !request_ids_init(&gateway->ids) ||
	    RAND_bytes((unsigned char *)gateway->memos.key, sizeof(gateway->memos.key)) != 1) {
		log_error(log, "the data path cannot be set up: out of memory, or no random bytes");
		gateway_free(gateway);
		return NULL;
	}
	return gateway;
}

static void
places_clear(struct places *places)
{
	struct downstream *downstream, *next;

	for (downstream = TAILQ_FIRST(&places->connections); downstream != NULL;
	     downstream = next) {
		next = downstream_next(downstream);
		downstream_shutdown(downstream);
	}
	while ((downstream = TAILQ_FIRST(&places->securing)) != NULL)
		downstream_shutdown(downstream);
}

void
gateway_free(struct gateway *gateway)
{
	if (gateway == NULL)
		return;
	gateway->draining = true;
	for (size_t i = 0; i < PURPOSE_COUNT; i++)
		places_clear(&gateway->places[i]);
	pool_free(gateway->pool);
	loop_turn(gateway->loop, false); /* what closed is freed at the end of the turn */
	clients_free(gateway->clients);
	slab_clear(&gateway->downstreams);
	slab_clear(&gateway->exchanges);
	slab_clear(&gateway->backend_conns);
	slab_clear(&gateway->dials);
	slab_clear(&gateway->http1_clients);
	buffer_pool_free(gateway->buffers);
	free(gateway);
}

void
gateway_accept(
    struct gateway *gateway, int fd, const struct sockaddr *peer, const struct entrance *entrance)
{
	downstream_accept(gateway, fd, peer, entrance);
}

bool
gateway_make_room(struct gateway *gateway, bool of_client)
{
	return (!of_client && pool_make_room(gateway->pool)) || downstream_make_room(gateway);
}

static void
places_drain(struct places *places, bool gently)
{
	struct downstream *downstream, *next;

	for (downstream = TAILQ_FIRST(&places->connections); downstream != NULL;
	     downstream = next) {
		next = downstream_next(downstream);
		downstream_drain(downstream, gently);
	}
}

void
gateway_drain(struct gateway *gateway, bool gently)
{
	gateway->draining = true;
	for (size_t i = 0; i < PURPOSE_COUNT; i++)
		places_drain(&gateway->places[i], gently);
}

void
gateway_catch_up(struct gateway *gateway)
{
	uint64_t now_ms = loop_read_ms(gateway->loop);

	if (now_ms >= jg_directory_due_ms(gateway->directory))
		jg_directory_tick(gateway->directory, now_ms);
}

size_t
gateway_connections(const struct gateway *gateway)
{
	size_t count = 0;

	for (size_t i = 0; i < PURPOSE_COUNT; i++)
		count += gateway->places[i].count;
	return count;
}
