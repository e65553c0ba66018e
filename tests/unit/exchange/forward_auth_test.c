/* forward_auth_test.c - finds the request that another proxy holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exchange/forward_auth.h"
#include "http/head.h"

static struct field items[8];

static struct request
question(const char *path, size_t count, const char *const pairs[][2])
{
	struct request request = {.method = SLICE("GET"),
	    .method_id = METHOD_GET,
	    .authority = SLICE("gateway"),
	    .path = slice_of(path),
	    .fields = {items, count}};

	for (size_t i = 0; i < count; i++)
		items[i] = (struct field){slice_of(pairs[i][0]), slice_of(pairs[i][1]),
		    field_identify(slice_of(pairs[i][0])), false};
	return request;
}

static void
the_request_takes_the_questions_place(void **state)
{
	struct request request = question("/authorize", 3,
	    (const char *const[][2]){{"x-forwarded-URI", "/a?b"}, {"X-Forwarded-Host", "demo.x:81"},
		{"X-Forwarded-Method", "POST"}});

	(void)state;
	assert_int_equal(forward_auth_read(&request), FORWARD_AUTH_OK);
	assert_true(slice_equal(request.path, SLICE("/a")));
	assert_true(slice_equal(request.query, SLICE("?b")));
	assert_true(slice_equal(request.authority, SLICE("demo.x:81")));
	assert_true(slice_equal(request.method, SLICE("POST")));
	assert_int_equal(request.method_id, METHOD_GET);
}

static void
a_url_tells_host_and_path(void **state)
{
	struct request request = question(
	    "/authorize", 1, (const char *const[][2]){{"X-Original-URL", "https://demo.x/a?b"}});

	(void)state;
	assert_int_equal(forward_auth_read(&request), FORWARD_AUTH_OK);
	assert_true(slice_equal(request.path, SLICE("/a")));
	assert_true(slice_equal(request.authority, SLICE("demo.x")));
}

static void
envoys_path_is_what_follows(void **state)
{
	struct request request = question("/authorize/jobs/demo/", 0, NULL);

	(void)state;
	assert_int_equal(forward_auth_read(&request), FORWARD_AUTH_OK);
	assert_true(slice_equal(request.path, SLICE("/jobs/demo/")));
	assert_true(slice_equal(request.authority, SLICE("gateway")));
	request = question("/authorize/", 0, NULL);
	request.path_resolved = true;
	assert_int_equal(forward_auth_read(&request), FORWARD_AUTH_UNCLEAR);
	request = question("/authorize/", 0, NULL);
	request.authority = (struct slice){0};
	assert_int_equal(forward_auth_read(&request), FORWARD_AUTH_UNCLEAR);
}

static void
other_paths_are_not_found(void **state)
{
	static const char *const paths[] = {"/", "/authorized", "/Authorize", "*", "/a"};

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct request request = question(paths[i], 0, NULL);

		assert_int_equal(forward_auth_read(&request), FORWARD_AUTH_NOT_FOUND);
	}
}

static void
escapes_that_could_hide_a_segment(void **state)
{
	(void)state;
	assert_true(forward_auth_path_is_plain(SLICE("/jobs/a/%20b%2a%5b")));
	assert_true(forward_auth_path_is_plain(SLICE("/jobs/a/%2")));
	assert_false(forward_auth_path_is_plain(SLICE("/jobs/a/%2f")));
	assert_false(forward_auth_path_is_plain(SLICE("/jobs/a/%2Fb")));
	assert_false(forward_auth_path_is_plain(SLICE("/jobs/a/%2eb")));
	assert_false(forward_auth_path_is_plain(SLICE("/jobs/a/%2E")));
	assert_false(forward_auth_path_is_plain(SLICE("/jobs/a/%5c")));
	assert_false(forward_auth_path_is_plain(SLICE("/jobs/a/%5C")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_request_takes_the_questions_place),
	    cmocka_unit_test(a_url_tells_host_and_path),
	    cmocka_unit_test(envoys_path_is_what_follows),
	    cmocka_unit_test(other_paths_are_not_found),
	    cmocka_unit_test(escapes_that_could_hide_a_segment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
