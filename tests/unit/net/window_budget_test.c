/* window_budget_test.c - the budget of windows: no one takes all of it, and silent streams lend. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net/window_budget.h"

#define KIB ((uint32_t)1024)
#define MIB (1024 * KIB)
#define FIRST (16 * KIB)
#define SILENCE_MS 10000
#define STREAMS 100
#define CONNECTIONS 400

static struct window_budget budget;
static struct window_account accounts[CONNECTIONS];
static struct window_share shares[CONNECTIONS][STREAMS];
static uint64_t now_ms;

static int
setup(void **state)
{
	(void)state;
	now_ms = 1000000;
	window_budget_init(&budget, 64 * (uint64_t)MIB);
	for (size_t i = 0; i < CONNECTIONS; i++) {
		accounts[i] = (struct window_account){
		    .budget = &budget, .lent_max = STREAMS * FIRST, .part = 4, .steps = 2};
		for (size_t j = 0; j < STREAMS; j++)
			shares[i][j] = (struct window_share){.account = &accounts[i]};
	}
	return 0;
}

static void
check_books(void)
{
	uint64_t counted = 0;

	for (size_t i = 0; i < CONNECTIONS; i++) {
		uint64_t of_connection = 0, lent = 0;

		for (size_t j = 0; j < STREAMS; j++) {
			assert_false(shares[i][j].counted && shares[i][j].lent);
			of_connection += shares[i][j].counted ? shares[i][j].bytes : 0;
			lent += shares[i][j].lent ? shares[i][j].bytes : 0;
		}
		assert_int_equal(accounts[i].counted, of_connection);
		assert_int_equal(accounts[i].lent, lent);
		assert_true(lent <= accounts[i].lent_max);
		counted += of_connection;
	}
	assert_int_equal(budget.counted, counted);
	assert_true(counted <= budget.max);
}

static int
teardown(void **state)
{
	(void)state;
	check_books();
	for (size_t i = 0; i < CONNECTIONS; i++)
		for (size_t j = 0; j < STREAMS; j++)
			window_share_end(&shares[i][j]);
	check_books();
	assert_true(budget.counted == 0 && TAILQ_EMPTY(&budget.shares));
	return 0;
}

/* The stream is fast for as long as its window grows, up to 1 MiB. */
static void
burst(struct window_share *share)
{
	for (int i = 0; i < 8 && FIRST + share->bytes < MIB; i++) {
		if (share->bytes < MIB / 2)
			window_share_grow(share, share->bytes + FIRST, now_ms);
		window_share_use(share, 0, now_ms);
	}
}

static void
one_connection_does_not_take_the_whole_budget(void **state)
{
	(void)state;
	for (size_t j = 0; j < STREAMS; j++)
		burst(&shares[0][j]);
	assert_in_range(budget.counted, budget.max / 8, budget.max / 4);
	burst(&shares[1][0]);
	assert_true(shares[1][0].bytes >= MIB - FIRST);
}

/* Clients that were fast once, such as those of gRPC, and keep their streams. */
static void
silent_streams_do_not_starve_new_ones(void **state)
{
	(void)state;
	for (size_t i = 0; i < CONNECTIONS; i++) {
		burst(&shares[i][0]);
		assert_true(shares[i][0].bytes >= MIB - FIRST);
		now_ms += SILENCE_MS / 10;
	}
}

/* Whatever connections did before, and as many streams as they keep: a new one gets as much as each
 * may lend. */
static void
nor_do_greedy_connections(void **state)
{
	(void)state;
	for (size_t i = 0; i < CONNECTIONS; i++) {
		uint64_t before = budget.counted;

		for (size_t j = 0; j < STREAMS; j++)
			burst(&shares[i][j]);
		assert_true(accounts[i].counted + accounts[i].lent > MIB);
		assert_true(before <= budget.max - 4 * MIB);
		now_ms += SILENCE_MS;
	}
}

/* On a connection that many users share, those who are silent leave something to the others. */
static void
silent_streams_of_a_shared_connection_leave_room(void **state)
{
	(void)state;
	accounts[0] = (struct window_account){
	    .budget = &budget, .lent_max = budget.max / 4, .part = 2, .steps = 8};
	for (size_t j = 0; j < 40; j++)
		burst(&shares[0][j]);
	assert_true(shares[0][15].bytes >= MIB - FIRST);
	assert_true(shares[0][20].bytes > 0);
	now_ms += SILENCE_MS;
	for (size_t j = 40; j < 50; j++) {
		burst(&shares[0][j]);
		assert_true(shares[0][j].bytes >= MIB - FIRST);
	}
}

static void
streams_in_use_do_not_lend(void **state)
{
	(void)state;
	budget.max = 8 * MIB;
	burst(&shares[0][0]);
	burst(&shares[1][0]);
	now_ms += SILENCE_MS;
	assert_int_equal(window_share_use(&shares[0][0], MIB / 2, now_ms), 0);
	for (size_t i = 2; i < 20; i++)
		burst(&shares[i][0]);
	assert_true(shares[0][0].counted);
	assert_true(shares[1][0].lent);
}

static void
a_share_that_was_lent_shrinks(void **state)
{
	struct window_share *share = &shares[0][0];
	uint32_t bytes;

	(void)state;
	budget.max = 8 * MIB;
	burst(share);
	bytes = share->bytes;
	now_ms += SILENCE_MS;
	for (size_t i = 1; i < 20; i++)
		burst(&shares[i][0]);
	assert_true(share->lent);
	assert_false(window_share_grow(share, FIRST, now_ms));
	assert_int_equal(window_share_use(share, bytes - 1, now_ms), bytes - 1);
	assert_true(share->lent && share->bytes == 1);
	assert_int_equal(window_share_use(share, MIB, now_ms), 1);
	assert_true(!share->lent && share->bytes == 0 && window_share_is_fast(share, now_ms));
	assert_int_equal(accounts[0].lent, 0);
	now_ms += SILENCE_MS;
	assert_true(window_share_grow(share, FIRST, now_ms));
	assert_true(share->counted);
}

/* What a connection that is gone has lent counts again, so that many of them cannot hold more. */
static void
a_connection_that_is_gone_lends_nothing(void **state)
{
	(void)state;
	for (size_t j = 0; j < STREAMS; j++)
		burst(&shares[0][j]);
	now_ms += SILENCE_MS;
	for (size_t i = 1; accounts[0].lent == 0; i++)
		for (size_t j = 0; j < STREAMS; j++)
			burst(&shares[i][j]);
	window_account_close(&accounts[0]);
	for (size_t j = 0; j < STREAMS; j++)
		window_share_hold(&shares[0][j]);
	assert_int_equal(accounts[0].lent, 0);
	now_ms += SILENCE_MS;
	for (size_t j = 0; j < STREAMS; j++)
		burst(&shares[CONNECTIONS - 1][j]);
	assert_int_equal(accounts[0].lent, 0);
	for (size_t j = 0; j < STREAMS; j++)
		window_share_end(&shares[0][j]);
}

static void
what_is_fast(void **state)
{
	struct window_share *share = &shares[0][0];

	(void)state;
	assert_true(window_share_is_fast(share, now_ms)); /* the first window grows in any case */
	window_share_grow(share, FIRST, now_ms);
	window_share_use(share, FIRST, now_ms);
	assert_true(window_share_is_fast(share, now_ms + WINDOW_GROW_MS));
	assert_false(window_share_is_fast(share, now_ms + WINDOW_GROW_MS + 1));
}

static size_t
pick(size_t below)
{
	static uint64_t seed = 1;

	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (size_t)(seed >> 33) % below;
}

static void
whatever_happens_the_books_are_right(void **state)
{
	(void)state;
	for (size_t step = 0; step < 200000; step++) {
		struct window_share *share = &shares[pick(20)][pick(STREAMS)];

		switch (pick(4)) {
		case 0:
			burst(share);
			break;
		case 1:
			window_share_use(share, (uint32_t)pick(MIB), now_ms);
			break;
		case 2:
			if (pick(4) == 0)
				window_share_end(share);
			break;
		default:
			now_ms += pick(1000);
		}
		if (step % 1000 == 0)
			check_books();
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(one_connection_does_not_take_the_whole_budget),
	    TEST(silent_streams_do_not_starve_new_ones),
	    TEST(nor_do_greedy_connections),
	    TEST(silent_streams_of_a_shared_connection_leave_room),
	    TEST(streams_in_use_do_not_lend),
	    TEST(a_share_that_was_lent_shrinks),
	    TEST(a_connection_that_is_gone_lends_nothing),
	    TEST(what_is_fast),
	    TEST(whatever_happens_the_books_are_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
