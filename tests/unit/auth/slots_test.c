/* slots_test.c - blocks are zeroed, aligned, apart, and used again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "auth/slots.h"

#define SIZE 192
#define MANY 30000 /* more than one large piece has */

static void
blocks_are_zeroed_and_apart(void **state)
{
	static unsigned char *blocks[MANY];
	static const unsigned char zero[SIZE];
	struct slots slots = {.size = SIZE, .owner = blocks};

	(void)state;
	for (size_t i = 0; i < MANY; i++) {
		blocks[i] = slots_take(&slots);
		assert_non_null(blocks[i]);
		assert_ptr_equal(slots_owner(blocks[i]), blocks);
		assert_int_equal((uintptr_t)blocks[i] % SLOT_ALIGNMENT, 0);
		assert_memory_equal(blocks[i], zero, SIZE);
		memset(blocks[i], (int)(i % 255 + 1), SIZE);
	}
	for (size_t i = 0; i < MANY; i++)
		assert_true(blocks[i][0] == i % 255 + 1 && blocks[i][SIZE - 1] == i % 255 + 1);
	for (size_t i = 0; i < MANY; i++)
		assert_ptr_equal(slots_owner(blocks[i]), blocks);
	slots_free(&slots);
	assert_null(slots.pieces);
	/* It can be used again. */
	assert_ptr_equal(slots_owner(slots_take(&slots)), blocks);
	slots_free(&slots);
}

static void
what_was_given_back_is_used_again(void **state)
{
	static const unsigned char zero[SIZE];
	struct slots slots = {.size = SIZE};
	void *one = slots_take(&slots), *other = slots_take(&slots), *pieces = slots.pieces;

	(void)state;
	memset(one, 1, SIZE);
	slots_give(&slots, one);
	slots_give(&slots, other);
	assert_ptr_equal(slots_take(&slots), other);
	assert_ptr_equal(slots_take(&slots), one);
	assert_memory_equal(one, zero, SIZE);
	for (size_t i = 0; i < MANY; i++)
		slots_give(&slots, slots_take(&slots));
	assert_ptr_equal(slots.pieces, pieces);
	slots_free(&slots);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(blocks_are_zeroed_and_apart),
	    cmocka_unit_test(what_was_given_back_is_used_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
