/* input_memory_test.c - JSON bodies when memory is short, at each allocation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "auth/control/input.h"
#include "auth/parse_memory.h"
#include "failing_malloc.h"

/* Its strings and numbers are longer than the buffers that jansson begins with. */
static const char body[] =
    "{\"name\":\"a name that is longer than the first buffer of a string in the parser of "
    "jansson, which grows by a factor of two each time\","
    "\"list\":[1,2,3,4,5,6,7,8,9,10,12345678901234567,0.12345678901234567890123456789012345],"
    "\"object\":{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7,\"h\":8,\"i\":9},"
    "\"an escaped name of some length \\u00e4\\n\":null}";

static void
each_allocation(void **state)
{
	struct input_error error = {.memory_short = true};
	json_t *object = NULL;
	unsigned at;

	(void)state;
	for (at = 1; object == NULL; at++) {
		failing_malloc_at = at;
		object = input_object(body, strlen(body), NULL, &error);
		if (failing_malloc_at > 0)
			break;
		assert_null(object);
		assert_true(error.memory_short);
		assert_string_equal(error.field, "");
		assert_string_equal(error.detail, "memory is short");
	}
	failing_malloc_at = 0;
	assert_true(at > 50);
	assert_non_null(object);
	assert_int_equal(json_array_size(json_object_get(object, "list")), 12);
	json_decref(object);
}

static void
other_errors_do_not_say_so(void **state)
{
	struct input_error error = {.memory_short = true};

	(void)state;
	assert_null(input_object("{", 1, NULL, &error));
	assert_false(error.memory_short);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_allocation),
	    cmocka_unit_test(other_errors_do_not_say_so),
	};

	json_set_alloc_funcs(parse_alloc, parse_free);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
