/* fields_test.c - which field sections are valid, and lists in values. */
#include "fields_world.h"

static void
expect_field(size_t i, const char *name, const char *value)
{
	assert_true(i < count);
	assert_true(slice_equal(fields[i].name, slice_of(name)));
	assert_true(slice_equal(fields[i].value, slice_of(value)));
	assert_false(fields[i].dropped);
}

static void
sections_that_are_right(void **state)
{
	(void)state;
	assert_int_equal(parse(SLICE("\r\n")), HEAD_COMPLETE);
	assert_int_equal(count, 0);
	fields[0].dropped = true;
	assert_int_equal(
	    parse(SLICE("A:b\r\nX-Y: \t c d\t \r\nE:\r\nE: \xc3\xa9\xff\r\n\r\n")), HEAD_COMPLETE);
	assert_int_equal(count, CAP);
	expect_field(0, "A", "b");
	expect_field(1, "X-Y", "c d");
	expect_field(2, "E", "");
	expect_field(3, "E", "\xc3\xa9\xff");
	assert_int_equal(parse(SLICE("a::b:\r\n\r\n")), HEAD_COMPLETE);
	expect_field(0, "a", ":b:");
	assert_int_equal(parse(SLICE("a:  \t \r\n\r\n")), HEAD_COMPLETE);
	expect_field(0, "a", "");
}

static void
sections_that_are_refused(void **state)
{
	static const struct slice bad[] = {
	    SLICE(""),				 /* no empty line */
	    SLICE("A: b\r\n"),			 /* */
	    SLICE("A: b"),			 /* no line end at all */
	    SLICE("\n"),			 /* bare LF */
	    SLICE("A: b\n\r\n"),		 /* */
	    SLICE("A: b\r\n\n"),		 /* */
	    SLICE("\r\nA: b\r\n\r\n"),		 /* bytes behind the empty line */
	    SLICE("\r\n\r\n"),			 /* */
	    SLICE("A: b\r\n c\r\n\r\n"),	 /* folded */
	    SLICE("A: b\r\n\tc: d\r\n\r\n"),	 /* */
	    SLICE("A : b\r\n\r\n"),		 /* white space before the colon */
	    SLICE("A\t: b\r\n\r\n"),		 /* */
	    SLICE("A B: c\r\n\r\n"),		 /* no token */
	    SLICE("(A): c\r\n\r\n"),		 /* */
	    SLICE("\xc3\xa9: c\r\n\r\n"),	 /* */
	    SLICE(": c\r\n\r\n"),		 /* no name */
	    SLICE("A\r\n\r\n"),			 /* no colon */
	    SLICE("A: b\rc\r\n\r\n"),		 /* bare CR */
	    SLICE("A: b\r\r\n\r\n"),		 /* */
	    SLICE("A: b\0c\r\n\r\n"),		 /* NUL */
	    SLICE("A\0: b\r\n\r\n"),		 /* */
	    SLICE("A: \x1b[0m\r\n\r\n"),	 /* control characters */
	    SLICE("A: \x7f\r\n\r\n"),		 /* */
	    SLICE("1: 1\r\n2: 2\r\n: \r\n\r\n"), /* after good ones */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse(bad[i]) != HEAD_BAD)
			fail_msg("case %zu is let in", i);
}

/* Values are read eight bytes at a time: no place in one lets in what another place refuses. */
static void
each_byte_is_judged_the_same_at_each_place_of_a_value(void **state)
{
	char text[64];

	(void)state;
	for (size_t len = 1; len <= 40; len++)
		for (size_t at = 0; at < len; at++)
			for (unsigned c = 0; c < 256; c++) {
				bool fits = c == '\t' || (c >= ' ' && c != 0x7f);
				size_t end = 2 + len;

				memset(text, '\xff', sizeof(text));
				memcpy(text, "A:", 2);
				text[2 + at] = (char)c;
				memcpy(text + end, "\r\n\r\n", 4);
				if (parse((struct slice){text, end + 4}) !=
				    (fits ? HEAD_COMPLETE : HEAD_BAD))
					fail_msg("byte %u at %zu of %zu", c, at, len);
			}
}

static void
no_more_fields_than_there_is_room_for(void **state)
{
	(void)state;
	assert_int_equal(parse(SLICE("1: 1\r\n2: 2\r\n3: 3\r\n4: 4\r\n\r\n")), HEAD_COMPLETE);
	assert_int_equal(
	    parse(SLICE("1: 1\r\n2: 2\r\n3: 3\r\n4: 4\r\n5: 5\r\n\r\n")), HEAD_TOO_LARGE);
	assert_int_equal(count, CAP);
	assert_int_equal(fields_parse(SLICE("1: 1\r\n\r\n"), fields, 0, &count), HEAD_TOO_LARGE);
	assert_int_equal(fields_parse(SLICE("\r\n"), fields, 0, &count), HEAD_COMPLETE);
}

/* The members of a list, put together again with '|' between them. */
static void
expect_list(const char *list, const char *members)
{
	struct slice rest = slice_of(list), member;
	char text[128] = "";
	size_t len = 0;

	while (list_next(&rest, &member))
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%.*s",
		    len > 0 ? "|" : "", (int)member.len, member.at);
	assert_string_equal(text, members);
	assert_int_equal(rest.len, 0);
}

static void
lists(void **state)
{
	(void)state;
	expect_list("", "");
	expect_list(",", "");
	expect_list(" , \t,, ", "");
	expect_list("a", "a");
	expect_list("\ta \t", "a");
	expect_list("a,b", "a|b");
	expect_list(",a ,\tb c,, d;q=1,", "a|b c|d;q=1");
	expect_list("\"a,b\",c", "\"a,b\"|c");
	expect_list("a=\"b,\\\",c\", d", "a=\"b,\\\",c\"|d");
	expect_list("\"never, closed", "\"never, closed");
	expect_list("\"ends with \\", "\"ends with \\");
	expect_list("a\\,b", "a\\|b"); /* an escape counts only inside quotes */
}

static void
tokens(void **state)
{
	(void)state;
	assert_true(is_token(SLICE("a")));
	assert_true(is_token(SLICE("!#$%&'*+-.^_`|~0Z")));
	assert_false(is_token(SLICE("")));
	assert_false(is_token((struct slice){0}));
	assert_false(is_token(SLICE("a b")));
	assert_false(is_token(SLICE("a,")));
	assert_false(is_token(SLICE("a\0b")));
	assert_false(is_token(SLICE("\xff")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sections_that_are_right),
	    cmocka_unit_test(sections_that_are_refused),
	    cmocka_unit_test(each_byte_is_judged_the_same_at_each_place_of_a_value),
	    cmocka_unit_test(no_more_fields_than_there_is_room_for),
	    cmocka_unit_test(lists),
	    cmocka_unit_test(tokens),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
