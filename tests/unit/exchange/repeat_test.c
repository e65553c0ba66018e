/* repeat_test.c - a request with content that its backend has not processed is sent once more. */
#include "exchange/context_state.h"
#include "relay_world.h"

/* All backends speak HTTP/2. */
static int
setup_shared(void **state)
{
	setup(state);
	for (size_t i = 0; i < FAKE_ACQUIRES_MAX; i++)
		fake_pool.shared[i] = true;
	return 0;
}

static void
push_request(const char *text)
{
	assert_true(exchange_takes_content(world.exchange));
	assert_int_equal(exchange_content(world.exchange, slice_of(text)), strlen(text));
}

/* The backend says that it has not processed the request. */
static void
refuse(void)
{
	TELL(failed, UPSTREAM_BROKEN, REPEAT_UNPROCESSED);
}

static void
assert_body(const char *text)
{
	assert_int_equal(upstream()->body_len, strlen(text));
	assert_memory_equal(upstream()->body, text, strlen(text));
}

static size_t
bytes_kept(void)
{
	return world.context->kept_contents.used;
}

static void
content_that_was_sent_is_sent_again(void **state)
{
	(void)state;
	send_post(6);
	push_request("abc");
	push_request("def");
	exchange_content_end(world.exchange, NULL);
	assert_int_equal(world.client.pauses, 0);
	refuse();
	assert_int_equal(world.client.pauses, 1);
	assert_int_equal(fake_pool.acquires, 2);
	assert_body("abcdef");
	assert_int_equal(upstream()->ends, 1);
	answer(CONTENT_NONE);
	assert_int_equal(bytes_kept(), 0);
	TELL(content_end, NULL);
	ASSERT_ENDED(END_COMPLETE, 200, released);
}

static void
only_once(void **state)
{
	(void)state;
	send_post(3);
	push_request("abc");
	exchange_content_end(world.exchange, NULL);
	refuse();
	refuse();
	assert_int_equal(fake_pool.acquires, 2);
	assert_int_equal(world.client.pauses, 1);
	assert_int_equal(world.client.status, 503);
	assert_int_equal(bytes_kept(), 0);
}

static void
what_the_client_still_has_follows(void **state)
{
	(void)state;
	send_post(6);
	push_request("abc");
	refuse();
	assert_body("abc");
	assert_int_equal(world.client.resumes, 2);
	push_request("def");
	assert_body("abcdef");
	refuse(); /* what has come since is kept, too; but it was repeated already */
	assert_int_equal(world.client.status, 503);
}

/* Its window is smaller than what the first backend took. */
static void
a_backend_that_takes_it_in_parts_gets_all_of_it_first(void **state)
{
	(void)state;
	send_post(9);
	push_request("abc");
	push_request("def");
	fake_pool.given[1].room = 2;
	refuse();
	assert_body("ab");
	assert_false(exchange_takes_content(world.exchange));
	assert_int_equal(exchange_content(world.exchange, SLICE("ghi")), 0);
	assert_int_equal(world.client.resumes, 1);
	upstream()->room = 2;
	TELL(writable);
	assert_body("abcd");
	assert_false(exchange_takes_content(world.exchange));
	upstream()->room = 100;
	TELL(writable);
	assert_body("abcdef");
	assert_int_equal(world.client.resumes, 2);
	push_request("ghi");
	exchange_content_end(world.exchange, NULL);
	assert_body("abcdefghi");
	assert_int_equal(upstream()->ends, 1);
}

static void
its_end_follows_its_last_part(void **state)
{
	(void)state;
	send_post(3);
	push_request("abc");
	exchange_content_end(world.exchange, NULL);
	fake_pool.given[1].room = 2;
	refuse();
	assert_int_equal(upstream()->ends, 0);
	upstream()->room = 1;
	TELL(writable);
	assert_body("abc");
	assert_int_equal(upstream()->ends, 1);
	assert_int_equal(world.client.resumes, 1);
}

static void
an_early_answer_does_not_stop_it(void **state)
{
	(void)state;
	send_post(3);
	push_request("abc");
	exchange_content_end(world.exchange, NULL);
	fake_pool.given[1].room = 2;
	refuse();
	answer(CONTENT_UNKNOWN);
	assert_true(bytes_kept() > 0);
	upstream()->room = 1;
	TELL(writable);
	assert_body("abc");
	assert_int_equal(upstream()->ends, 1);
	assert_int_equal(bytes_kept(), 0);
	TELL(content_end, NULL);
	ASSERT_ENDED(END_COMPLETE, 200, released);
}

/* What is left of the content would be read as the next request on that connection. */
static void
a_connection_is_kept_only_after_all_content(void **state)
{
	(void)state;
	fake_pool.shared[1] = false;
	send_post(3);
	push_request("abc");
	exchange_content_end(world.exchange, NULL);
	fake_pool.given[1].room = 2;
	TELL(failed, UPSTREAM_BROKEN, REPEAT_OVER_HTTP1);
	assert_body("ab");
	answer(CONTENT_NONE);
	TELL(content_end, NULL);
	ASSERT_ENDED(END_COMPLETE, 200, cancelled);
}

static void
a_connection_is_kept_after_all_content(void **state)
{
	(void)state;
	send_post(3);
	push_request("abc");
	exchange_content_end(world.exchange, NULL);
	fake_pool.given[1].room = 3;
	refuse();
	assert_int_equal(upstream()->ends, 1);
	answer(CONTENT_NONE);
	TELL(content_end, NULL);
	ASSERT_ENDED(END_COMPLETE, 200, released);
}

static void
empty_content_ends_again(void **state)
{
	const struct question question = {
	    "POST", JOB ".jobs.test", "/path", NULL, world.bearer, CONTENT_UNKNOWN, 0};

	(void)state;
	world_ask(&world, &question);
	world_turn(&world);
	exchange_content_end(world.exchange, NULL);
	refuse();
	assert_int_equal(upstream()->ends, 1);
	assert_int_equal(upstream()->body_len, 0);
}

/* ---- what is not kept ---- */

static void
assert_not_repeated(void)
{
	assert_int_equal(bytes_kept(), 0);
	refuse();
	assert_int_equal(fake_pool.acquires, 1);
	assert_int_equal(world.client.status, 503);
}

static void
long_content_is_not_kept(void **state)
{
	(void)state;
	send_post(KEPT_CONTENT_MAX + 1);
	push_request("abc");
	assert_not_repeated();
}

static void
content_that_turns_out_to_be_long_is_not_kept(void **state)
{
	const struct question question = {
	    "POST", JOB ".jobs.test", "/path", NULL, world.bearer, CONTENT_UNKNOWN, 0};
	char piece[1024];

	(void)state;
	memset(piece, 'a', sizeof(piece));
	world_ask(&world, &question);
	world_turn(&world);
	for (size_t sent = 0; sent < KEPT_CONTENT_MAX; sent += sizeof(piece)) {
		upstream()->body_len = 0;
		upstream()->room = sizeof(piece);
		exchange_content(world.exchange, (struct slice){piece, sizeof(piece)});
	}
	assert_true(bytes_kept() >= KEPT_CONTENT_MAX);
	upstream()->body_len = 0;
	upstream()->room = 1;
	push_request("a");
	assert_not_repeated();
}

static void
a_worker_keeps_no_more_than_it_has_room_for(void **state)
{
	(void)state;
	world.context->kept_contents.used = KEPT_CONTENTS_MAX;
	send_post(3);
	push_request("abc");
	world.context->kept_contents.used -= KEPT_CONTENTS_MAX;
	assert_not_repeated();
}

static void
trailers_are_not_kept(void **state)
{
	struct field items[] = {{.name = SLICE("x-sum"), .value = SLICE("1")}};
	struct fields trailers = {items, 1};

	(void)state;
	send_post(3);
	push_request("abc");
	exchange_content_end(world.exchange, &trailers);
	assert_not_repeated();
}

/* Over HTTP/1 a backend cannot say so: what was sent to it is not sent again. */
static void
nothing_is_kept_for_a_backend_of_http1(void **state)
{
	(void)state;
	fake_pool.shared[1] = false;
	send_post(3);
	push_request("abc");
	exchange_content_end(world.exchange, NULL);
	refuse();
	assert_body("abc");
	assert_int_equal(bytes_kept(), 0);
	TELL(failed, UPSTREAM_BROKEN, REPEAT_STALE);
	assert_int_equal(fake_pool.acquires, 2);
	assert_int_equal(world.client.status, 502);
}

static void
access_revoked_before_the_repeat_gives_it_back(void **state)
{
	(void)state;
	fake_pool.to_make[1] = true;
	send_post(3);
	push_request("abc");
	refuse();
	assert_true(bytes_kept() > 0);
	world_change(&world, RECORD_TOKEN);
	world_reply(&world, RECORD_TOKEN, NULL);
	assert_int_equal(bytes_kept(), 0);
	ASSERT_ENDED(END_COMPLETE, 401, cancelled);
}

/* ---- WebSockets ---- */

#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n"

static enum pool_sharing
sharing_of(const char *fields, const char *upgrade)
{
	char all[sizeof(world.bearer) + 256];
	const struct question question = {
	    "GET", JOB ".jobs.test", "/path", NULL, all, CONTENT_NONE, 0, upgrade};

	snprintf(all, sizeof(all), "%s%s", world.bearer, fields);
	world_ask(&world, &question);
	world_turn(&world);
	exchange_client_failed(world.exchange, CLIENT_CLOSED);
	world_turn(&world);
	return fake_pool.sharing[fake_pool.acquires - 1];
}

static void
a_websocket_with_a_key_may_be_a_stream(void **state)
{
	(void)state;
	assert_int_equal(sharing_of("", NULL), POOL_SHARED);
	assert_int_equal(sharing_of(KEY, "websocket"), POOL_TUNNEL);
	assert_int_equal(sharing_of(KEY KEY, "websocket"), POOL_EXCLUSIVE);
	assert_int_equal(sharing_of("Sec-WebSocket-Key: x\n", "websocket"), POOL_EXCLUSIVE);
	memset(&fake_pool, 0, sizeof(fake_pool));
	assert_int_equal(sharing_of("", "websocket"), POOL_EXCLUSIVE);
	assert_int_equal(sharing_of(KEY, "other"), POOL_EXCLUSIVE);
}

#define SHARED(name) cmocka_unit_test_setup_teardown(name, setup_shared, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    SHARED(content_that_was_sent_is_sent_again),
	    SHARED(only_once),
	    SHARED(what_the_client_still_has_follows),
	    SHARED(a_backend_that_takes_it_in_parts_gets_all_of_it_first),
	    SHARED(its_end_follows_its_last_part),
	    SHARED(an_early_answer_does_not_stop_it),
	    SHARED(a_connection_is_kept_only_after_all_content),
	    SHARED(a_connection_is_kept_after_all_content),
	    SHARED(empty_content_ends_again),
	    SHARED(long_content_is_not_kept),
	    SHARED(content_that_turns_out_to_be_long_is_not_kept),
	    SHARED(a_worker_keeps_no_more_than_it_has_room_for),
	    SHARED(trailers_are_not_kept),
	    SHARED(nothing_is_kept_for_a_backend_of_http1),
	    SHARED(access_revoked_before_the_repeat_gives_it_back),
	    TEST(a_websocket_with_a_key_may_be_a_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
