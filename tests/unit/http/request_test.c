/* request_test.c - targets and hosts of requests, in each protocol. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "http/request.h"

static struct request request;

/* What becomes of this target and Host field (empty: none). */
static enum request_error
set(enum method_id method, const char *text, const char *host)
{
	static char room[PATH_ESCAPE_GROWTH * 256];
	struct target target;

	request = (struct request){.method_id = method};
	target_parse(slice_of(text), &target);
	return request_set_target(&request, &target, slice_of(host), room);
}

static void
expect_text(struct slice found, const char *text)
{
	assert_int_equal(found.len, strlen(text));
	assert_memory_equal(found.at, text, found.len);
}

static void
targets(void **state)
{
	(void)state;
	assert_int_equal(set(METHOD_GET, "/a/./b\"?q=\"", "h:8"), REQUEST_OK);
	expect_text(request.path, "/a/b%22");
	expect_text(request.query, "?q=\"");
	expect_text(request.authority, "h:8");
	assert_true(request.path_resolved);
	assert_int_equal(set(METHOD_GET, "http://g/x", ""), REQUEST_OK);
	expect_text(request.authority, "g");
	expect_text(request.path, "/x");
	assert_int_equal(set(METHOD_OPTIONS, "*", "h"), REQUEST_OK);
	expect_text(request.path, "*");
	assert_int_equal(set(METHOD_OPTIONS, "http://h", "h"), REQUEST_OK);
	expect_text(request.path, "*");
	assert_int_equal(set(METHOD_CONNECT, "h:80", "h:80"), REQUEST_OK);
	expect_text(request.authority, "h:80");
	assert_int_equal(request.path.len, 0);
}

static void
refused_targets(void **state)
{
	(void)state;
	assert_int_equal(set(METHOD_GET, "*", "h"), REQUEST_BAD_TARGET);
	assert_int_equal(set(METHOD_GET, "h:80", "h"), REQUEST_BAD_TARGET);
	assert_int_equal(set(METHOD_CONNECT, "/", "h"), REQUEST_BAD_TARGET);
	assert_int_equal(set(METHOD_GET, "/%zz", "h"), REQUEST_BAD_TARGET);
	assert_int_equal(set(METHOD_GET, "/a\\b", "h"), REQUEST_BAD_TARGET);
	assert_int_equal(set(METHOD_GET, "/a/..%2fb", "h"), REQUEST_HIDES_DOTS);
	assert_int_equal(set(METHOD_GET, "http://g/", "h"), REQUEST_HOST_DIFFERS);
	assert_int_equal(set(METHOD_GET, "https://h/", "h:443"), REQUEST_OK);
	assert_int_equal(set(METHOD_GET, "http://h/", "h:443"), REQUEST_HOST_DIFFERS);
}

/* Each error has an answer that says what is wrong. */
static void
rejections(void **state)
{
	(void)state;
	for (int error = REQUEST_MALFORMED; error <= REQUEST_BAD_PROTOCOL; error++) {
		struct request_rejection why = request_rejection((enum request_error)error);

		assert_in_range(why.status, 400, 501);
		assert_true(why.title.len > 0 && why.detail.len > 0);
	}
	assert_int_equal(request_rejection(REQUEST_TARGET_TOO_LONG).status, 414);
	assert_int_equal(request_rejection(REQUEST_TOO_LARGE).status, 431);
	assert_int_equal(request_rejection(REQUEST_BAD_EXPECT).status, 417);
	assert_int_equal(request_rejection(REQUEST_NOT_SERVED).status, 405);
	assert_int_equal(request_rejection(REQUEST_BAD_PROTOCOL).status, 501);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(targets),
	    cmocka_unit_test(refused_targets),
	    cmocka_unit_test(rejections),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
