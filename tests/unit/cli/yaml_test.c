/* yaml_test.c - text that YAML would read as something else is quoted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "auth/cli/present.h"

static void
writes(json_t *value, const char *expected)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	assert_true(yaml_write(out, value));
	fclose(out);
	assert_string_equal(text, expected);
	free(text);
	json_decref(value);
}

static void
quotes(void **state)
{
	static const char *const ambiguous[] = {"", "true", "Yes", "NO", "off", "null", "~", "1",
	    "1.5", "-1", "+1", ".5", "1e3", "0x1f", "1_000", "12:30:45", "2024-01-31T12:00:00Z",
	    "<<", "=", "- a", "*a", "&a", "!a", "%a", "@a", "`a", "'a", "#a", "? a", "[a", "{a",
	    "|", ">"};

	(void)state;
	for (size_t i = 0; i < sizeof(ambiguous) / sizeof(ambiguous[0]); i++) {
		char expected[64];

		snprintf(expected, sizeof(expected), "a: \"%s\"\n", ambiguous[i]);
		writes(json_pack("{s:s}", "a", ambiguous[i]), expected);
	}
}

static void
plain(void **state)
{
	static const char *const clear[] = {"abc", "basetoken", "model=base",
	    "http://a-1.localhost:8080/", "/run/x.sock", "yesterday"};

	(void)state;
	for (size_t i = 0; i < sizeof(clear) / sizeof(clear[0]); i++) {
		char expected[64];

		snprintf(expected, sizeof(expected), "a: %s\n", clear[i]);
		writes(json_pack("{s:s}", "a", clear[i]), expected);
	}
}

static void
hard_text(void **state)
{
	(void)state;
	/* libyaml itself sees to these: they cannot stand plain. */
	writes(json_pack("{s:s}", "a", "b: c"), "a: 'b: c'\n");
	writes(json_pack("{s:s}", "a", "b #c"), "a: 'b #c'\n");
	writes(json_pack("{s:s}", "a", "b\nc\x01"), "a: \"b\\nc\\x01\"\n");
}

static void
values(void **state)
{
	(void)state;
	writes(json_pack("{s:b, s:b, s:n, s:i, s:f}", "a", 1, "b", 0, "c", "d", -5, "e", 1.5),
	    "a: true\nb: false\nc: null\nd: -5\ne: 1.5\n");
	writes(json_pack("{s:{}, s:[]}", "a", "b"), "a: {}\nb: []\n");
	writes(json_pack("[[i], {s:s}]", 1, "1", "x"), "- - 1\n- \"1\": x\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(quotes),
	    cmocka_unit_test(plain),
	    cmocka_unit_test(hard_text),
	    cmocka_unit_test(values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
