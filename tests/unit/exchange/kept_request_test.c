/* kept_request_test.c - a copy of a request does not depend on its original. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "exchange/kept_request.h"
#include "http/write.h"

static struct buffer_pool *buffers;

static int
set_up(void **state)
{
	(void)state;
	buffers = buffer_pool_new();
	return buffers != NULL ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	buffer_pool_free(buffers); /* asserts that every block was given back */
	return 0;
}

static const struct fields none;

#define EXPECT(slice, text) assert_true(slice_equal((slice), SLICE(text)))

/* A request whose texts all lie in `text`, so that they can be destroyed. */
static struct request
request_in(char *text, struct field *items)
{
	const struct request request = {
	    .method = {text, 4},
	    .method_id = METHOD_POST,
	    .authority = {text + 4, 4},
	    .path = {text + 8, 5},
	    .query = {text + 13, 4},
	    .fields = {items, 3},
	    .content = CONTENT_LENGTH,
	    .length = 7,
	    .expect_continue = true,
	    .upgrade = {text + 17, 3},
	    .takes_trailers = true,
	    .exclusive = true,
	    .version = HTTP_1_1,
	};

	memcpy(text, "POSThost/path?q=1foo", 20);
	items[0] = (struct field){.name = SLICE("A"), .value = {text, 4}};
	items[1] = (struct field){.name = SLICE("Gone"), .value = {text, 4}, .dropped = true};
	items[2] = (struct field){.name = SLICE("Empty"), .value = {text, 0}};
	return request;
}

static void
the_original_may_go(void **state)
{
	struct field extra_items[] = {{.name = SLICE("B"), .value = SLICE("2")},
	    {.name = SLICE("C"), .value = SLICE("3"), .dropped = true}};
	const struct fields extra = {extra_items, 2};
	char text[20];
	struct field items[3];
	struct request request = request_in(text, items);
	struct kept_request *kept = kept_request_new(buffers, &request, SLICE("/base"), &extra);

	(void)state;
	assert_non_null(kept);
	memset(text, 'x', sizeof(text));
	memset(items, 0, sizeof(items));
	memset(extra_items, 0, sizeof(extra_items));
	EXPECT(kept->request.method, "POST");
	EXPECT(kept->request.authority, "host");
	EXPECT(kept->request.path, "/base/path");
	EXPECT(kept->request.query, "?q=1");
	EXPECT(kept->request.upgrade, "foo");
	EXPECT(kept->lines, "A: POST\r\nEmpty: \r\nB: 2\r\n");
	assert_int_equal(kept->request.fields.count, 0);
	assert_int_equal(kept->request.method_id, METHOD_POST);
	assert_int_equal(kept->request.content, CONTENT_LENGTH);
	assert_int_equal(kept->request.length, 7);
	assert_true(kept->request.expect_continue && kept->request.takes_trailers &&
		    kept->request.exclusive);
	kept_request_free(buffers, kept);
}

/* The copy for another URL has the other base and authority, and the rest as it was. */
static void
moved_to_another_url(void **state)
{
	char text[20];
	struct field items[3];
	struct request request = request_in(text, items);
	struct kept_request *kept = kept_request_new(buffers, &request, SLICE("/base"), &none);
	struct kept_request *moved;

	(void)state;
	assert_non_null(kept);
	moved = kept_request_move(buffers, kept, SLICE("other:1"), SLICE("/else/where"));
	assert_non_null(moved);
	kept_request_free(buffers, kept);
	EXPECT(moved->request.path, "/else/where/path");
	EXPECT(moved->request.authority, "other:1");
	EXPECT(moved->request.query, "?q=1");
	EXPECT(moved->request.method, "POST");
	EXPECT(moved->request.upgrade, "foo");
	EXPECT(moved->lines, "A: POST\r\nEmpty: \r\n");
	assert_int_equal(moved->request.length, 7);
	kept = kept_request_move(buffers, moved, SLICE("host"), SLICE(""));
	assert_non_null(kept);
	kept_request_free(buffers, moved);
	EXPECT(kept->request.path, "/path");
	kept_request_free(buffers, kept);
}

static void
too_long_for_another_url(void **state)
{
	static char base[KEPT_TEXT_MAX];
	char text[20];
	struct field items[3];
	struct request request = request_in(text, items);
	struct kept_request *kept = kept_request_new(buffers, &request, SLICE(""), &none);

	(void)state;
	assert_non_null(kept);
	memset(base, 'a', sizeof(base));
	assert_null(
	    kept_request_move(buffers, kept, SLICE("host"), (struct slice){base, sizeof(base)}));
	EXPECT(kept->request.path, "/path");
	kept_request_free(buffers, kept);
}

/* What HTTP/2 reads are the fields that HTTP/1 copies as they stand. */
static void
fields_are_read_back(void **state)
{
	char text[20];
	struct field items[3], line;
	struct request request = request_in(text, items);
	struct kept_request *kept = kept_request_new(buffers, &request, SLICE(""), &none);
	struct slice rest;

	(void)state;
	assert_non_null(kept);
	EXPECT(kept->request.path, "/path");
	rest = kept->lines;
	assert_true(field_line_next(&rest, &line));
	EXPECT(line.name, "A");
	EXPECT(line.value, "POST");
	assert_true(field_line_next(&rest, &line));
	EXPECT(line.name, "Empty");
	EXPECT(line.value, "");
	assert_false(field_line_next(&rest, &line));
	kept_request_free(buffers, kept);
}

static void
nothing_but_a_method_and_a_path(void **state)
{
	const struct request request = {.method = SLICE("GET"), .path = SLICE("/")};
	struct kept_request *kept = kept_request_new(buffers, &request, SLICE(""), &none);

	(void)state;
	assert_non_null(kept);
	EXPECT(kept->request.method, "GET");
	EXPECT(kept->request.path, "/");
	assert_int_equal(kept->request.query.len + kept->request.authority.len +
			     kept->request.upgrade.len + kept->lines.len,
	    0);
	kept_request_free(buffers, kept);
	kept_request_free(buffers, NULL);
}

/* The largest fits, wherever its parts come from; one byte more does not. */
static void
the_greatest_length(void **state)
{
	static char path[KEPT_TEXT_MAX];
	struct field item = {.name = SLICE("N"), .value = SLICE("v")};
	const struct fields extra = {&item, 1};
	struct request request = {.method = SLICE("GET"), .path = {path, sizeof(path) - 3 - 6}};
	struct kept_request *kept;

	(void)state;
	memset(path, '/', sizeof(path));
	kept = kept_request_new(buffers, &request, SLICE(""), &extra);
	assert_non_null(kept);
	assert_true(slice_equal(kept->request.path, request.path));
	EXPECT(kept->lines, "N: v\r\n");
	kept_request_free(buffers, kept);
	assert_null(kept_request_new(buffers, &request, SLICE("/"), &extra));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_original_may_go),
	    cmocka_unit_test(moved_to_another_url),
	    cmocka_unit_test(too_long_for_another_url),
	    cmocka_unit_test(fields_are_read_back),
	    cmocka_unit_test(nothing_but_a_method_and_a_path),
	    cmocka_unit_test(the_greatest_length),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
