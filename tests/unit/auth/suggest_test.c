/* suggest_test.c - what a mistyped word may mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "auth/suggest.h"

static const char *const names[] = {"token", "job", "session", "top", "authorize", "list"};

static void
expect(const char *word, const char *wanted)
{
	const char *found = suggest(word, names, sizeof(names) / sizeof(names[0]));

	if (wanted == NULL)
		assert_null(found);
	else
		assert_string_equal(found, wanted);
}

static void
a_near_name_is_found(void **state)
{
	(void)state;
	expect("tokn", "token");   /* missing */
	expect("tokken", "token"); /* added */
	expect("tokem", "token");  /* wrong */
	expect("tokne", "token");  /* exchanged */
	expect("jbo", "job");
	expect("lst", "list");
	expect("auth", "authorize"); /* its beginning */
	expect("sesions", "session");
}

static void
a_far_word_means_nothing(void **state)
{
	char longer[300];

	(void)state;
	expect("", NULL);
	expect("x", NULL);
	expect("frobnicate", NULL);
	expect("jabs", "job");
	expect("xyz", NULL);
	memset(longer, 't', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	expect(longer, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_near_name_is_found),
	    cmocka_unit_test(a_far_word_means_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
