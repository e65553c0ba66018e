/*
 * tunnel_only_test.c - requests whose client takes any success for an open tunnel (RFC 8441): it
 * gets no success unless there is a tunnel.
 */
#include "relay_world.h"

static struct question
websocket_at(const char *path)
{
	return (struct question){.method = "GET",
	    .authority = JOB ".jobs.test",
	    .path = path,
	    .fields = world.bearer,
	    .upgrade = "websocket",
	    .http2 = true};
}

static void
ask(const struct question *question)
{
	world_ask(&world, question);
	world_turn(&world);
}

static void
answer_with(unsigned status)
{
	static struct field items[HEAD_FIELDS_MAX];
	struct upstream_user *user = fake_pool.given[0].upstream.user;
	struct response response = {.status = status,
	    .fields = {items, 0},
	    .tunnel = status == 101,
	    .content = CONTENT_UNKNOWN};

	user->ops->head(user, &response);
}

static void
a_tunnel(void **state)
{
	const struct question question = websocket_at("/path");

	(void)state;
	ask(&question);
	ASSERT_SENT(&world, "GET 192.0.2.1:8000 /path  websocket");
	answer_with(101);
	assert_true(world.client.tunnel);
	assert_int_equal(world.client.ends, 0);
}

static void
success_without_a_tunnel(void **state)
{
	static const unsigned statuses[] = {200, 204, 299};
	const struct question question = websocket_at("/path");

	(void)state;
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		fake_pool = (struct fake_pool){0};
		ask(&question);
		answer_with(statuses[i]);
		assert_int_equal(world.client.status, 502);
		assert_int_equal(world.client.answers, 1);
		assert_int_equal(world.client.end, END_COMPLETE);
		assert_int_equal(fake_pool.given[0].cancelled, 1);
		world_turn(&world);
	}
}

static void
refusals_pass(void **state)
{
	static const unsigned statuses[] = {300, 302, 403, 426, 500};
	const struct question question = websocket_at("/path");

	(void)state;
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		struct upstream_user *user;

		fake_pool = (struct fake_pool){0};
		ask(&question);
		user = fake_pool.given[0].upstream.user;
		answer_with(statuses[i]);
		assert_int_equal(user->ops->content(user, SLICE("no")), 2);
		user->ops->content_end(user, NULL);
		assert_int_equal(world.client.status, statuses[i]);
		assert_int_equal(world.client.body_len, 2);
		assert_int_equal(world.client.end, END_COMPLETE);
		world_turn(&world);
	}
}

/* Over HTTP/1 it would go on as a plain request. */
static void
upgrades_that_are_not_allowed(void **state)
{
	static const char *none[] = {"other", NULL};
	struct question question = websocket_at("/path");

	(void)state;
	world.context->options.forwarding.upgrades = none;
	ask(&question);
	ASSERT_REFUSED(&world, 501);
	question.http2 = false;
	ask(&question);
	ASSERT_SENT(&world, "GET 192.0.2.1:8000 /path  ");
	answer_with(200);
	assert_int_equal(world.client.status, 200);
}

static void
pages_of_the_gateway(void **state)
{
	struct question question = websocket_at("/.jobgate/sign-out");

	(void)state;
	world.context->options.session_key = world_session_key;
	world.peer.tls = true;
	ask(&question);
	ASSERT_REFUSED(&world, 501);
	question.http2 = false;
	ask(&question);
	ASSERT_REFUSED(&world, 200); /* it is answered, and no more */
}

/* A local reply to a gRPC call has status 200: no such call asks for a tunnel. */
static void
a_tunnel_is_no_grpc_call(void **state)
{
	struct question question = websocket_at("/path");

	(void)state;
	question.fields = "Content-Type: application/grpc\n";
	ask(&question);
	ASSERT_REFUSED(&world, 401);
}

static void
decisions_for_other_proxies(void **state)
{
	struct question question = websocket_at("/authorize");
	char fields[256];

	(void)state;
	world.peer.forward_auth = world.peer.trusted = true;
	snprintf(fields, sizeof(fields),
	    "%sX-Forwarded-Method: GET\nX-Forwarded-Host: " JOB ".jobs.test\nX-Forwarded-Uri: /\n",
	    world.bearer);
	question.authority = "gateway";
	question.fields = fields;
	ask(&question);
	ASSERT_REFUSED(&world, 501);
	question.http2 = false;
	ask(&question);
	ASSERT_REFUSED(&world, 200);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_tunnel),
	    TEST(success_without_a_tunnel),
	    TEST(refusals_pass),
	    TEST(upgrades_that_are_not_allowed),
	    TEST(pages_of_the_gateway),
	    TEST(a_tunnel_is_no_grpc_call),
	    TEST(decisions_for_other_proxies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
