/* reply_test.c - answers when memory is short: whole, or one that says so; never a part. */
#include "noted_reply.h"

#define ALLOCATIONS 40 /* more than an answer needs */

static unsigned allocations, failing; /* jansson's */

static void *
scarce_malloc(size_t size)
{
	return ++allocations == failing ? NULL : malloc(size);
}

/* Allocation number n fails, n = 1, 2, ..., while the answer is written. */
static void
memory_is_short(void **state)
{
	struct call call = {.send = note};

	(void)state;
	for (unsigned n = 1; n <= ALLOCATIONS; n++) {
		json_t *body;

		failing = 0;
		body = json_pack("{s:s, s:[i, i]}", "name", "a", "list", 1, 2);
		failing = n;
		allocations = 0;
		call_answer(&call, 200, body);
		if (answered == 200)
			assert_string_equal(sent, "{\"name\":\"a\",\"list\":[1,2]}");
		else
			assert_non_null(strstr(sent, "see whether it was changed before"));
	}
	assert_int_equal(answered, 200); /* the last one had all that it needed */
	assert_true(allocations > 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(memory_is_short)};

	json_set_alloc_funcs(scarce_malloc, free);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
