/* json_text_test.c - JSON from text and back, also when memory is short. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "auth/cli/json_text.h"
#include "auth/parse_memory.h"
#include "failing_malloc.h"

static const char text[] =
    "{\"a\":\"a text that is longer than the buffer with which the parser begins\"}";

static void
from_text_and_back(void **state)
{
	json_t *value;
	char *again;

	(void)state;
	assert_true(json_text_read(text, strlen(text), &value));
	again = json_text_write(value, JSON_COMPACT);
	assert_string_equal(again, text);
	free(again);
	json_decref(value);
}

static void
no_json(void **state)
{
	json_t *value;

	(void)state;
	assert_true(json_text_read("{", 1, &value));
	assert_null(value);
	assert_true(json_text_read(NULL, 0, &value));
	assert_null(value);
	assert_null(json_text_write(NULL, JSON_COMPACT));
}

static void
memory_is_short(void **state)
{
	json_t *value = NULL;

	(void)state;
	for (unsigned at = 1; value == NULL; at++) {
		bool good;

		failing_malloc_at = at;
		good = json_text_read(text, strlen(text), &value);
		assert_int_equal(good, value != NULL);
	}
	failing_malloc_at = 1;
	assert_null(json_text_write(value, JSON_COMPACT));
	json_decref(value);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(from_text_and_back),
	    cmocka_unit_test(no_json),
	    cmocka_unit_test(memory_is_short),
	};

	json_set_alloc_funcs(parse_alloc, parse_free);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
