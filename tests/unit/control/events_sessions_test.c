/* events_sessions_test.c - which sessions a reader is told of, and what workers are asked for it.
 */
#include "events_world.h"

static const struct label team_a = {SLICE("team"), SLICE("a")};
static const struct label team_b = {SLICE("team"), SLICE("b")};
static const struct label_set of_a = {1, &team_a}, of_b = {1, &team_b};

#define MISSED "event: missed\ndata: {\"what\":\"sessions\"}\n\n"

/* The order to watch that this worker has got; it is confirmed. */
static struct session_order
confirm_watch(int fd, unsigned slot)
{
	struct session_order order = {0};

	assert_true(got_order(fd, &order));
	assert_true(order.watch == SESSION_WATCH_BEGIN && order.slot == slot);
	tell(fd, &(struct session_message){.kind = SESSION_WATCHING, .number = order.number});
	return order;
}

static void
tell_change(int fd, enum session_change change, uint32_t sees, uint32_t names, const char *outcome)
{
	struct session_message message = {.kind = SESSION_EVENT,
	    .event = {.sees = sees, .names = names, .change = (uint8_t)change, .status = 200}};

	message.event.session.serial = 5;
	snprintf(message.event.session.token_id, sizeof(message.event.session.token_id),
	    "abcdefgh12345678");
	snprintf(message.event.outcome, sizeof(message.event.outcome), "%s", outcome);
	tell(fd, &message);
}

/* All readers without a selector share one slot, each other one has its own. */
static void
slots(void **state)
{
	int worker = connect_worker(1, SESSION_PROTOCOL);
	struct session_order order;
	struct call *shared, *first, *second;

	(void)state;
	reader_of(NULL, NULL);
	confirm_watch(worker, 0);
	shared = reader_of("0000000000000001", NULL);
	assert_false(got_order(worker, &order));
	leave(shared);
	tick();
	assert_false(got_order(worker, &order)); /* the other one still has it */
	first = reader_of("0000000000000002", &of_a);
	assert_string_equal(confirm_watch(worker, 1).filter.scope, "team=a");
	second = reader_of("0000000000000003", &of_b);
	assert_string_equal(confirm_watch(worker, 2).filter.scope, "team=b");
	leave(first);
	tick();
	assert_true(got_order(worker, &order));
	assert_true(order.watch == SESSION_WATCH_END && order.slot == 1);
	reader_of("0000000000000004", &of_b);
	confirm_watch(worker, 1); /* it is free again */
	leave(second);
	tick();
	assert_true(got_order(worker, &order) && order.slot == 2);
	close(worker);
}

static void
who_hears_of_a_session(void **state)
{
	int worker = connect_worker(1, SESSION_PROTOCOL);
	const char *text;

	(void)state;
	reader_of(NULL, NULL);
	confirm_watch(worker, 0);
	listen_to(reader_of("0000000000000002", &of_a));
	confirm_watch(worker, 1);
	assert_non_null(strstr(news(), "event: start"));
	tell_change(worker, SESSION_BEGUN, 1u << 0, 1u << 0, "");
	assert_string_equal(news(), ""); /* of another scope */
	tell_change(worker, SESSION_BEGUN, 1u << 1 | 1u << 0, 1u << 0, "");
	text = news();
	assert_non_null(strstr(text, "event: session\ndata: {\"is\":\"begun\",\"outcome\":null,"
				     "\"status\":null,\"session\":{"));
	assert_null(strstr(text, "abcdefgh12345678")); /* the token is not in its scope */
	tell_change(worker, SESSION_ENDED, 1u << 1, 1u << 1, "answered");
	text = news();
	assert_non_null(strstr(text, "{\"is\":\"ended\",\"outcome\":\"answered\",\"status\":200,"));
	assert_non_null(strstr(text, "abcdefgh12345678"));
	tell_change(worker, SESSION_ENDED, 1u << 1, 0, "cut");
	assert_non_null(strstr(news(), "{\"is\":\"cut\",\"outcome\":\"cut\""));
	tell_change(worker, SESSION_ENDED, 1u << 1, 0, "revoked");
	assert_non_null(strstr(news(), "{\"is\":\"cut\",\"outcome\":\"revoked\""));
	tell_change(worker, SESSION_LOST, 1u << 0, 0, "");
	assert_string_equal(news(), "");
	tell_change(worker, SESSION_LOST, 1u << 1, 0, "");
	assert_string_equal(news(), MISSED);
	close(worker);
}

/* Sessions are told from `start` on, so a reader waits for the workers' confirmations; but not for
 * ever. */
static void
workers_that_do_not_confirm(void **state)
{
	int worker = connect_worker(1, SESSION_PROTOCOL);
	struct reader *reader;

	(void)state;
	listen_to(reader_of(NULL, NULL));
	tick();
	assert_null(strstr(news(), "start"));
	reader = listened->state;
	reader->began_ms -= 2000;
	tick();
	assert_non_null(
	    strstr(news(), "event: start\ndata: {\"changes\":true,\"sessions\":false}"));
	confirm_watch(worker, 0);
	assert_string_equal(news(), MISSED); /* now its list of sessions is worth reading */
	close(worker);
}

static void
workers_come_and_go(void **state)
{
	int worker;

	(void)state;
	listen_to(reader_of(NULL, NULL));
	news();
	worker = connect_worker(13, SESSION_PROTOCOL);
	assert_non_null(strstr(news(),
	    "event: worker\ndata: {\"worker\":3,\"id\":\"0000000d\",\"up\":true}\n\n" MISSED));
	listen_to(reader_of(NULL, NULL));
	confirm_watch(worker, 0);
	assert_non_null(strstr(news(), "{\"worker\":3,\"id\":\"0000000d\",\"up\":true}"));
	close(worker);
	turn();
	assert_non_null(strstr(news(), "\"id\":\"0000000d\",\"up\":false}\n\n" MISSED));
}

/* The workers are freed before the readers. */
static void
without_workers(void **state)
{
	(void)state;
	listen_to(reader_of("0000000000000002", &of_a));
	control.workers = NULL;
	reader_tell_workers(listened->state);
	leave(listened);
	tick();
	assert_null(listened);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    TEST(slots),
	    TEST(who_hears_of_a_session),
	    TEST(workers_that_do_not_confirm),
	    TEST(workers_come_and_go),
	    TEST(without_workers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
