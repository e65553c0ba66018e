/* buffer_test.c - blocks, and moving bytes between blocks of different sizes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "check_catch.h"
#include "net/buffer.h"
#include "net/slab.h"

static void
gives_room_for_what_is_asked(void **state)
{
	struct buffer_pool *pool = buffer_pool_new();
	const size_t sizes[] = {
	    1, 1024, 1025, 4096, BUFFER_MEDIUM, BUFFER_LARGE, BUFFER_LARGE + 1, 200000};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct buffer *buffer = buffer_take(pool, sizes[i]);

		assert_non_null(buffer);
		assert_true(buffer_room(buffer) >= sizes[i]);
		assert_int_equal(buffer_len(buffer), 0);
		memset(buffer->bytes, 'x', sizes[i]);
		buffer_give(pool, buffer);
	}
	buffer_pool_free(pool);
}

/* Each block is of the least size that fits, and goes back to its own kind. */
static void
tight_blocks_waste_less(void **state)
{
	static const size_t asked[] = {1, 384, 385, 1024, 3072, 5120, 5121, BUFFER_LARGE + 1};
	static const size_t expected[] = {
	    384, 384, 768, 1536, 3072, 5120, BUFFER_MEDIUM, BUFFER_LARGE + 1};
	struct buffer_pool *pool = buffer_pool_new();

	(void)state;
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		struct buffer *buffer = buffer_take_tight(pool, asked[i]);

		assert_non_null(buffer);
		assert_int_equal(buffer->capacity, expected[i]);
		memset(buffer->bytes, 'x', buffer->capacity);
		buffer_give(pool, buffer);
		if (asked[i] <= 5120)
			assert_ptr_equal(buffer_take_tight(pool, asked[i]), buffer);
		if (asked[i] <= 5120)
			buffer_give(pool, buffer);
		buffer = buffer_take(pool, asked[i]);
		assert_int_not_equal(buffer->capacity, 384);
		buffer_give(pool, buffer);
	}
	buffer_pool_free(pool);
}

static void
reuses_the_block_given_back_last(void **state)
{
	struct buffer_pool *pool = buffer_pool_new();
	struct buffer *first = buffer_take(pool, 100);

	(void)state;
	buffer_append(first, SLICE("old bytes"));
	buffer_give(pool, first);
	assert_ptr_equal(buffer_take(pool, 1000), first);
	assert_int_equal(buffer_len(first), 0);
	buffer_give(pool, first);
	buffer_pool_free(pool);
}

/* As after a burst of clients: everything taken comes back, in whatever order. */
static void
survives_a_burst(void **state)
{
	enum { COUNT = 1000 };
	struct buffer_pool *pool = buffer_pool_new();
	struct buffer *taken[COUNT];

	(void)state;
	for (size_t round = 0; round < 3; round++) {
		for (size_t i = 0; i < COUNT; i++) {
			taken[i] = buffer_take(pool, BUFFER_MEDIUM);
			assert_non_null(taken[i]);
			memset(taken[i]->bytes, (int)i, taken[i]->capacity);
		}
		for (size_t i = 0; i < COUNT; i++) {
			struct buffer *buffer = taken[i * 7 % COUNT];

			assert_int_equal((unsigned char)buffer->bytes[0], (i * 7 % COUNT) & 0xff);
			assert_int_equal((unsigned char)buffer->bytes[BUFFER_MEDIUM - 1],
			    (i * 7 % COUNT) & 0xff);
			buffer_give(pool, buffer);
		}
	}
	buffer_pool_free(pool);
}

static void
fits_bytes_into_the_smallest_block(void **state)
{
	struct buffer_pool *pool = buffer_pool_new();
	struct buffer *buffer = buffer_take(pool, BUFFER_LARGE);

	(void)state;
	buffer_append(buffer, SLICE("dropped, kept"));
	buffer->start = 9;
	buffer = buffer_fit(pool, buffer);
	assert_int_equal(buffer->capacity, 1024);
	assert_true(slice_equal(buffer_bytes(buffer), SLICE("kept")));
	assert_ptr_equal(buffer_fit(pool, buffer), buffer);
	buffer->start = buffer->end;
	assert_null(buffer_fit(pool, buffer));
	assert_null(buffer_fit(pool, NULL));
	buffer_pool_free(pool);
}

static void
compacts_to_the_front(void **state)
{
	struct buffer_pool *pool = buffer_pool_new();
	struct buffer *buffer = buffer_take(pool, 10);

	(void)state;
	buffer_append(buffer, SLICE("0123456789"));
	buffer->start = 7;
	buffer_compact(buffer);
	assert_int_equal(buffer->start, 0);
	assert_true(slice_equal(buffer_bytes(buffer), SLICE("789")));
	buffer_give(pool, buffer);
	buffer_pool_free(pool);
}

static void
a_bug_ends_at_a_check(void **state)
{
	static const struct slice too_long = {NULL, 1 << 20};
	struct buffer_pool *pool = buffer_pool_new();
	struct buffer *buffer = buffer_take(pool, 1);
	struct slab slab = {.size = 64};
	void *object = slab_take(&slab);

	(void)state;
	assert_check_fails(buffer_append(buffer, too_long), "buffer_room");
	buffer_give(pool, buffer);
	assert_check_fails(buffer_give(pool, buffer), "chunk->idle != buffer");
	buffer_pool_free(pool);
	slab_give(&slab, object, 1);
	assert_check_fails(slab_give(&slab, object, 1), "item != slab->idle");
	slab_clear(&slab);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(gives_room_for_what_is_asked),
	    cmocka_unit_test(tight_blocks_waste_less),
	    cmocka_unit_test(reuses_the_block_given_back_last),
	    cmocka_unit_test(survives_a_burst),
	    cmocka_unit_test(fits_bytes_into_the_smallest_block),
	    cmocka_unit_test(compacts_to_the_front),
	    cmocka_unit_test(a_bug_ends_at_a_check),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
