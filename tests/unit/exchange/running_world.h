/* running_world.h - a worker with one session, and an order about it. */
#ifndef TEST_EXCHANGE_RUNNING_WORLD_H
#define TEST_EXCHANGE_RUNNING_WORLD_H

#include "exchange/running.h"
#include "relay_world.h"

static struct session_order order;
static struct session seen;

static inline int
setup_order(void **state)
{
	order = (struct session_order){0};
	seen = (struct session){0};
	return setup(state);
}

/* How many sessions the order finds; `seen` is the last one. */
static inline size_t
walk(void)
{
	struct running_walk *walk = running_walk_new(world.context, &order);
	size_t count = 0, left = 1;
	enum running_step step;

	assert_non_null(walk);
	while ((step = running_walk_next(walk, &left, &seen)) != RUNNING_DONE) {
		count += step == RUNNING_FOUND;
		left = 1;
	}
	running_walk_free(walk);
	return count;
}

static inline void
set_scope(const char *text)
{
	order.filter.scoped = true;
	snprintf(order.filter.scope, sizeof(order.filter.scope), "%s", text);
}

/* Both records with this label. */
static inline void
know_labelled(const struct label_set *token, const struct label_set *job)
{
	world_change(&world, RECORD_TOKEN);
	world_change(&world, RECORD_JOB);
	jg_directory_lookup(
	    world.store.directory, RECORD_TOKEN, SLICE(TOKEN_ID), world_now(&world), NULL);
	jg_directory_lookup(world.store.directory, RECORD_JOB, SLICE(JOB), world_now(&world), NULL);
	world_reply(&world, RECORD_TOKEN, token_record(world.token, 1, token));
	world_reply(&world, RECORD_JOB, job_record(8000, job));
}

#define TEST_ORDER(name) cmocka_unit_test_setup_teardown(name, setup_order, teardown)

#endif
