/*
 * pool_world.h - the environment of a pool: a loop that turns when the test says so and whose clock
 * the test moves, and counters.
 */
#ifndef JOBGATE_TEST_POOL_WORLD_H
#define JOBGATE_TEST_POOL_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "net/buffer.h"
#include "upstream/http1/client_state.h"
#include "upstream/http2/client_state.h"
#include "upstream/pool_state.h"

#define CONNECT_MS 5000
#define IDLE_MS 60000

/* Milliseconds by which the loop's clock is ahead of the machine's. */
static uint64_t ahead_ms;

/* In the place of libc's, for all of this program. */
int
clock_gettime(clockid_t clock, struct timespec *out)
{
	int result = (int)syscall(SYS_clock_gettime, clock, out);

	if (clock == CLOCK_BOOTTIME) {
		uint64_t ns = (uint64_t)out->tv_nsec + ahead_ms % 1000 * 1000000;

		out->tv_sec += (time_t)(ahead_ms / 1000 + ns / 1000000000);
		out->tv_nsec = (long)(ns % 1000000000);
	}
	return result;
}

struct pool_world {
	struct loop *loop;
	struct buffer_pool *buffers;
	struct worker_stats *stats;
	struct log log;
	struct pool *pool;
	unsigned catch_ups; /* calls of pool_options.catch_up */
	void (*on_catch_up)(void);
	bool untold; /* what catch_up returns */
};

static inline bool
world_catch_up(void *ctx)
{
	struct pool_world *world = ctx;

	loop_read_ms(world->loop);
	world->catch_ups++;
	if (world->on_catch_up != NULL)
		world->on_catch_up();
	return world->untold;
}

static inline bool
world_make_room(void *ctx)
{
	return pool_make_room(((struct pool_world *)ctx)->pool);
}

/* A pool that reaches backends on loopback. */
static inline void
world_open(struct pool_world *world)
{
	struct pool_options options = {
	    .http1 = &http1_client_protocol,
	    .http2 = &http2_client_protocol,
	    .guard.allow_loopback = true,
	    .head = {16 * 1024, 8 * 1024, 100},
	    .connections_max = 16,
	    .settings.idle_max = 4,
	    .settings.connect_ms = CONNECT_MS,
	    .settings.idle_ms = IDLE_MS,
	    .settings.http2 = {.streams = 100, .buffer = 4 * 1024 * 1024},
	    .ctx = world,
	    .catch_up = world_catch_up,
	    .make_room = world_make_room,
	};

	*world = (struct pool_world){.log.fd = -1};
	assert_int_equal(posix_memalign((void **)&world->stats, 64, sizeof(*world->stats)), 0);
	memset(world->stats, 0, sizeof(*world->stats));
	options.loop = world->loop = loop_new();
	options.buffers = world->buffers = buffer_pool_new();
	options.stats = world->stats;
	options.log = &world->log;
	assert_true(world->loop != NULL && world->buffers != NULL);
	world->pool = pool_new(&options);
	assert_non_null(world->pool);
}

/* Whatever is ready now, and what was put off, has been done. */
static inline void
world_settle(struct pool_world *world)
{
	for (int i = 0; i < 5; i++)
		loop_turn(world->loop, false);
}

static inline void
world_close(struct pool_world *world)
{
	world_settle(world);
	/* Whatever happened, what is counted is what is there. */
	assert_int_equal(counter_get(&world->stats->backend_connections), world->pool->connections);
	assert_int_equal(world->pool->connections, counter_get(&world->stats->backend_idle));
	pool_free(world->pool);
	assert_int_equal(counter_get(&world->stats->backend_connections), 0);
	assert_int_equal(counter_get(&world->stats->backend_idle), 0);
	buffer_pool_free(world->buffers); /* asserts that each block was given back */
	loop_free(world->loop);
	free(world->stats);
}

/* Turn the loop until a condition holds; the test fails after some seconds. */
#define TURN_UNTIL(world, condition)                                        \
	do {                                                                \
		time_t until = time(NULL) + 20;                             \
		while (!(condition)) {                                      \
			if (time(NULL) > until)                             \
				fail_msg("waited in vain: %s", #condition); \
			loop_turn((world)->loop, false);                    \
		}                                                           \
	} while (0)

#endif
