/* gateway.c - what all exchanges of a worker share, put together and taken apart. */
#include "exchange/gateway.h"

#include <openssl/rand.h>
#include <stdlib.h>

#include "exchange/state.h"
#include "upstream/pool.h"

struct gateway *
gateway_new(const struct gateway_options *options, struct loop *loop, struct directory *directory,
    struct resolver *resolver, struct buffer_pool *buffers, struct worker_stats *stats,
    struct access_log *access_log, const struct log *log)
{
	struct gateway *gateway = calloc(1, sizeof(*gateway));

	if (gateway == NULL)
		return NULL;
	gateway->options = *options;
	gateway->loop = loop;
	gateway->directory = directory;
	gateway->resolver = resolver;
	gateway->buffers = buffers;
	gateway->stats = stats;
	gateway->access_log = access_log;
	gateway->log = log;
	gateway->exchanges.size = exchange_size();
	gateway->pool = pool_new(gateway);
	if (gateway->pool == NULL || !request_ids_init(&gateway->ids) ||
	    RAND_bytes((unsigned char *)gateway->memos.key, sizeof(gateway->memos.key)) != 1) {
		gateway_free(gateway);
		return NULL;
	}
	return gateway;
}

void
gateway_free(struct gateway *gateway)
{
	if (gateway == NULL)
		return;
	gateway->draining = true;
	pool_free(gateway->pool);
	loop_turn(gateway->loop, false); /* what closed is freed at the end of the turn */
	slab_clear(&gateway->exchanges);
	slab_clear(&gateway->backend_conns);
	slab_clear(&gateway->dials);
	slab_clear(&gateway->http1_clients);
	free(gateway);
}

bool
gateway_make_room(struct gateway *gateway)
{
	const struct gateway_options *options = &gateway->options;

	return pool_make_room(gateway->pool) || options->close_client(options->close_client_ctx);
}

void
gateway_drain(struct gateway *gateway)
{
	gateway->draining = true;
}
