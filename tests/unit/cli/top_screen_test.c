/* top_screen_test.c - how sessions are sorted, filtered and written as a screen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "auth/cli/top_screen.h"

static struct top_view view;

static json_t *
session(const char *id, const char *job, const char *path, double age, int bytes)
{
	return json_pack("{s:s, s:s, s:s, s:n, s:s, s:s, s:s, s:s, s:f, s:i, s:i, s:i}", "id", id,
	    "job", job, "token_id", "abcdefghij012345", "token_name", "client", "192.0.2.1",
	    "state", "tunnel", "method", "GET", "path", path, "age_s", age, "bytes_in", bytes,
	    "bytes_out", 1, "rate", 7);
}

static json_t *
sessions(void)
{
	json_t *items = json_array();

	json_array_append_new(items, session("1-1", "b", "/x", 3, 500));
	json_array_append_new(items, session("1-2", "a", "/y", 9, 100));
	json_array_append_new(items, session("1-3", "c", "/Xyz", 1, 900));
	return items;
}

static int
setup(void **state)
{
	(void)state;
	view = (struct top_view){.width = 120, .height = 24, .message = ""};
	return 0;
}

/* The ids in their order, such as "123". */
static void
expect_order(const json_t *items, const json_t *rates, const char *ids)
{
	size_t count;
	struct top_row *rows = top_rows(items, rates, &view, &count);

	assert_non_null(rows);
	assert_int_equal(count, strlen(ids));
	for (size_t i = 0; i < count; i++)
		assert_int_equal(json_string_value(json_object_get(rows[i].item, "id"))[2], ids[i]);
	free(rows);
}

static void
orders(void **state)
{
	json_t *items = sessions(), *rates = json_pack("{s:f, s:f}", "1-2", 99.0, "1-1", 1.0);

	(void)state;
	expect_order(items, rates, "231"); /* that of 3 is its average */
	view.sort = TOP_BY_BYTES;
	expect_order(items, rates, "312");
	view.sort = TOP_BY_AGE;
	expect_order(items, rates, "213");
	view.sort = TOP_BY_JOB;
	expect_order(items, rates, "213");
	view.sort = TOP_BY_TOKEN;
	expect_order(items, rates, "123");
	strcpy(view.filter, "X");
	expect_order(items, rates, "13");
	strcpy(view.filter, "ABCDEF");
	expect_order(items, rates, "123");
	strcpy(view.filter, "nothing");
	expect_order(items, rates, "");
	json_decref(items);
	json_decref(rates);
}

static void
rates_are_what_came_in_between(void **state)
{
	json_t *items = sessions(), *bytes = NULL, *rates = top_rates(items, &bytes, 1);

	(void)state;
	assert_int_equal(json_object_size(rates), 0);
	json_decref(rates);
	json_object_set_new(json_array_get(items, 0), "bytes_out", json_integer(1001));
	rates = top_rates(items, &bytes, 2);
	assert_true(json_number_value(json_object_get(rates, "1-1")) == 500);
	assert_true(json_number_value(json_object_get(rates, "1-2")) == 0);
	json_decref(rates);
	json_decref(bytes);
	json_decref(items);
}

static char *
screen_of(const json_t *items)
{
	char *text = NULL;
	size_t len, count;
	struct top_row *rows = top_rows(items, NULL, &view, &count);
	FILE *out = open_memstream(&text, &len);

	top_write(&view, rows, count, out);
	fclose(out);
	free(rows);
	return text;
}

/* What a client has sent, or a gateway answers, must not control the terminal. */
static void
texts_cannot_control_the_terminal(void **state)
{
	json_t *items = json_pack("[o]", session("1-1", "a\033[2Jb", "/\033]0;x\a\xc2\x9b", 1, 1));
	char *text = screen_of(items);

	(void)state;
	assert_null(strstr(text, "\033[2J"));
	assert_null(strstr(text, "\033]"));
	assert_null(strchr(text, '\a'));
	assert_null(strchr(text, (char)0xc2));
	assert_non_null(strstr(text, "a?[2Jb"));
	free(text);
	json_decref(items);
}

static size_t
longest_line(const char *text)
{
	size_t longest = 0, len = 0;

	for (; *text != '\0'; text++) {
		if (*text == '\033') {
			text += strcspn(text, "HKJmhl");
			continue;
		}
		len = *text == '\n' || *text == '\r' ? 0 : len + 1;
		longest = len > longest ? len : longest;
	}
	return longest;
}

static void
no_line_is_longer_than_the_terminal(void **state)
{
	json_t *items = sessions();

	(void)state;
	for (view.width = 1; view.width < 300; view.width++) {
		char *text = screen_of(items);

		if (longest_line(text) > view.width)
			fail_msg("%zu in %zu", longest_line(text), view.width);
		free(text);
	}
	view.width = 1 << 20;
	free(screen_of(items));
	json_decref(items);
}

static void
the_request_is_there_at_80_columns(void **state)
{
	json_t *items = sessions();
	char *text;

	(void)state;
	view.width = 80;
	text = screen_of(items);
	assert_non_null(strstr(text, "GET /Xyz"));
	assert_null(strstr(text, "STATE"));
	free(text);
	json_decref(items);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(orders),
	    TEST(rates_are_what_came_in_between),
	    TEST(texts_cannot_control_the_terminal),
	    TEST(no_line_is_longer_than_the_terminal),
	    TEST(the_request_is_there_at_80_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
