/* relay_world.h - an exchange whose request has been allowed, between a fake client and a fake
 * upstream. */
#ifndef JOBGATE_TEST_RELAY_WORLD_H
#define JOBGATE_TEST_RELAY_WORLD_H

#include "exchange_world.h"

static struct world world;

static inline int
setup(void **state)
{
	(void)state;
	world_open(&world);
	world_know(&world);
	return 0;
}

static inline int
teardown(void **state)
{
	(void)state;
	world_close(&world);
	return 0;
}

/* The backend's end of the last pool_acquire. */
static inline struct fake_upstream *
upstream(void)
{
	assert_true(fake_pool.acquires > 0);
	return &fake_pool.given[fake_pool.acquires - 1];
}

static inline const struct upstream_user_ops *
user_ops(void)
{
	return upstream()->upstream.user->ops;
}

#define TELL(what, ...) user_ops()->what(upstream()->upstream.user, ##__VA_ARGS__)

/* A request has gone to the backend. */
static inline void
send_get(void)
{
	world_get(&world);
	world_turn(&world);
	assert_int_equal(upstream()->begun, 1);
}

static inline void
send_post(uint64_t length)
{
	const struct question question = {
	    "POST", JOB ".jobs.test", "/path", NULL, world.bearer, CONTENT_LENGTH, length};

	world_ask(&world, &question);
	world_turn(&world);
	assert_int_equal(upstream()->begun, 1);
	assert_int_equal(world.client.resumes, 1);
}

/* The backend answers 200. */
static inline void
answer(enum content content)
{
	static struct field items[HEAD_FIELDS_MAX];
	struct response response = {.status = 200, .fields = {items, 0}, .content = content};

	TELL(head, &response);
	assert_int_equal(world.client.status, 200);
	assert_non_null(strstr(world.client.fields, "Via: 1.1 jobgate\n"));
}

/* Let time pass, in which the store is seen to work. */
static inline void
pass(uint64_t ms)
{
	uint64_t until_ms = world_now(&world) + ms, now_ms;

	while ((now_ms = world_now(&world)) < until_ms) {
		uint64_t step = until_ms - now_ms;

		if (step > STALENESS / 2)
			step = STALENESS / 2;
		jg_directory_good(world.store.directory, now_ms + step);
		world_pass(&world, step);
	}
}

/* The answer comes without content, and the exchange ends. */
static inline void
finish(void)
{
	answer(CONTENT_NONE);
	TELL(content_end, NULL);
	world_turn(&world);
}

static inline void
open_tunnel(const char *protocol)
{
	static struct field items[HEAD_FIELDS_MAX];
	struct response response = {.status = 101, .fields = {items, 0}, .tunnel = true};
	const struct question question = {
	    "GET", JOB ".jobs.test", "/path", NULL, world.bearer, CONTENT_NONE, 0, protocol};

	world_ask(&world, &question);
	world_turn(&world);
	assert_non_null(strstr(upstream()->head, protocol));
	TELL(head, &response);
	assert_true(world.client.tunnel && exchange_is_tunnel(world.exchange));
}

static inline void
push(const char *data)
{
	assert_int_equal(TELL(content, slice_of(data)), strlen(data));
}

/* It has ended in this way, after a head of this status; and so the upstream was dealt with. */
#define ASSERT_ENDED(how, with_status, upstream_was)                  \
	do {                                                          \
		assert_int_equal(world.client.ends, 1);               \
		assert_int_equal(world.client.end, (how));            \
		assert_int_equal(world.client.status, (with_status)); \
		assert_int_equal(upstream()->upstream_was, 1);        \
		world_turn(&world);                                   \
		assert_int_equal(fake_pool.entered, 0);               \
	} while (0)

/* A close frame (RFC 6455 section 5.5.1) with this code stands at the end of what was sent. */
static inline bool
is_closed_with(unsigned code)
{
	const unsigned char *body = (const unsigned char *)world.client.body;

	for (size_t i = 0; i + 4 <= world.client.body_len; i++)
		if (body[i] == 0x88 && (unsigned)(body[i + 2] << 8 | body[i + 3]) == code)
			return true;
	return false;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
