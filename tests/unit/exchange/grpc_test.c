/* grpc_test.c - a gRPC call between a fake client and a fake backend: local replies, deadlines, and
 * answers that end early. */
#include "relay_world.h"

static char fields[512];

/* A call over HTTP/2 with these fields and a token, or without. */
static void
call_with(const char *method, bool with_token, const char *more)
{
	const struct question question = {.method = method,
	    .authority = JOB ".jobs.test",
	    .path = "/package.Service/Method",
	    .fields = fields,
	    .content = CONTENT_UNKNOWN,
	    .http2 = true};

	snprintf(fields, sizeof(fields), "%s%s", with_token ? world.bearer : "", more);
	world_ask(&world, &question);
	world_turn(&world);
}

#define TYPE "Content-Type: application/grpc+proto\n"

/* The backend's answer to a call begins. */
static void
begin_stream(const char *more)
{
	static struct field items[HEAD_FIELDS_MAX];
	struct response response = {
	    .status = 200, .fields = {items, 1}, .content = CONTENT_UNKNOWN};

	call_with("POST", true, more);
	assert_int_equal(upstream()->begun, 1);
	items[0] = (struct field){.name = SLICE("content-type"),
	    .value = SLICE("application/grpc+proto"),
	    .id = FIELD_CONTENT_TYPE};
	TELL(head, &response);
	assert_int_equal(world.client.status, 200);
}

static void
push_bytes(struct slice data)
{
	assert_int_equal(TELL(content, data), data.len);
}

#define MESSAGE SLICE("\0\0\0\0\2ab")
#define HALF_MESSAGE SLICE("\0\0\0\0\2a")

static void
delete_token(void)
{
	world_change(&world, RECORD_TOKEN);
	world_reply(&world, RECORD_TOKEN, NULL);
}

static void
expect_field(const char *line)
{
	if (strstr(world.client.fields, line) == NULL)
		fail_msg("no %s in\n%s", line, world.client.fields);
}

/* A reply of the gateway's own that is all in its head. */
#define ASSERT_TRAILERS_ONLY(status_line)                                             \
	do {                                                                          \
		world_turn(&world);                                                   \
		assert_int_equal(world.client.answers, 1);                            \
		assert_int_equal(world.client.status, 200);                           \
		assert_int_equal(world.client.body_len, 0);                           \
		assert_int_equal(world.client.content_ends, 1);                       \
		assert_int_equal(world.client.end, END_COMPLETE);                     \
		expect_field("Content-Type: application/grpc+proto\n");               \
		expect_field(status_line);                                            \
		assert_null(strstr(world.client.fields, "application/problem+json")); \
	} while (0)

/* The answer that had begun ended in this way, with these trailers. */
#define ASSERT_ENDED_WITH(how, expected_trailers)                                \
	do {                                                                     \
		assert_int_equal(world.client.ends, 1);                          \
		assert_int_equal(world.client.end, (how));                       \
		assert_int_equal(world.client.answers, 1);                       \
		assert_int_equal(world.client.content_ends, 1);                  \
		assert_string_equal(world.client.trailers, (expected_trailers)); \
		world_turn(&world);                                              \
	} while (0)

/* ---- local replies ---- */

static void
a_refusal_is_all_in_the_head(void **state)
{
	(void)state;
	call_with("POST", false, TYPE);
	ASSERT_TRAILERS_ONLY("grpc-status: 16\n");
	expect_field("grpc-message: Send a token: Authorization: Bearer <token>.\n");
	expect_field("WWW-Authenticate: Bearer realm=\"test\"\n");
	expect_field("Cache-Control: no-store\n");
	expect_field("X-Request-Id: ");
	assert_int_equal(fake_pool.acquires, 0);
	assert_int_equal(world.exchange->grpc.status, 16);
}

static void
other_requests_get_other_replies(void **state)
{
	static const struct {
		const char *method, *fields;
	} cases[] = {
	    {"GET", TYPE},
	    {"HEAD", TYPE},
	    {"OPTIONS", TYPE},
	    {"POST", ""},
	    {"POST", "Content-Type: application/json\n"},
	    {"POST", TYPE TYPE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		call_with(cases[i].method, false, cases[i].fields);
		ASSERT_REFUSED(&world, 401);
		assert_null(strstr(world.client.fields, "grpc-"));
	}
}

/* A 200 would tell the other proxy that the request may pass. */
static void
forward_auth_gets_no_reply_of_grpc(void **state)
{
	(void)state;
	world.peer.forward_auth = world.peer.trusted = true;
	call_with("POST", false,
	    TYPE "X-Forwarded-Method: POST\nX-Forwarded-Host: demo.jobs.test\n"
		 "X-Forwarded-Uri: /x\nX-Forwarded-Proto: http\n");
	assert_int_not_equal(world.client.status, 200);
	assert_null(strstr(world.client.fields, "grpc-"));
}

static void
the_control_api_gets_no_reply_of_grpc(void **state)
{
	(void)state;
	world.peer.purpose = FOR_CONTROL;
	call_with("POST", false, TYPE "grpc-timeout: 1m\n");
	assert_int_equal(world.client.status, 401);
	assert_null(strstr(world.client.fields, "grpc-"));
	world.peer.purpose = FOR_JOBS;
	world.context->options.control_host = JOB ".jobs.test";
	world.context->options.jobs.taken[0] = JOB;
	call_with("POST", false, TYPE);
	assert_int_equal(world.client.status, 401);
	assert_null(strstr(world.client.fields, "grpc-"));
}

static void
statuses_of_refusals(void **state)
{
	(void)state;
	world.context->options.limits.body_bytes = 1;
	call_with("POST", true, TYPE);
	assert_int_equal(exchange_content(world.exchange, MESSAGE), 0);
	ASSERT_TRAILERS_ONLY("grpc-status: 2\n"); /* 413 */
	world.context->options.limits.body_bytes = 0;
	memset(&fake_pool, 0, sizeof(fake_pool));
	fake_pool.to_make[0] = true;
	call_with("POST", true, TYPE);
	TELL(failed, UPSTREAM_CIRCUIT_OPEN, REPEAT_NOT);
	ASSERT_TRAILERS_ONLY("grpc-status: 14\n");
	expect_field("Retry-After: 7\n");
	world_change(&world, RECORD_JOB);
	call_with("POST", true, TYPE);
	world_reply(&world, RECORD_JOB, NULL);
	ASSERT_TRAILERS_ONLY("grpc-status: 12\n");
}

static void
a_service_that_is_taken_for_http1(void **state)
{
	(void)state;
	call_with("POST", true, TYPE);
	TELL(failed, UPSTREAM_BAD_ANSWER, REPEAT_NOT);
	ASSERT_TRAILERS_ONLY("grpc-status: 14\n");
	expect_field(" The URL of a gRPC service has to begin with grpc:// or grpcs://.\n");
}

/* ---- deadlines ---- */

static void
a_deadline_that_passes_before_the_answer(void **state)
{
	(void)state;
	call_with("POST", true, TYPE "grpc-timeout: 5000m\n");
	assert_non_null(strstr(upstream()->lines, "grpc-timeout: 5000m\r\n"));
	pass(4000);
	assert_int_equal(world.client.ends, 0);
	pass(2000);
	ASSERT_TRAILERS_ONLY("grpc-status: 4\n");
	assert_int_equal(upstream()->cancelled, 1);
	assert_int_equal(counter_get(&world.context->stats->outcomes[OUTCOME_DEADLINE]), 1);
}

static void
a_deadline_that_passes_while_a_connection_is_made(void **state)
{
	(void)state;
	fake_pool.to_make[0] = true;
	call_with("POST", true, TYPE "grpc-timeout: 500m\n");
	pass(600);
	ASSERT_TRAILERS_ONLY("grpc-status: 4\n");
	assert_int_equal(upstream()->begun, 0);
	/* A connection may take longer than timeouts.connect: others may have tried before. */
	fake_pool = (struct fake_pool){.to_make[0] = true};
	call_with("POST", true, TYPE "grpc-timeout: 4000m\n");
	pass(CONNECT_MS + 100);
	assert_int_equal(world.client.ends, 0);
	pass(4000 - CONNECT_MS);
	ASSERT_TRAILERS_ONLY("grpc-status: 4\n");
	assert_int_equal(upstream()->begun, 0);
}

/* The connection is up when a timer is due that has not run yet. */
static void
call_and_connect_after(uint64_t ms, const char *more)
{
	fake_pool.to_make[0] = true;
	call_with("POST", true, more);
	ahead_ms += ms;
	jg_directory_good(world.store.directory, world_now(&world) + ms);
	TELL(connected, &upstream()->upstream);
}

static void
nothing_is_sent_behind_its_deadline(void **state)
{
	(void)state;
	call_and_connect_after(600, TYPE "grpc-timeout: 500m\n");
	ASSERT_TRAILERS_ONLY("grpc-status: 4\n");
	assert_int_equal(upstream()->begun, 0);
}

static void
the_time_of_the_connection_does_not_end_the_call(void **state)
{
	(void)state;
	call_and_connect_after(CONNECT_MS + 1, TYPE "grpc-timeout: 15S\n");
	pass(500);
	assert_int_equal(world.client.ends, 0);
}

static void
a_deadline_that_passes_while_the_store_is_asked(void **state)
{
	(void)state;
	world_change(&world, RECORD_TOKEN);
	call_with("POST", true, TYPE "grpc-timeout: 500m\n");
	ASSERT_WAITS(&world);
	pass(600);
	ASSERT_TRAILERS_ONLY("grpc-status: 4\n");
	assert_int_equal(fake_pool.acquires, 0);
}

/* However much moves. */
static void
a_deadline_that_passes_in_a_stream(void **state)
{
	(void)state;
	begin_stream(TYPE "grpc-timeout: 20S\n");
	for (int i = 0; i < 9; i++) {
		push_bytes(MESSAGE);
		pass(2000);
	}
	push_bytes(MESSAGE);
	assert_int_equal(world.client.ends, 0);
	pass(3000);
	ASSERT_ENDED_WITH(END_TOLD,
	    "grpc-status: 4\n"
	    "grpc-message: The call's own deadline (grpc-timeout) has passed.\n");
	assert_int_equal(upstream()->cancelled, 1);
}

static void
a_deadline_within_a_message_cuts_it(void **state)
{
	(void)state;
	begin_stream(TYPE "grpc-timeout: 1S\n");
	push_bytes(HALF_MESSAGE);
	pass(1100);
	assert_int_equal(world.client.end, END_CUT);
	assert_int_equal(world.client.content_ends, 0);
}

/* Streams may be silent for longer than an answer of HTTP may. */
static void
a_silent_stream_goes_on(void **state)
{
	(void)state;
	call_with("POST", true, TYPE);
	assert_true(exchange_may_be_silent(world.exchange));
	pass(FIRST_BYTE_MS + 1000);
	assert_int_equal(world.client.ends, 0);
	exchange_client_failed(world.exchange, CLIENT_CLOSED);
	world_turn(&world);
	memset(&fake_pool, 0, sizeof(fake_pool));
	begin_stream(TYPE);
	pass(FIRST_BYTE_MS + ANSWER_MS);
	assert_int_equal(world.client.ends, 0);
	pass(TUNNEL_MS);
	ASSERT_ENDED_WITH(
	    END_TOLD, "grpc-status: 14\ngrpc-message: The job has sent nothing for too long.\n");
}

/* ---- answers that end early ---- */

static void
a_complete_answer_passes(void **state)
{
	struct field items[] = {
	    {.name = SLICE("grpc-status"), .value = SLICE("0"), .id = FIELD_GRPC_STATUS}};

	(void)state;
	begin_stream(TYPE);
	push_bytes(MESSAGE);
	exchange_content_end(world.exchange, NULL);
	TELL(content_end, &(struct fields){items, 1});
	ASSERT_ENDED_WITH(END_COMPLETE, "grpc-status: 0\n");
	assert_int_equal(upstream()->released, 1);
	assert_true(world.exchange->grpc.has_status);
}

static void
a_revoked_token_ends_a_stream_between_messages(void **state)
{
	(void)state;
	begin_stream(TYPE);
	exchange_content_end(world.exchange, NULL);
	push_bytes(MESSAGE);
	delete_token();
	ASSERT_ENDED_WITH(END_TOLD, "grpc-status: 16\ngrpc-message: access has been revoked\n");
	assert_int_equal(upstream()->released, 0);
	assert_int_equal(upstream()->cancelled, 1); /* although both sides look complete */
}

static void
a_revoked_stream_ends_without_a_status_behind_what_waits(void **state)
{
	(void)state;
	begin_stream(TYPE);
	push_bytes(MESSAGE);
	world.client.waits = true;
	delete_token();
	assert_int_equal(world.client.end, END_REVOKED);
	assert_int_equal(world.client.content_ends, 0);
	assert_int_equal(upstream()->cancelled, 1);
}

static void
a_deleted_job_ends_a_stream_between_messages(void **state)
{
	(void)state;
	begin_stream(TYPE);
	world_change(&world, RECORD_JOB);
	world_reply(&world, RECORD_JOB, NULL);
	ASSERT_ENDED_WITH(END_TOLD, "grpc-status: 7\ngrpc-message: access has been revoked\n");
	assert_int_equal(upstream()->cancelled, 1);
}

static void
a_revoked_token_cuts_a_message(void **state)
{
	(void)state;
	begin_stream(TYPE);
	push_bytes(MESSAGE);
	push_bytes(HALF_MESSAGE);
	delete_token();
	assert_int_equal(world.client.end, END_REVOKED);
	assert_int_equal(world.client.content_ends, 0);
	assert_int_equal(upstream()->cancelled, 1);
}

/* What the client has not taken does not count. */
static void
a_message_that_is_taken_in_part_is_cut(void **state)
{
	(void)state;
	begin_stream(TYPE);
	world.client.room = MESSAGE.len - 1;
	assert_int_equal(TELL(content, MESSAGE), MESSAGE.len - 1);
	delete_token();
	assert_int_equal(world.client.end, END_REVOKED);
}

static void
a_backend_that_fails_between_messages(void **state)
{
	(void)state;
	begin_stream(TYPE);
	push_bytes(MESSAGE);
	TELL(failed, UPSTREAM_BROKEN, REPEAT_NOT);
	ASSERT_ENDED_WITH(END_TOLD,
	    "grpc-status: 14\ngrpc-message: The job closed the connection before it "
	    "had answered.\n");
}

static void
a_backend_that_fails_within_a_message(void **state)
{
	(void)state;
	begin_stream(TYPE);
	push_bytes(HALF_MESSAGE);
	TELL(failed, UPSTREAM_BROKEN, REPEAT_NOT);
	assert_int_equal(world.client.end, END_CUT);
	assert_int_equal(world.client.content_ends, 0);
}

static void
the_end_of_the_drain_time(void **state)
{
	(void)state;
	begin_stream(TYPE);
	push_bytes(MESSAGE);
	exchange_shutdown(world.exchange);
	ASSERT_ENDED_WITH(END_TOLD, "grpc-status: 14\ngrpc-message: the gateway stops\n");
	memset(&fake_pool, 0, sizeof(fake_pool));
	call_with("POST", true, TYPE);
	exchange_shutdown(world.exchange);
	ASSERT_TRAILERS_ONLY("grpc-status: 14\n");
	assert_int_equal(upstream()->cancelled, 1);
	memset(&fake_pool, 0, sizeof(fake_pool));
	fake_pool.to_make[0] = true;
	call_with("POST", true, TYPE);
	exchange_shutdown(world.exchange);
	assert_int_equal(world.client.end, END_UNPROCESSED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_refusal_is_all_in_the_head),
	    TEST(other_requests_get_other_replies),
	    TEST(forward_auth_gets_no_reply_of_grpc),
	    TEST(the_control_api_gets_no_reply_of_grpc),
	    TEST(statuses_of_refusals),
	    TEST(a_service_that_is_taken_for_http1),
	    TEST(a_deadline_that_passes_before_the_answer),
	    TEST(a_deadline_that_passes_while_a_connection_is_made),
	    TEST(nothing_is_sent_behind_its_deadline),
	    TEST(the_time_of_the_connection_does_not_end_the_call),
	    TEST(a_deadline_that_passes_while_the_store_is_asked),
	    TEST(a_deadline_that_passes_in_a_stream),
	    TEST(a_deadline_within_a_message_cuts_it),
	    TEST(a_silent_stream_goes_on),
	    TEST(a_complete_answer_passes),
	    TEST(a_revoked_token_ends_a_stream_between_messages),
	    TEST(a_revoked_stream_ends_without_a_status_behind_what_waits),
	    TEST(a_deleted_job_ends_a_stream_between_messages),
	    TEST(a_revoked_token_cuts_a_message),
	    TEST(a_message_that_is_taken_in_part_is_cut),
	    TEST(a_backend_that_fails_between_messages),
	    TEST(a_backend_that_fails_within_a_message),
	    TEST(the_end_of_the_drain_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
