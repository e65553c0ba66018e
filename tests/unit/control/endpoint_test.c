/* endpoint_test.c - which row of the table answers a request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/control/endpoint.h"

static void
nothing(struct call *call)
{
	(void)call;
}

static const struct endpoint rows[] = {
    {"GET", "/v1/things", nothing},
    {"POST", "/v1/things", nothing},
    {"GET", "/v1/things/{id}", nothing},
    {"DELETE", "/v1/things/{id}", nothing},
    {"POST", "/v1/things/{id}/renew", nothing},
};
static const struct endpoint_table table = {rows, sizeof(rows) / sizeof(rows[0])};

static void
check(const char *method, const char *path, enum endpoint_result expected, int row, const char *id)
{
	const struct endpoint *found = NULL;
	char allow[ENDPOINT_ALLOW_MAX];
	struct slice got;

	assert_int_equal(
	    endpoint_find(&table, slice_of(method), slice_of(path), &found, &got, allow), expected);
	if (expected != ENDPOINT_FOUND)
		return;
	assert_ptr_equal(found, &rows[row]);
	assert_true(slice_equal(got, slice_of(id)));
}

static void
finds_rows(void **state)
{
	(void)state;
	check("GET", "/v1/things", ENDPOINT_FOUND, 0, "");
	check("HEAD", "/v1/things", ENDPOINT_FOUND, 0, "");
	check("POST", "/v1/things", ENDPOINT_FOUND, 1, "");
	check("GET", "/v1/things/a", ENDPOINT_FOUND, 2, "a");
	check("DELETE", "/v1/things/abc-1", ENDPOINT_FOUND, 3, "abc-1");
	check("POST", "/v1/things/abc/renew", ENDPOINT_FOUND, 4, "abc");
}

static void
refuses_near_misses(void **state)
{
	static const char *const paths[] = {"", "/", "/v1", "/v1/", "/v1/things/", "/v1/thing",
	    "/v1/thingss", "v1/things", "//v1/things", "/v1//things", "/v1/things//renew",
	    "/v1/things/a/", "/v1/things/a/b", "/v1/things/a/renew/", "/v1/things/a/renewx",
	    "/v1/things/a/renew/b"};

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		check("GET", paths[i], ENDPOINT_NO_PATH, 0, "");
		check("POST", paths[i], ENDPOINT_NO_PATH, 0, "");
	}
}

static void
names_what_is_allowed(void **state)
{
	const struct endpoint *row;
	char allow[ENDPOINT_ALLOW_MAX];
	struct slice id;

	(void)state;
	assert_int_equal(
	    endpoint_find(&table, SLICE("PATCH"), SLICE("/v1/things/a"), &row, &id, allow),
	    ENDPOINT_NO_METHOD);
	assert_string_equal(allow, "GET, HEAD, DELETE");
	assert_int_equal(
	    endpoint_find(&table, SLICE(""), SLICE("/v1/things/a/renew"), &row, &id, allow),
	    ENDPOINT_NO_METHOD);
	assert_string_equal(allow, "POST");
	check("get", "/v1/things", ENDPOINT_NO_METHOD, 0, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(finds_rows),
	    cmocka_unit_test(refuses_near_misses),
	    cmocka_unit_test(names_what_is_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
