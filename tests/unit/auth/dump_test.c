/* dump_test.c - the form of a dump, and that it stays within its room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "jobgate/dump.h"

static void
objects_and_their_parts_have_brackets(void **state)
{
	char text[DUMP_TEXT_MAX];
	struct dump dump;

	(void)state;
	jg_dump_init(&dump, text, sizeof(text));
	jg_dump_begin(&dump, "link");
	jg_dump_word(&dump, "state", "up");
	jg_dump_number(&dump, "none", 0);
	jg_dump_number(&dump, "most", UINT64_MAX);
	jg_dump_flag(&dump, "said", true);
	jg_dump_flag(&dump, "unsaid", false);
	jg_dump_begin(&dump, "proof");
	jg_dump_until(&dump, "never", 0, 5000);
	jg_dump_until(&dump, "soon", 5250, 5000);
	jg_dump_until(&dump, "past", 4000, 5000);
	jg_dump_end(&dump);
	jg_dump_text(&dump, "host", SLICE("redis.example"));
	jg_dump_word(&dump, "unknown", NULL);
	jg_dump_end(&dump);
	assert_string_equal(text,
	    "link{state=up none=0 most=18446744073709551615 said proof{never=- soon=250 past=-1000}"
	    " host=\"redis.example\" unknown=?}");
	assert_int_equal(dump.len, strlen(text));
	assert_false(dump.cut);
}

static void
text_can_neither_break_the_line_nor_the_form(void **state)
{
	char text[DUMP_TEXT_MAX], wanted[128] = "x=\"", longer[65];
	struct dump dump;

	(void)state;
	jg_dump_init(&dump, text, sizeof(text));
	jg_dump_text(&dump, "x", SLICE("a b\"{}\n\x1b\xff\x7f"));
	assert_string_equal(text, "x=\"a?b"
				  "?"
				  "?"
				  "?"
				  "?"
				  "?"
				  "?"
				  "?"
				  "\"");
	memset(longer, 'y', sizeof(longer));
	jg_dump_init(&dump, text, sizeof(text));
	jg_dump_text(&dump, "x", (struct slice){longer, sizeof(longer)});
	memset(wanted + 3, 'y', 64);
	strcpy(wanted + 3 + 64, "...\"");
	assert_string_equal(text, wanted);
}

/* Whatever the room: items are whole or missing, and each bracket has its end. */
static void
what_finds_no_room_is_left_out_whole(void **state)
{
	static const char whole[] = "outer{first=1 inner{second=22 third} fourth=\"4\"}";

	(void)state;
	for (size_t cap = 16; cap < sizeof(whole) + 16; cap++) {
		char text[128];
		size_t opened = 0, closed = 0;
		struct dump dump;

		memset(text, 'Z', sizeof(text));
		jg_dump_init(&dump, text, cap);
		jg_dump_begin(&dump, "outer");
		jg_dump_number(&dump, "first", 1);
		jg_dump_begin(&dump, "inner");
		jg_dump_number(&dump, "second", 22);
		jg_dump_flag(&dump, "third", true);
		jg_dump_end(&dump);
		jg_dump_text(&dump, "fourth", SLICE("4"));
		jg_dump_end(&dump);
		assert_int_equal(text[cap], 'Z');
		assert_true(strlen(text) < cap);
		for (const char *c = text; *c != '\0'; c++) {
			opened += *c == '{';
			closed += *c == '}';
		}
		assert_int_equal(opened, closed);
		if (dump.cut)
			assert_non_null(strstr(text, "..."));
		else
			assert_string_equal(text, whole);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(objects_and_their_parts_have_brackets),
	    cmocka_unit_test(text_can_neither_break_the_line_nor_the_form),
	    cmocka_unit_test(what_finds_no_room_is_left_out_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
