/*
 * http2_lost_test.c - a connection of HTTP/2 that is lost. While requests leave, only what the
 * backend cannot have seen is sent again, or what may be processed twice. What has come of answers
 * is still given to clients that read slowly.
 */
#include "http2_client_world.h"

/* How many bytes still leave before the connection breaks, as when records of TLS have left before
 * the one that fails; SIZE_MAX: it does not break. */
static size_t leaves = SIZE_MAX;

/* What the backend does right before a write fails. */
static void (*before_failure)(void);

enum io __real_conn_write(struct conn *conn, const struct iovec *pieces, int count, size_t *n);
enum io __wrap_conn_write(struct conn *conn, const struct iovec *pieces, int count, size_t *n);

enum io
__wrap_conn_write(struct conn *conn, const struct iovec *pieces, int count, size_t *n)
{
	struct iovec piece;

	if (leaves == SIZE_MAX)
		return __real_conn_write(conn, pieces, count, n);
	*n = 0;
	if (before_failure != NULL)
		before_failure();
	before_failure = NULL;
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
	before_failure = NULL;
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

/* What waits for its user needs the session, but not the table of its fields, which reading filled.
 */
static void
its_table_of_fields_does_not(void **state)
{
	static const char block[] = "\x88\x40\x01n\x01v"; /* ":status: 200", and a field to keep */
	struct fake_user *user = open_settled(&get);
	struct backend_session *lost = session();

	(void)state;
	user->room = 0;
	h2_write_block(&saying, 1, 0, (struct slice){block, sizeof(block) - 1}, 16384);
	say_data(1, "abcd", true);
	say();
	assert_non_null(lost->decoder.table.entries);
	end_peer();
	assert_null(lost->decoder.table.entries);
	pump(user, 10);
	BODY(user, "abcd");
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

/* ---- what comes right before a write fails ---- */

/* Send what was written, and close. */
static void
say_last(void)
{
	size_t len = (size_t)(saying.at - said);

	assert_int_equal(send(peer, said, len, MSG_NOSIGNAL), (ssize_t)len);
	close(peer);
	peer = -1;
}

/* Write another request; while it is sent, the backend says its last words. */
static struct fake_user *
lose_with_last_words(void)
{
	const struct request post = post_of(3);
	struct fake_user *other = write_post(&post, "abc");

	leaves = 0;
	before_failure = say_last;
	world_settle(&world);
	return other;
}

static void
an_answer_that_comes_before_a_write_fails_is_given(void **state)
{
	struct fake_user *user = open_settled(&get), *other;

	(void)state;
	say_head(1, 200, NULL, false);
	say_data(1, "abcd", false);
	say_trailers(1, true);
	other = lose_with_last_words();
	assert_int_equal(user->status, 200);
	BODY(user, "abcd");
	assert_int_equal(user->ends, 1);
	assert_string_equal(user->trailers, "x-sum: 1\n");
	assert_int_equal(user->failed, 0);
	expect_failed(other, UPSTREAM_BROKEN, REPEAT_STALE);
}

static void
so_is_a_part_of_one(void **state)
{
	struct fake_user *user = open_settled(&get);

	(void)state;
	say_head(1, 200, NULL, false);
	say_data(1, "abcd", false);
	lose_with_last_words();
	BODY(user, "abcd");
	assert_int_equal(user->ends, 0);
	expect_failed(user, UPSTREAM_BROKEN, REPEAT_NOT);
}

/* A backend that refuses an upload early, and closes. */
static void
so_is_an_early_answer_to_an_upload(void **state)
{
	const struct request post = post_of(6);
	struct fake_user *user = open_settled(&post);

	(void)state;
	say_head(1, 413, NULL, false);
	say_data(1, "no", true);
	leaves = 0;
	before_failure = say_last;
	assert_int_equal(user->upstream->ops->content(user->upstream, SLICE("abc")), 3);
	world_settle(&world);
	assert_int_equal(user->status, 413);
	BODY(user, "no");
	assert_int_equal(user->ends, 1);
}

/* More frames than are read in one turn. */
static void
so_is_one_that_takes_many_turns(void **state)
{
	struct fake_user *user = open_settled(&get);
	size_t frames = 1000;

	(void)state;
	say_head(1, 200, NULL, false);
	for (size_t i = 0; i < frames; i++)
		say_data(1, "x", i + 1 == frames);
	lose_with_last_words();
	TURN_UNTIL(&world, user->ends + user->failed > 0);
	assert_int_equal(user->body_len, frames);
	assert_int_equal(user->ends, 1);
}

/* Meanwhile no new request begins on it. */
static void
it_takes_no_more_requests(void **state)
{
	const struct request post = post_of(3);
	struct fake_user *user = open_settled(&get);

	(void)state;
	say_head(1, 200, NULL, false);
	for (size_t i = 0; i < 1000; i++)
		say_data(1, "x", i + 1 == 1000);
	write_post(&post, "abc");
	leaves = 0;
	before_failure = say_last;
	while (before_failure != NULL)
		loop_turn(world.loop, false);
	assert_int_equal(user->ends, 0);
	assert_false(connection->protocol->takes(connection));
	TURN_UNTIL(&world, user->ends > 0);
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
	    TEST(its_table_of_fields_does_not),
	    TEST(so_does_the_part_that_has_come),
	    TEST(each_answer_ends_by_itself),
	    TEST(one_that_is_cancelled_gives_nothing_more),
	    TEST(an_answer_to_an_upload_does_not),
	    TEST(a_user_that_stays_learns_of_the_loss),
	    TEST(an_answer_outlives_a_bad_frame),
	    TEST(an_answer_that_comes_before_a_write_fails_is_given),
	    TEST(so_is_a_part_of_one),
	    TEST(so_is_an_early_answer_to_an_upload),
	    TEST(so_is_one_that_takes_many_turns),
	    TEST(it_takes_no_more_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
