/* gateway.c - the data path of one worker, put together and taken apart. */
#include "gateway/gateway.h"

#include <openssl/rand.h>
#include <stdlib.h>

#include "gateway/answer.h"
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
	gateway->upstreams.size = sizeof(struct upstream);
	gateway->exchanges.size = exchange_size();
	TAILQ_INIT(&gateway->connections);
	TAILQ_INIT(&gateway->securing);
	gateway->buffers = buffer_pool_new();
	gateway->pool = pool_new(gateway);
	gateway->clients = clients_new(&options->client_limits, options->connections_max);
	if (gateway->buffers == NULL || gateway->pool == NULL || gateway->clients == NULL ||
	    !request_ids_init(&gateway->ids) ||
	    RAND_bytes((unsigned char *)gateway->memos.key, sizeof(gateway->memos.key)) != 1) {
		log_error(log, "the data path cannot be set up: out of memory, or no random bytes");
		gateway_free(gateway);
		return NULL;
	}
	return gateway;
}

void
gateway_free(struct gateway *gateway)
{
	struct downstream *downstream, *next;

	if (gateway == NULL)
		return;
	gateway->draining = true;
	for (downstream = TAILQ_FIRST(&gateway->connections); downstream != NULL;
	     downstream = next) {
		next = downstream_next(downstream);
		downstream_shutdown(downstream);
	}
	while ((downstream = TAILQ_FIRST(&gateway->securing)) != NULL)
		downstream_shutdown(downstream);
	pool_free(gateway->pool);
	loop_turn(gateway->loop, false); /* what closed is freed at the end of the turn */
	clients_free(gateway->clients);
	slab_clear(&gateway->downstreams);
	slab_clear(&gateway->upstreams);
	slab_clear(&gateway->exchanges);
	buffer_pool_free(gateway->buffers);
	free(gateway);
}

void
gateway_accept(
    struct gateway *gateway, int fd, const struct sockaddr *peer, const struct entrance *entrance)
{
	downstream_accept(gateway, fd, peer, entrance);
}

void
gateway_drain(struct gateway *gateway, bool gently)
{
	struct downstream *downstream, *next;

	gateway->draining = true;
	for (downstream = TAILQ_FIRST(&gateway->connections); downstream != NULL;
	     downstream = next) {
		next = downstream_next(downstream);
		downstream_drain(downstream, gently);
	}
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
	return gateway->connection_count;
}
