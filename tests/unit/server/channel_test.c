/* channel_test.c - a worker without exchanges, and what it tells the control process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "jobgate/clock.h"
#include "net/loop.h"
#include "observe/shared.h"
#include "server/channel.h"

#define INDEX 3

static struct loop *loop;
static struct shared_stats *shared;
static struct exchange_context *exchanges;
static struct channel *channel;
static struct sockaddr_un address;
static const struct log no_log = {.fd = -1};
static int listening, control; /* the control process's ends; -1: none */

static int
setup(void **state)
{
	const struct exchange_options options = {0};

	(void)state;
	address = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/channel-%d", (int)getpid());
	unlink(address.sun_path);
	listening = control = -1;
	loop = loop_new();
	shared = shared_stats_map(1);
	exchanges = exchange_context_new(
	    &options, loop, NULL, NULL, NULL, &shared->workers[0], NULL, &no_log);
	channel = channel_new(loop_base(loop), exchanges, address.sun_path, INDEX);
	return loop == NULL || shared == NULL || exchanges == NULL || channel == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	channel_free(channel);
	exchange_context_free(exchanges);
	loop_free(loop);
	shared_stats_unmap(shared);
	if (listening >= 0)
		close(listening);
	if (control >= 0)
		close(control);
	unlink(address.sun_path);
	return 0;
}

static void
turn(void)
{
	for (int i = 0; i < 5; i++)
		loop_turn(loop, false);
}

static void
start_control(void)
{
	unlink(address.sun_path);
	listening = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(listening, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listening, 4), 0);
}

static void
stop_control(void)
{
	close(control);
	close(listening);
	control = listening = -1;
}

static bool
receive(struct session_message *message)
{
	turn();
	return recv(control, message, sizeof(*message), MSG_DONTWAIT) == (ssize_t)sizeof(*message);
}

/* The worker connects and says hello; returns its number. */
static uint32_t
expect_hello(void)
{
	struct session_message message;

	channel_look(channel);
	control = accept(listening, NULL, NULL);
	assert_true(control >= 0 && receive(&message));
	assert_int_equal(message.kind, SESSION_HELLO);
	assert_int_equal(message.hello.protocol, SESSION_PROTOCOL);
	assert_int_equal(message.hello.index, INDEX);
	return message.hello.worker;
}

static void
give(uint32_t number, bool cuts)
{
	const struct session_order order = {
	    .number = number, .cuts = cuts, .until_ms = UINT64_MAX, .most = 10};

	assert_int_equal(send(control, &order, sizeof(order), 0), (ssize_t)sizeof(order));
}

static void
expect_end(uint32_t number)
{
	struct session_message message;

	assert_true(receive(&message));
	assert_true(message.kind == SESSION_END && message.number == number);
	assert_true(message.end.count == 0 && !message.end.more);
	assert_false(receive(&message));
}

static void
orders_are_answered(void **state)
{
	(void)state;
	start_control();
	expect_hello();
	give(7, false);
	expect_end(7);
	give(8, true);
	expect_end(8);
	channel_look(channel); /* it is connected already */
	assert_true(accept(listening, NULL, NULL) < 0);
}

static void
the_worker_connects_again_under_its_number(void **state)
{
	uint32_t number;

	(void)state;
	channel_look(channel); /* no process listens yet */
	start_control();
	number = expect_hello();
	give(1, false);
	stop_control(); /* before the answer */
	turn();
	channel_look(channel);
	start_control();
	assert_int_equal(expect_hello(), number);
	give(2, false);
	expect_end(2);
}

static void
an_order_of_another_size_ends_the_connection(void **state)
{
	char text[2 * sizeof(struct session_order)] = "";

	(void)state;
	start_control();
	for (size_t len = 1; len < sizeof(text); len += sizeof(text) - 2) {
		expect_hello();
		assert_int_equal(send(control, text, len, 0), (ssize_t)len);
		turn();
		assert_int_equal(recv(control, text, 1, MSG_DONTWAIT), 0);
		close(control);
		control = -1;
	}
}

static void
give_order(const struct session_order *order)
{
	assert_int_equal(send(control, order, sizeof(*order), 0), (ssize_t)sizeof(*order));
}

/* The worker was stopped meanwhile: the caller has been told that it did not answer. */
static void
a_cut_that_comes_too_late_is_dropped(void **state)
{
	struct session_message message;

	(void)state;
	start_control();
	expect_hello();
	give_order(&(struct session_order){
	    .number = 7, .cuts = true, .until_ms = clock_ms(CLOCK_MONOTONIC) - 1});
	assert_false(receive(&message));
	give(8, false);
	expect_end(8);
}

/* Also from a program of our own user, no order may do more than its fields say. */
static void
orders_may_have_any_content(void **state)
{
	struct session_order order;
	char byte;

	(void)state;
	start_control();
	expect_hello();
	memset(&order, 0xfe, sizeof(order));
	order.watch = SESSION_WATCH_NOT;
	order.filter.address.prefix = 128;
	give_order(&order);
	expect_end(0xfefefefe);
	order.filter.address.prefix = 129;
	give_order(&order);
	turn();
	assert_int_equal(recv(control, &byte, 1, MSG_DONTWAIT), 0);
}

static void
an_order_to_watch_is_confirmed(void **state)
{
	struct session_order order = {.number = 5, .watch = SESSION_WATCH_BEGIN, .slot = 1};
	struct session_message message;
	char byte;

	(void)state;
	start_control();
	expect_hello();
	give_order(&order);
	assert_true(receive(&message));
	assert_true(message.kind == SESSION_WATCHING && message.number == 5);
	give(6, false); /* questions go on */
	expect_end(6);
	order.slot = SESSION_SLOTS;
	give_order(&order);
	turn();
	assert_int_equal(recv(control, &byte, 1, MSG_DONTWAIT), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(orders_are_answered),
	    TEST(the_worker_connects_again_under_its_number),
	    TEST(an_order_of_another_size_ends_the_connection),
	    TEST(a_cut_that_comes_too_late_is_dropped),
	    TEST(orders_may_have_any_content),
	    TEST(an_order_to_watch_is_confirmed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
