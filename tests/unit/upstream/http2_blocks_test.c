/* http2_blocks_test.c - field blocks of a backend that are longer than the limits: they end their
 * stream and no other, and the decoder's table stays in step. */
#include "h2_long_block.h"
#include "http2_client_world.h"

#define STATUS_200 '\x88'

static char block[(CONTINUATIONS_MAX + 2) * H2_FRAME_SIZE_DEFAULT];

/* A block of this many bytes, in frames that are as long as allowed. */
static void
say_long(uint32_t stream, size_t len, unsigned flags)
{
	fill_block(block, len, STATUS_200);
	h2_write_block(&saying, stream, flags, (struct slice){block, len}, H2_FRAME_SIZE_DEFAULT);
	say();
	if (world.pool->connections > 0)
		assert_null(session()->block.bytes);
}

/* The first entry of the table is the last field of the long block. */
static void
say_head_from_table(uint32_t stream)
{
	h2_write_block(&saying, stream, H2_END_STREAM, SLICE("\x88\xbe"), H2_FRAME_SIZE_DEFAULT);
	say();
}

static void
expect_in_step(const struct fake_user *user)
{
	assert_int_equal(user->status, 200);
	assert_int_equal(strncmp(user->fields, "x: vvvvvvvv", 11), 0);
	assert_int_equal(user->ends, 1);
}

static void
a_long_head_ends_its_stream_alone(void **state)
{
	struct fake_user *user = open_settled(&get), *other = join_with(&get);

	(void)state;
	say_head(3, 200, NULL, false);
	say_data(3, "ab", false);
	say_long(1, (CONTINUATIONS_MAX + 1) * H2_FRAME_SIZE_DEFAULT, 0);
	expect_failed(user, UPSTREAM_BAD_ANSWER, REPEAT_NOT);
	expect_reset(1, H2_PROTOCOL_ERROR);
	say_data(3, "cd", true);
	say();
	BODY(other, "abcd");
	assert_int_equal(other->ends, 1);
	other = join_with(&get);
	say_head_from_table(5);
	expect_in_step(other);
}

/* It takes no more memory than others while it comes. */
static void
a_long_head_is_not_kept_whole(void **state)
{
	size_t len = CONTINUATIONS_MAX * H2_FRAME_SIZE_DEFAULT;

	(void)state;
	open_settled(&get);
	fill_block(block, len, STATUS_200);
	h2_write_frame_head(&saying, H2_HEADERS, 0, 1, 1);
	write_slice(&saying, SLICE("\x88"));
	for (size_t at = 0; at < len; at += H2_FRAME_SIZE_DEFAULT) {
		h2_write_frame_head(&saying, H2_CONTINUATION, 0, 1, H2_FRAME_SIZE_DEFAULT);
		write_slice(&saying, (struct slice){block + at, H2_FRAME_SIZE_DEFAULT});
		say();
		assert_in_range(session()->block.bytes->capacity, 1, BUFFER_LARGE);
	}
}

static void
long_trailers_end_their_stream_alone(void **state)
{
	struct fake_user *user = open_settled(&get), *other = join_with(&get);

	(void)state;
	say_head(1, 200, NULL, false);
	say_long(1, 5 * H2_FRAME_SIZE_DEFAULT, H2_END_STREAM);
	expect_failed(user, UPSTREAM_BAD_ANSWER, REPEAT_NOT);
	expect_reset(1, H2_PROTOCOL_ERROR);
	say_head_from_table(3);
	expect_in_step(other);
}

/* It was on its way when the request was cancelled. */
static void
a_long_head_for_a_stream_that_has_ended(void **state)
{
	struct fake_user *user = open_settled(&get), *other = join_with(&get);

	(void)state;
	user->upstream->ops->cancel(user->upstream);
	user->upstream = NULL;
	say_long(1, 5 * H2_FRAME_SIZE_DEFAULT, 0);
	say_head_from_table(3);
	expect_in_step(other);
}

/* A job whose answers all have such heads does not cut those that are running. */
static void
many_long_heads(void **state)
{
	struct fake_user *other = open_settled(&get), *user;

	(void)state;
	for (uint32_t stream = 3; stream < 3 + 2 * 150; stream += 2) {
		user_count = 1;
		user = join_with(&get);
		say_long(stream, (CONTINUATIONS_MAX + 1) * H2_FRAME_SIZE_DEFAULT, H2_END_STREAM);
		expect_failed(user, UPSTREAM_BAD_ANSWER, REPEAT_NOT);
		came_at = came_len = 0;
	}
	say_head_from_table(1);
	expect_in_step(other);
}

static void
a_head_beyond_all_bounds_ends_the_connection(void **state)
{
	struct fake_user *user = open_settled(&get), *other = join_with(&get);

	(void)state;
	say_long(1, (CONTINUATIONS_MAX + 2) * H2_FRAME_SIZE_DEFAULT, 0);
	expect_goaway(H2_ENHANCE_YOUR_CALM);
	assert_int_equal(user->failed, 1);
	assert_int_equal(other->failed, 1);
	assert_int_equal(world.pool->connections, 0);
}

static void
what_is_wrong_in_a_long_head_is_found(void **state)
{
	size_t len = 6 * H2_FRAME_SIZE_DEFAULT;

	(void)state;
	open_settled(&get);
	fill_block(block, len, STATUS_200);
	block[len - 1] = '\x80'; /* index 0 */
	h2_write_block(&saying, 1, 0, (struct slice){block, len}, H2_FRAME_SIZE_DEFAULT);
	say();
	expect_goaway(H2_COMPRESSION_ERROR);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_long_head_ends_its_stream_alone),
	    TEST(a_long_head_is_not_kept_whole),
	    TEST(long_trailers_end_their_stream_alone),
	    TEST(a_long_head_for_a_stream_that_has_ended),
	    TEST(many_long_heads),
	    TEST(a_head_beyond_all_bounds_ends_the_connection),
	    TEST(what_is_wrong_in_a_long_head_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
