/* workers_watch_test.c - what workers tell of sessions that begin and end, and who hears it. */
#include "questions_world.h"

static unsigned events, losses, came, left, confirmations;
static uint32_t told_slots;
static struct session_event told;

static void
on_event(void *ctx, uint32_t slots, const struct session_id *id, unsigned index,
    const struct session_event *event)
{
	(void)ctx;
	assert_true(id->serial == event->session.serial && index == id->worker % 10);
	events++;
	told_slots = slots;
	told = *event;
}

static void
on_lost(void *ctx, uint32_t slots)
{
	(void)ctx;
	losses++;
	told_slots = slots;
}

static void
on_worker(void *ctx, uint32_t id, unsigned index, bool up)
{
	(void)ctx;
	assert_int_equal(index, id % 10);
	came += up;
	left += !up;
}

static void
on_confirmed(void *ctx)
{
	(void)ctx;
	confirmations++;
}

static int
setup_watcher(void **state)
{
	events = losses = came = left = confirmations = 0;
	setup(state);
	workers_set_watcher(
	    workers, &(struct workers_watcher){NULL, on_event, on_lost, on_worker, on_confirmed});
	return 0;
}

/* The next order to watch that this worker has got. */
static struct session_order
got_watch(int fd, enum session_watch what, unsigned slot)
{
	struct session_order order = {0};

	assert_true(got_order(fd, &order));
	assert_int_equal(order.watch, what);
	assert_int_equal(order.slot, slot);
	return order;
}

static void
confirm(int fd, uint32_t number)
{
	tell(fd, &(struct session_message){.kind = SESSION_WATCHING, .number = number});
}

static void
tell_event(int fd, uint32_t sees, enum session_change change)
{
	struct session_message message = {.kind = SESSION_EVENT,
	    .event = {.sees = sees, .names = sees, .change = (uint8_t)change, .session.serial = 5}};

	memset(message.event.outcome, 'x', sizeof(message.event.outcome)); /* without a NUL */
	memset(message.event.session.path, 'x', sizeof(message.event.session.path));
	tell(fd, &message);
}

static void
only_confirmed_slots_hear(void **state)
{
	int worker = connect_worker(1, SESSION_PROTOCOL);
	struct session_order order;

	(void)state;
	assert_int_equal(came, 1);
	assert_true(workers_watch(workers, 0, NULL));
	order = got_watch(worker, SESSION_WATCH_BEGIN, 0);
	assert_false(order.filter.scoped);
	assert_false(workers_are_watched(workers, 0));
	tell_event(worker, 1, SESSION_BEGUN); /* for who had the slot before */
	assert_int_equal(events, 0);
	confirm(worker, order.number + 7);
	assert_false(workers_are_watched(workers, 0));
	confirm(worker, order.number);
	assert_true(workers_are_watched(workers, 0) && confirmations == 2);
	tell_event(worker, 1 | 1u << 3, SESSION_BEGUN); /* slot 3 has no order */
	assert_true(events == 1 && told_slots == 1);
	assert_int_equal(strlen(told.outcome), SESSION_OUTCOME_MAX - 1);
	tell_event(worker, UINT32_MAX, SESSION_ENDED);
	assert_true(events == 2 && told_slots == 1);
	tell_event(worker, 1, SESSION_LOST);
	assert_true(losses == 1 && told_slots == 1);
	tell_event(worker, 1, (enum session_change)200); /* what is not known may be anything */
	assert_int_equal(losses, 2);
	close(worker);
	turn();
	assert_int_equal(left, 1);
}

static void
a_slot_gets_another_audience(void **state)
{
	const struct label label = {SLICE("team"), SLICE("a")};
	const struct label_set scope = {1, &label};
	int worker = connect_worker(1, SESSION_PROTOCOL);
	struct session_order first, second;

	(void)state;
	assert_true(workers_watch(workers, 2, &scope));
	first = got_watch(worker, SESSION_WATCH_BEGIN, 2);
	assert_true(first.filter.scoped && strcmp(first.filter.scope, "team=a") == 0);
	confirm(worker, first.number);
	workers_unwatch(workers, 2);
	got_watch(worker, SESSION_WATCH_END, 2);
	tell_event(worker, 1u << 2, SESSION_BEGUN); /* it left before the order came */
	assert_int_equal(events, 0);
	assert_true(workers_watch(workers, 2, &scope));
	second = got_watch(worker, SESSION_WATCH_BEGIN, 2);
	assert_int_not_equal(second.number, first.number);
	confirm(worker, first.number); /* late */
	tell_event(worker, 1u << 2, SESSION_BEGUN);
	assert_int_equal(events, 0);
	confirm(worker, second.number);
	tell_event(worker, 1u << 2, SESSION_BEGUN);
	assert_int_equal(events, 1);
	close(worker);
}

static void
workers_that_come_later_get_the_orders(void **state)
{
	struct session_order order;
	int worker;

	(void)state;
	assert_true(workers_watch(workers, 0, NULL) && workers_watch(workers, 4, NULL));
	workers_unwatch(workers, 4);
	assert_true(workers_are_watched(workers, 0)); /* there is none that does not */
	running = 1;
	assert_false(workers_are_watched(workers, 0)); /* one has not connected yet */
	worker = connect_worker(1, SESSION_PROTOCOL);
	order = got_watch(worker, SESSION_WATCH_BEGIN, 0);
	assert_false(workers_are_watched(workers, 0));
	confirm(worker, order.number);
	assert_true(workers_are_watched(workers, 0));
	assert_false(got_order(worker, &order));
	close(worker);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_watcher, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(only_confirmed_slots_hear),
	    TEST(a_slot_gets_another_audience),
	    TEST(workers_that_come_later_get_the_orders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
