/* words_test.c - the words of a command line in one order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "auth/cli/words.h"

static int
command_words(const char *first)
{
	return strcmp(first, "token") == 0 ? 2 : 1;
}

static bool
takes_value(const char *option)
{
	return strcmp(option, "-o") == 0;
}

/* Both are words with blanks between them. */
static void
expect(const char *line, const char *wanted)
{
	static const struct words_meaning meaning = {command_words, takes_value};
	char text[256], joined[256] = "", *argv[32], *save = NULL, **words;
	int argc = 0;

	snprintf(text, sizeof(text), "%s", line);
	for (char *word = strtok_r(text, " ", &save); word != NULL;
	     word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	words = words_arrange(&argc, argv, &meaning);
	assert_non_null(words);
	assert_null(words[argc]);
	for (int i = 0; i < argc; i++) {
		strcat(joined, i > 0 ? " " : "");
		strcat(joined, words[i]);
	}
	assert_string_equal(joined, wanted);
	free(words);
}

static void
options_move_behind_the_command(void **state)
{
	(void)state;
	expect("j token list -o json", "j token list -o json");
	expect("j -o json token list x", "j token list -o json x");
	expect("j -a token -o json list -b", "j token list -a -o json -b");
	expect("j -ojson top -o x", "j top -ojson -o x");
	expect("j -o", "j -o");
	expect("j", "j");
	expect("j -- token", "j -- token");
	expect("j top -- -o help", "j top -- -o help");
}

static void
help_is_a_word_before_the_command_is_complete(void **state)
{
	(void)state;
	expect("j help", "j --help");
	expect("j help token list", "j token list --help");
	expect("j token help list", "j token list --help");
	expect("j token help", "j token --help");
	expect("j -o json help top", "j top --help -o json");
	expect("j token list help", "j token list help");
	expect("j top help", "j top help");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(options_move_behind_the_command),
	    cmocka_unit_test(help_is_a_word_before_the_command_is_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
