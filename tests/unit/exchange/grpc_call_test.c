/* grpc_call_test.c - which requests are gRPC calls, and how a call is followed to its status. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "exchange/grpc_call.h"

#define NOW_MS 1000

static struct field
type_field(const char *type)
{
	return (struct field){.id = FIELD_CONTENT_TYPE, .value = slice_of(type)};
}

/* A call over HTTP/2 of this type; timeout NULL: it has none. */
static struct grpc_call
call_of(const char *type, const char *timeout)
{
	struct field items[] = {type_field(type),
	    {.id = FIELD_GRPC_TIMEOUT, .value = slice_of(timeout != NULL ? timeout : "")}};
	struct request request = {.method_id = METHOD_POST,
	    .version = HTTP_2,
	    .fields = {items, timeout != NULL ? 2 : 1}};
	struct grpc_call call = {0};

	grpc_call_read(&call, &request, NOW_MS);
	return call;
}

static void
expect_type(const struct grpc_call *call, const char *type)
{
	struct slice found = grpc_call_type(call);

	assert_int_equal(found.len, strlen(type));
	assert_memory_equal(found.at, type, found.len);
}

static void
only_a_post_of_a_type_of_grpc_is_a_call(void **state)
{
	struct field items[] = {type_field("application/grpc"), type_field("application/grpc")};
	struct request request = {.fields = {items, 1}};
	struct grpc_call call = {0};

	(void)state;
	for (enum method_id method = METHOD_OTHER; method <= METHOD_CONNECT; method++) {
		call = (struct grpc_call){0};
		request.method_id = method;
		grpc_call_read(&call, &request, NOW_MS);
		assert_int_equal(is_grpc_call(&call), method == METHOD_POST);
	}
	call = call_of("application/json", "1S");
	assert_false(is_grpc_call(&call));
	assert_int_equal(call.due_ms, 0);
	/* Which one counts? */
	request = (struct request){.method_id = METHOD_POST, .fields = {items, 2}};
	grpc_call_read(&call, &request, NOW_MS);
	assert_false(is_grpc_call(&call));
}

static void
answers_have_the_type_of_the_request(void **state)
{
	static char longest[GRPC_TYPE_MAX + 2] = "application/grpc+";
	struct grpc_call call = call_of("application/grpc-web-text+proto", NULL);

	(void)state;
	expect_type(&call, "application/grpc-web-text+proto");
	memset(longest + strlen(longest), 'x', GRPC_TYPE_MAX - strlen(longest));
	call = call_of(longest, NULL);
	expect_type(&call, longest);
	longest[GRPC_TYPE_MAX] = 'x';
	call = call_of(longest, NULL);
	expect_type(&call, "application/grpc");
	assert_int_equal(call.kind, GRPC_PLAIN);
}

static void
deadlines(void **state)
{
	struct grpc_call call = call_of("application/grpc", "250m");

	(void)state;
	assert_int_equal(call.due_ms, NOW_MS + 250);
	call = call_of("application/grpc", "0n");
	assert_int_equal(call.due_ms, NOW_MS);
	call = call_of("application/grpc", "99999999H");
	assert_true(call.due_ms == NOW_MS + UINT64_C(359999996400000));
	call = call_of("application/grpc", "soon");
	assert_int_equal(call.due_ms, 0);
	call = call_of("application/grpc", NULL);
	assert_int_equal(call.due_ms, 0);
}

/* The head of an answer of this type came. */
static void
answer(struct grpc_call *call, const char *type, enum content content)
{
	struct field items[] = {type_field(type)};

	grpc_call_answer(
	    call, &(struct response){.status = 200, .fields = {items, 1}, .content = content});
}

static void
a_stream_may_end_between_two_messages(void **state)
{
	struct grpc_call call = call_of("application/grpc", NULL);

	(void)state;
	assert_false(grpc_call_may_end(&call));
	answer(&call, "application/grpc+proto", CONTENT_UNKNOWN);
	assert_true(grpc_call_may_end(&call));
	grpc_call_content(&call, SLICE("\0\0\0"));
	assert_false(grpc_call_may_end(&call));
	grpc_call_content(&call, SLICE("\0\2a"));
	assert_false(grpc_call_may_end(&call));
	grpc_call_content(&call, SLICE("b"));
	assert_true(grpc_call_may_end(&call));
	grpc_call_end(&call, NULL);
	assert_false(grpc_call_may_end(&call));
	assert_false(call.has_status);
}

/* Another answer follows one that was taken back. */
static void
each_answer_begins_between_messages(void **state)
{
	struct grpc_call call = call_of("application/grpc", NULL);

	(void)state;
	answer(&call, "application/grpc", CONTENT_UNKNOWN);
	grpc_call_content(&call, SLICE("\0"));
	answer(&call, "application/grpc", CONTENT_UNKNOWN);
	assert_true(grpc_call_may_end(&call));
}

/* Trailers would break what it has announced, or nothing would read them. */
static void
other_answers_may_not_end_early(void **state)
{
	struct field items[] = {type_field("application/grpc")};
	struct request http1 = {
	    .method_id = METHOD_POST, .version = HTTP_1_1, .fields = {items, 1}};
	struct grpc_call call = call_of("application/grpc", NULL);

	(void)state;
	answer(&call, "application/grpc", CONTENT_LENGTH);
	assert_false(grpc_call_may_end(&call));
	answer(&call, "application/grpc", CONTENT_NONE);
	assert_false(grpc_call_may_end(&call));
	answer(&call, "text/html", CONTENT_UNKNOWN);
	assert_false(grpc_call_may_end(&call));
	call = call_of("application/grpc-web", NULL);
	answer(&call, "application/grpc-web", CONTENT_UNKNOWN);
	assert_false(grpc_call_may_end(&call));
	call = (struct grpc_call){0};
	grpc_call_read(&call, &http1, NOW_MS);
	answer(&call, "application/grpc", CONTENT_UNKNOWN);
	assert_false(grpc_call_may_end(&call));
}

static void
the_status_is_in_the_trailers_or_in_the_head(void **state)
{
	struct field items[] = {{.id = FIELD_GRPC_STATUS, .value = SLICE("5")}};
	struct fields fields = {items, 1};
	struct grpc_call call = call_of("application/grpc", NULL);

	(void)state;
	answer(&call, "application/grpc", CONTENT_UNKNOWN);
	assert_false(call.has_status);
	grpc_call_end(&call, &fields);
	assert_true(call.has_status);
	assert_int_equal(call.status, 5);
	items[0].value = SLICE("99");
	grpc_call_answer(&call, &(struct response){.fields = fields});
	assert_int_equal(call.status, GRPC_UNKNOWN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(only_a_post_of_a_type_of_grpc_is_a_call),
	    cmocka_unit_test(answers_have_the_type_of_the_request),
	    cmocka_unit_test(deadlines),
	    cmocka_unit_test(a_stream_may_end_between_two_messages),
	    cmocka_unit_test(each_answer_begins_between_messages),
	    cmocka_unit_test(other_answers_may_not_end_early),
	    cmocka_unit_test(the_status_is_in_the_trailers_or_in_the_head),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
