/* gateway.c - the data path of one worker, put together and taken apart. */
#include "exchange/gateway.h"

#include <openssl/rand.h>
#include <stdlib.h>

#include "downstream/connection.h"
#include "downstream/quota.h"
#include "upstream/pool.h"

/* Returns how many connections there may be for all purposes together. */
static size_t
places_init(struct gateway *gateway)
{
	size_t all = 0;

	for (size_t i = 0; i < PURPOSE_COUNT; i++) {
		struct places *places = &gateway->places[i];

		TAILQ_INIT(&places->connections);
		TAILQ_INIT(&places->handshaking);
		places->max = gateway->options.places[i].connections;
		places->handshakes_max = gateway->options.places[i].handshakes;
		all += places->max;
	}
	return all;
}

/* What client connections may speak. A connection's block has room for each. */
static void
protocols_init(struct gateway *gateway)
{
	const struct connection_protocol *const *protocols = gateway->options.protocols;

	for (size_t i = 0; i < PROTOCOL_COUNT; i++)
		if (gateway->connections.size < protocols[i]->size)
			gateway->connections.size = protocols[i]->size;
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
	protocols_init(gateway);
	gateway->exchanges.size = exchange_size();
	gateway->buffers = buffer_pool_new();
	gateway->pool = pool_new(gateway);
	gateway->quotas = quotas_new(&options->quota_limits, places_init(gateway));
	if (gateway->buffers == NULL || gateway->pool == NULL || gateway->quotas == NULL ||
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
gateway_free(struct gateway *gateway)
{
	if (gateway == NULL)
		return;
	gateway->draining = true;
	for (size_t i = 0; i < PURPOSE_COUNT; i++)
		places_clear(&gateway->places[i]);
	pool_free(gateway->pool);
	loop_turn(gateway->loop, false); /* what closed is freed at the end of the turn */
	quotas_free(gateway->quotas);
	slab_clear(&gateway->connections);
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
	connection_accept(gateway, fd, peer, entrance);
}

bool
gateway_make_room(struct gateway *gateway, bool of_client)
{
	return (!of_client && pool_make_room(gateway->pool)) || admit_make_room(gateway);
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
gateway_drain(struct gateway *gateway, bool gently)
{
	gateway->draining = true;
	for (size_t i = 0; i < PURPOSE_COUNT; i++)
		places_drain(&gateway->places[i], gently);
}

size_t
gateway_connections(const struct gateway *gateway)
{
	size_t count = 0;

	for (size_t i = 0; i < PURPOSE_COUNT; i++)
		count += gateway->places[i].count;
	return count;
}
