/* request_id_test.c - ids that never repeat, and ids that may be taken from the request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exchange/request_id.h"

#define IDS 20000

static int
compare(const void *a, const void *b)
{
	return memcmp(a, b, REQUEST_ID_LEN);
}

static void
ids_do_not_repeat(void **state)
{
	char(*ids)[REQUEST_ID_LEN] = malloc(IDS * sizeof(*ids));
	/* Across the counter's end, too. */
	struct request_ids source = {.worker = 0x0123456789abcdef, .count = UINT64_MAX - IDS / 2};

	(void)state;
	assert_non_null(ids);
	for (size_t i = 0; i < IDS; i++) {
		request_id_make(&source, ids[i]);
		assert_memory_equal(ids[i], "0123456789abcdef", 16);
		for (size_t j = 0; j < REQUEST_ID_LEN; j++)
			assert_non_null(memchr("0123456789abcdef", ids[i][j], 16));
		assert_true(request_id_valid((struct slice){ids[i], REQUEST_ID_LEN}));
	}
	/* Consecutive ids do not look alike, so that ids do not reveal the number of requests. */
	for (size_t i = 1; i < 100; i++)
		assert_memory_not_equal(ids[i] + 16, ids[i - 1] + 16, 4);
	qsort(ids, IDS, sizeof(*ids), compare);
	for (size_t i = 1; i < IDS; i++)
		assert_memory_not_equal(ids[i], ids[i - 1], REQUEST_ID_LEN);
	free(ids);
}

static void
workers_differ(void **state)
{
	struct request_ids one = {0}, other = {0};

	(void)state;
	assert_true(request_ids_init(&one));
	assert_true(request_ids_init(&other));
	assert_true(one.worker != other.worker);
	assert_true(one.count != other.count);
}

static void
ids_that_may_be_taken_over(void **state)
{
	char text[REQUEST_ID_MAX + 1];

	(void)state;
	assert_true(request_id_valid(SLICE("a")));
	assert_true(request_id_valid(SLICE("0af7651916cd43dd-8448_EB.211c80319c")));
	assert_false(request_id_valid(SLICE("")));
	assert_false(request_id_valid((struct slice){0}));
	for (int c = 0; c < 256; c++) {
		bool good = c != 0 && strchr("0123456789abcdefghijklmnopqrstuvwxyz"
					     "ABCDEFGHIJKLMNOPQRSTUVWXYZ._-",
					  c) != NULL;

		memcpy(text, "axb", 3);
		text[1] = (char)c;
		if (request_id_valid((struct slice){text, 3}) != good)
			fail_msg("byte 0x%02x", (unsigned)c);
	}
	memset(text, 'a', sizeof(text));
	assert_true(request_id_valid((struct slice){text, REQUEST_ID_MAX}));
	assert_false(request_id_valid((struct slice){text, REQUEST_ID_MAX + 1}));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ids_do_not_repeat),
	    cmocka_unit_test(workers_differ),
	    cmocka_unit_test(ids_that_may_be_taken_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
