/* connection_life_world.h - a connection that speaks the test's own protocol. */
#ifndef JOBGATE_TEST_CONNECTION_LIFE_WORLD_H
#define JOBGATE_TEST_CONNECTION_LIFE_WORLD_H

#include "connection_world.h"
#include "jobgate/ip.h"

/* The fake protocol: it counts what it is told, and tells of the load that the test gives it. */
struct spoken {
	struct connection connection;
	struct connection_load load;
	size_t works, readies, expiries, gentle_drains, drains, lost;
};

static size_t opened, closed, shut_down;
static struct world world;

static inline void
on_opened(struct connection *connection, struct buffer *received)
{
	assert_null(received);
	assert_int_equal(connection->state, CONNECTION_OPEN);
	opened++;
}

static inline void
on_ready(struct connection *connection)
{
	((struct spoken *)connection)->readies++;
}

static inline void
on_work(struct connection *connection)
{
	((struct spoken *)connection)->works++;
}

static inline void
on_expired(struct connection *connection)
{
	((struct spoken *)connection)->expiries++;
}

static inline void
on_drain(struct connection *connection, bool gently)
{
	if (gently)
		((struct spoken *)connection)->gentle_drains++;
	else
		((struct spoken *)connection)->drains++;
}

static inline void
on_shutdown(struct connection *connection)
{
	assert_int_equal(connection->state, CONNECTION_OPEN);
	shut_down++;
}

static inline void
on_lost(struct connection *connection)
{
	assert_int_equal(connection->state, CONNECTION_OPEN);
	((struct spoken *)connection)->lost++;
}

static inline void
on_closed(struct connection *connection)
{
	assert_int_equal(connection->state, CONNECTION_CLOSED);
	closed++;
}

static inline struct connection_load
on_load(const struct connection *connection)
{
	return ((const struct spoken *)connection)->load;
}

static inline void
on_dump(const struct connection *connection, struct dump *dump)
{
	(void)connection;
	jg_dump_begin(dump, "spoken");
	jg_dump_end(dump);
}

static inline void
on_judge_if_changed(struct connection *connection)
{
	(void)connection;
}

static const struct connection_protocol fake = {
    .size = sizeof(struct spoken),
    .opened = on_opened,
    .judge_if_changed = on_judge_if_changed,
    .ready = on_ready,
    .work = on_work,
    .expired = on_expired,
    .drain = on_drain,
    .shutdown = on_shutdown,
    .lost = on_lost,
    .closed = on_closed,
    .load = on_load,
    .dump = on_dump,
};

static const struct listener_options plain;
static const struct listener_options proxied = {.proxied = true};
static const struct listener_options control = {.purpose = FOR_CONTROL};
static const struct listener_options metrics = {.purpose = FOR_METRICS};

static inline int
setup(void **state)
{
	(void)state;
	opened = closed = shut_down = 0;
	world_open(&world, &fake);
	return 0;
}

static inline int
teardown(void **state)
{
	(void)state;
	world_close(&world);
	return 0;
}

/* The connection that was accepted last. */
static inline struct spoken *
latest(enum purpose purpose)
{
	return (struct spoken *)TAILQ_LAST(
	    &world.downstream->places[purpose].connections, connection_list);
}

/* Believe what the peer at 192.0.2.1 says of its clients. */
static inline void
trust_proxy(void)
{
	static const struct ip_range range = {
	    .address.s6_addr = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 1}, .prefix = 128};

	world.downstream->options.trusted = &range;
	world.downstream->options.trusted_count = 1;
}

/* Fill all places for jobs with connections of this load; the last answer was allowed. */
static inline void
fill(int clients[JOB_PLACES], struct connection_load load)
{
	char address[] = "192.0.2.1";

	for (size_t i = 0; i < JOB_PLACES; i++) {
		address[8] = (char)('1' + i);
		clients[i] = world_connect(&world, address, &plain);
		latest(FOR_JOBS)->load = load;
		connection_exchange_over(&latest(FOR_JOBS)->connection, true);
	}
}

static inline void
close_all(const int clients[JOB_PLACES])
{
	for (size_t i = 0; i < JOB_PLACES; i++)
		close(clients[i]);
}

#endif
