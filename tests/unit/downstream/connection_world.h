/*
 * connection_world.h - the environment of client connections: a loop whose clock the test moves,
 * the clients' end of a worker without exchanges, and the clients' ends of socket pairs.
 */
#ifndef JOBGATE_TEST_CONNECTION_WORLD_H
#define JOBGATE_TEST_CONNECTION_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "downstream/connection.h"
#include "downstream/quota.h"
#include "exchange/context.h"
#include "fake_clock.h"

#define CONTROL_PLACES 4
#define JOB_PLACES 3
#define PER_CLIENT 2
#define HEAD_MS 5000
#define BODY_MS 6000
#define KEEP_ALIVE_MS 60000
#define ANSWER_MS 30000
#define LINGER_MS 2000

/* In the place of what exchanges share. */
struct exchange_context {
	struct loop *loop;
	bool untold; /* what exchange_catch_up returns */
};

struct world {
	struct downstream *downstream;
	struct exchange_context exchanges;
	struct worker_stats *stats;
	struct log log;
};

/* In the place of clock.c: there is no directory. */
bool
exchange_catch_up(struct exchange_context *gateway)
{
	loop_read_ms(gateway->loop);
	return gateway->untold;
}

static inline void
world_places(struct downstream *downstream, enum purpose purpose, size_t max)
{
	struct places *places = &downstream->places[purpose];

	TAILQ_INIT(&places->connections);
	TAILQ_INIT(&places->handshaking);
	places->max = places->handshakes_max = max;
}

/* A gateway whose connections speak this protocol. */
static inline void
world_open(struct world *world, const struct connection_protocol *protocol)
{
	struct downstream *downstream = calloc(1, sizeof(*downstream));
	const struct quota_limits limits = {
	    .connections = {[FOR_JOBS] = PER_CLIENT, [FOR_CONTROL] = PER_CLIENT}};

	assert_non_null(downstream);
	*world = (struct world){.downstream = downstream, .log = {.fd = -1}};
	assert_int_equal(posix_memalign((void **)&world->stats, 64, sizeof(*world->stats)), 0);
	memset(world->stats, 0, sizeof(*world->stats));
	window_budget_init(&downstream->http2_windows, 0);
	downstream->stats = world->stats;
	downstream->log = &world->log;
	downstream->loop = world->exchanges.loop = loop_new();
	downstream->exchanges = &world->exchanges;
	downstream->buffers = buffer_pool_new();
	downstream->quotas = quotas_new(&limits, 100);
	downstream->scratch = scratch_new(sizeof(*downstream->scratch));
	downstream->options.protocols[PROTOCOL_HTTP1] = protocol;
	downstream->connections.size = protocol->size;
	downstream->options.limits.head = (struct head_limits){4096, 2048, 50};
	downstream->options.limits.drain_bytes = 1000;
	downstream->options.limits.body_rate_min = 100;
	downstream->options.timeouts.handshake = HEAD_MS;
	downstream->options.timeouts.head = HEAD_MS;
	downstream->options.timeouts.body = BODY_MS;
	downstream->options.timeouts.keep_alive = KEEP_ALIVE_MS;
	downstream->options.timeouts.answer = ANSWER_MS;
	downstream->options.timeouts.linger = LINGER_MS;
	downstream->options.timeouts.tunnel = 3600000;
	world_places(downstream, FOR_JOBS, JOB_PLACES);
	world_places(downstream, FOR_CONTROL, CONTROL_PLACES);
	world_places(downstream, FOR_METRICS, CONTROL_PLACES);
	assert_true(downstream->loop != NULL && downstream->buffers != NULL &&
		    downstream->quotas != NULL && downstream->scratch != NULL);
}

/* The first connection for this purpose; NULL when there is none. */
static inline struct connection *
world_first(const struct world *world, enum purpose purpose)
{
	return TAILQ_FIRST(&world->downstream->places[purpose].connections);
}

static inline void
world_turn(const struct world *world)
{
	loop_turn(world->downstream->loop, false);
}

static inline void
world_close(struct world *world)
{
	struct connection *connection;

	for (enum purpose purpose = 0; purpose < PURPOSE_COUNT; purpose++)
		while ((connection = world_first(world, purpose)) != NULL)
			connection_shutdown(connection);
	world_turn(world);
	quotas_free(world->downstream->quotas);
	slab_clear(&world->downstream->connections);
	scratch_free(world->downstream->scratch, sizeof(*world->downstream->scratch));
	buffer_pool_free(world->downstream->buffers);
	loop_free(world->downstream->loop);
	free(world->stats);
	free(world->downstream);
}

/* Let this many milliseconds pass: all timers that are due then have expired. */
static inline void
world_pass(const struct world *world, uint64_t ms)
{
	fake_clock_pass(world->downstream->loop, ms);
}

/* A client at this IPv4 address connects; returns its end of the connection, non-blocking. */
static inline int
world_connect(
    const struct world *world, const char *address, const struct listener_options *listener)
{
	struct sockaddr_in peer = {.sin_family = AF_INET};
	int ends[2];

	assert_int_equal(inet_pton(AF_INET, address, &peer.sin_addr), 1);
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	downstream_accept(world->downstream, ends[0], (const struct sockaddr *)&peer, listener);
	world_turn(world);
	return ends[1];
}

static inline void
world_send(const struct world *world, int client, const char *text)
{
	assert_int_equal(send(client, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	world_turn(world);
	world_turn(world);
}

/* True once the gateway has closed this connection; what it sent before is dropped. */
static inline bool
world_is_closed(int client)
{
	char ignored[4096];
	ssize_t n;

	do
		n = recv(client, ignored, sizeof(ignored), 0);
	while (n > 0);
	return n == 0 || errno != EAGAIN;
}

#endif
