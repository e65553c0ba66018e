/*
 * http2_lost_test.c - a connection of HTTP/2 that is lost. While requests leave, only what the
 * backend cannot have seen is sent again, or what may be processed twice. What has come of answers
 * is still given to clients that read slowly.
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

/* ---- answers whose content waits for its user ---- */

/* The answer begins with "abcd", of which the user has taken "a". */
static struct fake_user *
open_with_answer(bool whole)
{
	struct fake_user *user = open_settled(&get);

	user->room = 1;
	say_head(1, 200, NULL, false);
	say_data(1, "abcd", whole);
	say();
	return user;
}

static void
pump(struct fake_user *user, size_t room)
{
	user->room = room;
	user->upstream->ops->pump(user->upstream);
}

static void
a_whole_answer_outlives_its_connection(void **state)
{
	struct fake_user *user = open_with_answer(true), *other = join_with(&get);

	(void)state;
	end_peer();
	expect_failed(other, UPSTREAM_BROKEN, REPEAT_STALE);
	assert_int_equal(user->failed, 0);
	pump(user, 1);
	world_settle(&world);
	BODY(user, "ab");
	assert_int_equal(user->ends, 0);
	pump(user, 2);
	BODY(user, "abcd");
	assert_int_equal(user->ends, 1);
	assert_int_equal(user->failed, 0);
}

static void
so_do_its_trailers(void **state)
{
	struct fake_user *user = open_with_answer(false);

	(void)state;
	say_trailers(1, true);
	say();
	end_peer();
	pump(user, 10);
	assert_int_equal(user->ends, 1);
	assert_string_equal(user->trailers, "x-sum: 1\n");
}

/* Then the user is told that the rest does not come. */
static void
so_does_the_part_that_has_come(void **state)
{
	struct fake_user *user = open_with_answer(false);

	(void)state;
	end_peer();
	assert_int_equal(user->failed, 0);
	pump(user, 2);
	assert_int_equal(user->failed, 0);
	pump(user, 1);
	BODY(user, "abcd");
	assert_int_equal(user->ends, 0);
	expect_failed(user, UPSTREAM_BROKEN, REPEAT_NOT);
}

/* Several answers wait, and end in different turns. */
static void
each_answer_ends_by_itself(void **state)
{
	struct fake_user *first = open_with_answer(false), *second = join_with(&get);

	(void)state;
	second->room = 0;
	say_head(3, 200, NULL, false);
	say_data(3, "efgh", true);
	say();
	end_peer();
	pump(first, 10);
	expect_failed(first, UPSTREAM_BROKEN, REPEAT_NOT);
	world_settle(&world);
	pump(second, 10);
	BODY(second, "efgh");
	assert_int_equal(second->ends, 1);
}

/* Revoked, for example. */
static void
one_that_is_cancelled_gives_nothing_more(void **state)
{
	struct fake_user *user = open_with_answer(true);

	(void)state;
	end_peer();
	user->upstream->ops->cancel(user->upstream);
	user->upstream = NULL;
	world_settle(&world);
	BODY(user, "a");
	assert_int_equal(user->ends + user->failed, 0);
}

/* A client that sends before it reads must not wait for a backend that is gone. */
static void
an_answer_to_an_upload_does_not(void **state)
{
	const struct request post = post_of(6);
	struct fake_user *user = open_settled(&post);

	(void)state;
	user->room = 0;
	say_head(1, 200, NULL, false);
	say_data(1, "abcd", true);
	say();
	end_peer();
	expect_failed(user, UPSTREAM_BROKEN, REPEAT_NOT);
}

/* The user of a tunnel goes on after the end of the answer, with a backend that is gone. */
static void
a_user_that_stays_learns_of_the_loss(void **state)
{
	struct fake_user *user = open_with_answer(true);

	(void)state;
	user->release_at_end = false;
	end_peer();
	pump(user, 10);
	BODY(user, "abcd");
	assert_int_equal(user->ends, 1);
	expect_failed(user, UPSTREAM_BROKEN, REPEAT_NOT);
}

/* A backend that breaks the rules loses its connection, but what had come before is good. */
static void
an_answer_outlives_a_bad_frame(void **state)
{
	struct fake_user *user = open_with_answer(false);
	char head[H2_FRAME_HEAD_LEN];

	(void)state;
	h2_frame_put(head, &(struct h2_frame){.type = H2_PUSH_PROMISE, .stream = 1});
	write_slice(&saying, (struct slice){head, sizeof(head)});
	say();
	assert_int_equal(user->failed, 0);
	pump(user, 10);
	BODY(user, "abcd");
	expect_failed(user, UPSTREAM_BAD_ANSWER, REPEAT_NOT);
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
	    TEST(a_whole_answer_outlives_its_connection),
	    TEST(so_do_its_trailers),
	    TEST(so_does_the_part_that_has_come),
	    TEST(each_answer_ends_by_itself),
	    TEST(one_that_is_cancelled_gives_nothing_more),
	    TEST(an_answer_to_an_upload_does_not),
	    TEST(a_user_that_stays_learns_of_the_loss),
	    TEST(an_answer_outlives_a_bad_frame),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
