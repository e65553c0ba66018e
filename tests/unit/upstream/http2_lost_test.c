/*
 * http2_lost_test.c - a connection of HTTP/2 that is lost while requests leave: only what the
 * backend cannot have seen is sent again, or what may be processed twice.
 */
#include "http2_client_world.h"

/* How many bytes still leave before the connection breaks, as when records of TLS have left before
 * the one that fails; SIZE_MAX: it does not break. */
static size_t leaves = SIZE_MAX;

enum io __real_conn_write(struct conn *conn, const struct iovec *pieces, int count, size_t *n);
enum io __wrap_conn_write(struct conn *conn, const struct iovec *pieces, int count, size_t *n);

enum io
__wrap_conn_write(struct conn *conn, const struct iovec *pieces, int count, size_t *n)
{
	struct iovec piece;

	if (leaves == SIZE_MAX)
		return __real_conn_write(conn, pieces, count, n);
	*n = 0;
	if (leaves == 0)
		return IO_ERROR;
	assert_int_equal(count, 1);
	piece = pieces[0];
	assert_true(piece.iov_len >= leaves);
	piece.iov_len = leaves;
	assert_int_equal(__real_conn_write(conn, &piece, 1, n), IO_OK);
	assert_int_equal(*n, leaves);
	leaves = 0;
	return IO_ERROR;
}

/* How many of the bytes that the connection took still wait in a record of TLS. */
static size_t unsent;

size_t __wrap_conn_unsent_content(const struct conn *conn);

size_t
__wrap_conn_unsent_content(const struct conn *conn)
{
	assert_true(conn->fd >= 0);
	return unsent;
}

static int
set_up_lost(void **state)
{
	leaves = SIZE_MAX;
	unsent = 0;
	return set_up(state);
}

/* Write a POST with its content, which stays in the output until the loop turns. */
static struct fake_user *
write_post(const struct request *post, const char *content)
{
	struct fake_user *user = new_user(post);
	bool up;

	user->upstream = pool_acquire(backend, &user->user, POOL_ANY, POOL_SHARED, &up);
	assert_true(up);
	user->upstream->ops->begin(user->upstream, post, SLICE(""));
	assert_int_equal(
	    user->upstream->ops->content(user->upstream, slice_of(content)), strlen(content));
	user->upstream->ops->content_end(user->upstream, NULL);
	return user;
}

static size_t
bytes_written(void)
{
	return buffer_len(session()->output.out);
}

static struct request
post_of(uint64_t length)
{
	struct request post = request_of("POST", METHOD_POST);

	post.content = CONTENT_LENGTH;
	post.length = length;
	return post;
}

/* The first request has left whole with the first record; the second one fails. */
static void
a_post_that_has_left_is_not_repeated(void **state)
{
	const struct request post = post_of(3);
	struct fake_user *seen, *unseen;

	(void)state;
	open_settled(&get);
	seen = write_post(&post, "abc");
	leaves = bytes_written();
	unseen = write_post(&post, "def");
	world_settle(&world);
	expect_failed(seen, UPSTREAM_BROKEN, REPEAT_NOT);
	expect_failed(unseen, UPSTREAM_BROKEN, REPEAT_STALE);
	expect_failed(&users[0], UPSTREAM_BROKEN, REPEAT_BROKEN); /* GET */
}

/* A byte of its head is enough: the rest may have been on its way. */
static void
nor_is_one_that_has_left_in_part(void **state)
{
	const struct request post = post_of(3);
	struct fake_user *user;

	(void)state;
	open_settled(&get);
	user = write_post(&post, "abc");
	leaves = 1;
	world_settle(&world);
	expect_failed(user, UPSTREAM_BROKEN, REPEAT_NOT);
}

static void
one_that_has_not_left_is_repeated(void **state)
{
	const struct request post = post_of(3);
	struct fake_user *user;

	(void)state;
	open_settled(&get);
	user = write_post(&post, "abc");
	leaves = 0;
	world_settle(&world);
	expect_failed(user, UPSTREAM_BROKEN, REPEAT_STALE);
}

/* The kernel did not take all of the record with it, so the backend cannot read it. */
static void
one_whose_record_waits_is_repeated(void **state)
{
	const struct request post = post_of(3);
	struct fake_user *seen, *unseen;

	(void)state;
	open_settled(&get);
	seen = write_post(&post, "abc");
	world_settle(&world);
	unseen = write_post(&post, "def");
	unsent = bytes_written();
	world_settle(&world);
	end_peer();
	expect_failed(seen, UPSTREAM_BROKEN, REPEAT_NOT);
	expect_failed(unseen, UPSTREAM_BROKEN, REPEAT_STALE);
}

/* A byte of its head left with the record before. */
static void
one_that_began_before_the_record_is_not(void **state)
{
	const struct request post = post_of(3);
	struct fake_user *user;

	(void)state;
	open_settled(&get);
	user = write_post(&post, "abc");
	unsent = bytes_written() - 1;
	world_settle(&world);
	end_peer();
	expect_failed(user, UPSTREAM_BROKEN, REPEAT_NOT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_lost, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_post_that_has_left_is_not_repeated),
	    TEST(nor_is_one_that_has_left_in_part),
	    TEST(one_that_has_not_left_is_repeated),
	    TEST(one_whose_record_waits_is_repeated),
	    TEST(one_that_began_before_the_record_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
