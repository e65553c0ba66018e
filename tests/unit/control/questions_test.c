/* questions_test.c - what workers are asked, one after the other, and what becomes of their
 * answers. */
#include "questions_world.h"

static void
workers_are_asked_in_the_order_of_their_numbers(void **state)
{
	int second = connect_worker(7, SESSION_PROTOCOL),
	    first = connect_worker(3, SESSION_PROTOCOL);
	struct session_order order;

	(void)state;
	workers_ask(workers, &question);
	assert_int_equal(answered, 0);
	turn();
	assert_false(got_order(second, &order));
	assert_true(got_order(first, &order) && order.most == 10);
	tell_session(first, order.number, 5);
	tell_session(first, order.number + 1, 4); /* an answer to another order */
	tell_session(second, order.number, 4);	  /* of one that was not asked */
	tell_end(first, order.number, 1, false);
	assert_true(got_order(second, &order) && order.most == 9);
	tell_session(second, order.number, 9);
	tell_end(second, order.number, 1, false);
	assert_true(answered == 1 && found == 2 && question.count == 2);
	assert_true(serials[0] == 5 && serials[1] == 9);
	assert_true(!question.more && question.silent == 0);
	close(first);
	close(second);
}

static void
a_page_ends_at_its_limit(void **state)
{
	int first = connect_worker(1, SESSION_PROTOCOL),
	    second = connect_worker(2, SESSION_PROTOCOL);
	struct session_order order;

	(void)state;
	question.order.most = 2;
	question.from = (struct session_id){1, 77};
	workers_ask(workers, &question);
	turn();
	assert_true(got_order(first, &order) && order.filter.before == 77);
	for (uint64_t serial = 9; serial > 5; serial--) /* more than it was asked for */
		tell_session(first, order.number, serial);
	tell_end(first, order.number, 4, false);
	assert_true(answered == 1 && found == 2 && question.count == 2 && question.more);
	assert_false(got_order(second, &order));
	close(first);
	close(second);
}

static void
cuts_are_added_up(void **state)
{
	int first = connect_worker(1, SESSION_PROTOCOL),
	    second = connect_worker(2, SESSION_PROTOCOL);
	struct session_order order;

	(void)state;
	question.order.cuts = true;
	question.order.most = 0;
	workers_ask(workers, &question);
	turn();
	assert_true(got_order(first, &order) && order.cuts && order.filter.before == 0);
	tell_end(first, order.number, 3, false);
	assert_true(got_order(second, &order));
	tell_end(second, order.number, 4, false);
	assert_true(answered == 1 && question.count == 7 && found == 0);
	close(first);
	close(second);
}

static void
one_session_is_looked_for_at_its_worker_alone(void **state)
{
	int first = connect_worker(1, SESSION_PROTOCOL),
	    second = connect_worker(2, SESSION_PROTOCOL);
	struct session_order order;

	(void)state;
	question.of_one = true;
	question.from = (struct session_id){2, 77};
	workers_ask(workers, &question);
	turn();
	assert_false(got_order(first, &order));
	assert_true(got_order(second, &order) && order.filter.serial == 77);
	tell_end(second, order.number, 0, false);
	assert_true(answered == 1 && question.count == 0 && question.silent == 0);
	question.from.worker = 9; /* that is gone */
	workers_ask(workers, &question);
	turn();
	assert_true(answered == 2 && question.count == 0 && question.silent == 0);
	close(first);
	close(second);
}

static void
a_worker_that_ends_is_silent(void **state)
{
	int first = connect_worker(1, SESSION_PROTOCOL),
	    second = connect_worker(2, SESSION_PROTOCOL);
	struct session_order order;

	(void)state;
	workers_ask(workers, &question);
	turn();
	assert_true(got_order(first, &order));
	close(first);
	turn();
	assert_true(got_order(second, &order));
	tell_end(second, order.number, 0, false);
	assert_true(answered == 1 && question.silent == 1);
	close(second);
}

static void
a_question_waits_for_workers_to_connect(void **state)
{
	struct session_order order;
	int worker;

	(void)state;
	running = 1;
	workers_ask(workers, &question);
	turn();
	assert_int_equal(answered, 0);
	worker = connect_worker(1, SESSION_PROTOCOL);
	for (int i = 0; i < 20; i++)
		turn();
	assert_true(got_order(worker, &order));
	tell_end(worker, order.number, 0, false);
	assert_true(answered == 1 && question.silent == 0);
	close(worker);
}

/* Another binary, or another program of our user. */
static void
what_does_not_speak_the_protocol_is_closed(void **state)
{
	int other = connect_worker(1, SESSION_PROTOCOL + 1), mute, again, twice;
	struct session_message message = {.kind = SESSION_END};

	(void)state;
	assert_true(is_closed(other));
	mute = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	assert_int_equal(connect(mute, (struct sockaddr *)&address, sizeof(address)), 0);
	tell(mute, &message); /* without a hello */
	assert_true(is_closed(mute));
	again = connect_worker(5, SESSION_PROTOCOL);
	assert_int_equal(send(again, "short", 5, MSG_NOSIGNAL), 5);
	turn();
	assert_true(is_closed(again));
	/* A worker that connects again takes the place of its earlier connection. */
	again = connect_worker(5, SESSION_PROTOCOL);
	twice = connect_worker(5, SESSION_PROTOCOL);
	assert_true(is_closed(again) && !is_closed(twice));
	close(other);
	close(mute);
	close(again);
	close(twice);
}

static void
one_question_of_a_token_at_a_time(void **state)
{
	int worker = connect_worker(1, SESSION_PROTOCOL);
	struct session_order order;

	(void)state;
	question.by = SLICE("abcdefghij012345");
	assert_false(workers_are_busy(workers, &question));
	workers_ask(workers, &question);
	assert_true(is_busy("abcdefghij012345", false));
	assert_false(is_busy("bbbbbbbbbb012345", false));
	turn();
	assert_true(got_order(worker, &order));
	tell_end(worker, order.number, 0, false);
	assert_false(is_busy("abcdefghij012345", false));
	close(worker);
}

/* A scoped operator can make tokens, each of which may ask. */
static void
scoped_tokens_leave_room_for_others(void **state)
{
	static const char ids[] = "abcdefghijklmnopqrstuvwxyz";
	struct session_question many[8];

	(void)state;
	for (size_t i = 0; i < 8; i++) {
		assert_false(is_busy("scoped", true));
		many[i] =
		    (struct session_question){.answered = on_other_answered, .by = {ids + i, 1}};
		many[i].order.filter.scoped = true;
		workers_ask(workers, &many[i]);
	}
	assert_true(is_busy("scoped", true));
	assert_false(is_busy("unscoped", false));
	workers_free(workers);
	workers = NULL;
	assert_int_equal(others_answered, 8);
}

/* However many tokens an operator makes, they all have its labels. */
static void
selectors_with_a_label_in_common_leave_room_for_others(void **state)
{
	static const char ids[] = "abcdefghijklmnopqrstuvwxyz";
	struct label labels[5][2];
	struct label_set scopes[5];
	struct session_question many[5];

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		labels[i][0] = (struct label){SLICE("team"), SLICE("a")};
		labels[i][1] = (struct label){SLICE("number"), {ids + i, 1}};
		scopes[i] = (struct label_set){.items = labels[i], .count = 2};
		many[i] = (struct session_question){
		    .answered = on_other_answered, .by = {ids + i, 1}, .scope = &scopes[i]};
		many[i].order.filter.scoped = true;
		assert_int_equal(workers_are_busy(workers, &many[i]), i == 4);
		if (i < 4)
			workers_ask(workers, &many[i]);
	}
	labels[4][0].value = SLICE("b");
	assert_false(workers_are_busy(workers, &many[4]));
	workers_free(workers);
	workers = NULL;
	assert_int_equal(others_answered, 4);
}

/* Those who left do not let others wait for a worker that is stopped. */
static void
what_nobody_waits_for_is_not_asked(void **state)
{
	int worker = connect_worker(1, SESSION_PROTOCOL);
	struct session_question left[3];
	struct session_order order;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		left[i] = (struct session_question){
		    .answered = on_other_answered, .is_abandoned = is_abandoned};
		workers_ask(workers, &left[i]);
	}
	workers_ask(workers, &question);
	turn();
	assert_true(others_answered == 3 && left[2].silent == 1 && answered == 0);
	assert_true(got_order(worker, &order) && order.number == 1 && order.most == 10);
	tell_end(worker, order.number, 0, false);
	assert_true(answered == 1 && question.silent == 0);
	close(worker);
}

/* A worker that was stopped must not end sessions after its caller was told that it did not. */
static void
cuts_have_a_deadline(void **state)
{
	int worker = connect_worker(1, SESSION_PROTOCOL);
	uint64_t before_ms = clock_ms(CLOCK_MONOTONIC);
	struct session_order order;

	(void)state;
	question.order.cuts = true;
	workers_ask(workers, &question);
	turn();
	assert_true(got_order(worker, &order));
	assert_true(order.until_ms >= before_ms + 2000 &&
		    order.until_ms <= clock_ms(CLOCK_MONOTONIC) + 2000);
	tell_end(worker, order.number, 0, false);
	close(worker);
}

/* Any byte but 0 is true, and nothing else depends on its value. */
static void
flags_of_a_worker_may_have_any_value(void **state)
{
	int worker = connect_worker(1, SESSION_PROTOCOL);
	struct session_message end = {.kind = SESSION_END};
	struct session_order order;

	(void)state;
	workers_ask(workers, &question);
	turn();
	assert_true(got_order(worker, &order));
	end.number = order.number;
	memset(&end.end.more, 0xfe, sizeof(end.end.more));
	tell(worker, &end);
	assert_true(answered == 1 && question.more);
	close(worker);
}

/* At the end of the process. */
static void
each_question_is_answered(void **state)
{
	int worker = connect_worker(1, SESSION_PROTOCOL);

	(void)state;
	workers_ask(workers, &question);
	turn();
	workers_free(workers);
	workers = NULL;
	assert_true(answered == 1 && question.silent == 1);
	close(worker);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(workers_are_asked_in_the_order_of_their_numbers),
	    TEST(a_page_ends_at_its_limit),
	    TEST(cuts_are_added_up),
	    TEST(one_session_is_looked_for_at_its_worker_alone),
	    TEST(a_worker_that_ends_is_silent),
	    TEST(a_question_waits_for_workers_to_connect),
	    TEST(what_does_not_speak_the_protocol_is_closed),
	    TEST(one_question_of_a_token_at_a_time),
	    TEST(scoped_tokens_leave_room_for_others),
	    TEST(selectors_with_a_label_in_common_leave_room_for_others),
	    TEST(what_nobody_waits_for_is_not_asked),
	    TEST(cuts_have_a_deadline),
	    TEST(flags_of_a_worker_may_have_any_value),
	    TEST(each_question_is_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
