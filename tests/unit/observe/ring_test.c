/* ring_test.c - messages arrive complete and in order; a message without room is dropped. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "observe/ring.h"

static bool
put(struct ring *ring, const char *text)
{
	const struct iovec piece = {(char *)text, strlen(text)};

	return ring_put(ring, &piece, 1);
}

static void
expect(struct ring *ring, const char *text)
{
	char got[64];

	assert_int_equal(ring_take(ring, got, sizeof(got)), strlen(text));
	assert_memory_equal(got, text, strlen(text));
}

static void
messages_come_in_order(void **state)
{
	struct ring *ring = ring_new(64);
	char none[8];

	(void)state;
	assert_int_equal(ring_take(ring, none, sizeof(none)), 0);
	assert_true(put(ring, "one"));
	assert_true(put(ring, "two"));
	expect(ring, "one");
	assert_true(put(ring, "three"));
	expect(ring, "two");
	expect(ring, "three");
	assert_int_equal(ring_take(ring, none, sizeof(none)), 0);
	ring_free(ring);
}

static void
pieces_make_one_message(void **state)
{
	struct ring *ring = ring_new(64);
	const struct iovec pieces[] = {{"ab", 2}, {NULL, 0}, {"cde", 3}};

	(void)state;
	assert_true(ring_put(ring, pieces, 3));
	expect(ring, "abcde");
	ring_free(ring);
}

static void
messages_go_around_the_end(void **state)
{
	struct ring *ring = ring_new(64);

	(void)state;
	for (int i = 0; i < 1000; i++) {
		assert_true(put(ring, "0123456789abcdef"));
		expect(ring, "0123456789abcdef");
	}
	ring_free(ring);
}

static void
a_full_ring_takes_nothing_more(void **state)
{
	struct ring *ring = ring_new(64);

	(void)state;
	assert_int_equal(ring_used(ring), 0);
	assert_true(put(ring, "0123456789abcdef0123456789a")); /* 27 and 4 */
	assert_true(put(ring, "0123456789abcdef0123456789ab"));
	assert_int_equal(ring_used(ring), 63);
	assert_false(put(ring, "x"));
	expect(ring, "0123456789abcdef0123456789a");
	assert_true(put(ring, "x"));
	expect(ring, "0123456789abcdef0123456789ab");
	expect(ring, "x");
	ring_free(ring);
}

static void
what_is_too_long_is_cut(void **state)
{
	struct ring *ring = ring_new(64);
	char got[4];

	(void)state;
	assert_true(put(ring, "abcdefgh"));
	assert_true(put(ring, "next"));
	assert_int_equal(ring_take(ring, got, sizeof(got)), 4);
	assert_memory_equal(got, "abcd", 4);
	expect(ring, "next");
	ring_free(ring);
}

#define MESSAGES 200000

/* Puts numbers of one to nine repetitions; counts those that found no room. */
static void *
put_numbers(void *arg)
{
	struct ring *ring = arg;
	uint32_t number;

	for (number = 1; number <= MESSAGES; number++) {
		uint32_t copies[9];

		for (size_t i = 0; i < 9; i++)
			copies[i] = number;
		const struct iovec piece = {copies, sizeof(number) * (1 + number % 9)};

		while (!ring_put(ring, &piece, 1))
			sched_yield();
	}
	return NULL;
}

static void
two_threads_agree(void **state)
{
	struct ring *ring = ring_new(1024);
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, put_numbers, ring), 0);
	for (uint32_t number = 1; number <= MESSAGES;) {
		uint32_t copies[9];
		size_t len = ring_take(ring, copies, sizeof(copies));

		if (len == 0) {
			sched_yield();
			continue;
		}
		assert_int_equal(len, sizeof(number) * (1 + number % 9));
		for (size_t i = 0; i < len / sizeof(number); i++)
			assert_int_equal(copies[i], number);
		number++;
	}
	pthread_join(thread, NULL);
	ring_free(ring);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(messages_come_in_order),
	    cmocka_unit_test(pieces_make_one_message),
	    cmocka_unit_test(messages_go_around_the_end),
	    cmocka_unit_test(a_full_ring_takes_nothing_more),
	    cmocka_unit_test(what_is_too_long_is_cut),
	    cmocka_unit_test(two_threads_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
