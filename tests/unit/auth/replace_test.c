/* replace_test.c - marks in a text are replaced. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/replace.h"

static void
each_mark_is_replaced(void **state)
{
	static const char *const cases[][4] = {
	    {"http://{job}.localhost:8080/", "{job}", "a-1", "http://a-1.localhost:8080/"},
	    {"http://h/jobs/{job}/", "{job}", "a-1", "http://h/jobs/a-1/"},
	    {"{job}{job}", "{job}", "a-1", "a-1a-1"},
	    {"{job}{job}", "{job}", "longer-than-the-mark",
		"longer-than-the-marklonger-than-the-mark"},
	    {"--port={port}", "{port}", "", "--port="},
	    {"http://h/{jo", "{job}", "a-1", "http://h/{jo"},
	    {"", "{job}", "a-1", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = jg_replace(cases[i][0], cases[i][1], slice_of(cases[i][2]));

		assert_string_equal(text, cases[i][3]);
		free(text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(each_mark_is_replaced)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
