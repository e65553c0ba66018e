/* permit_test.c - permits, workers that end, and places that become free, one step at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "limits/place.h"

#define PLACES 64
#define NOW UINT64_C(1000000)
#define ID SLICE("abcdefghijklmnop")

static const uint64_t hash_key[2] = {1, 2};

static int
setup(void **state)
{
	*state = limit_table_new(PLACES, hash_key);
	return *state != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	limit_table_free(*state);
	return 0;
}

static enum limit_verdict
take_of(struct limit_table *table, uint16_t owner, struct slice id, uint64_t concurrency,
    struct permit *permit)
{
	uint64_t wait_us;

	return jg_limits_take(table, owner, id, &(struct allowance){.concurrency = concurrency},
	    NOW, permit, &wait_us);
}

static enum limit_verdict
take(struct limit_table *table, uint16_t owner, uint64_t concurrency, struct permit *permit)
{
	return take_of(table, owner, ID, concurrency, permit);
}

static void
a_permit_is_given_back(void **state)
{
	struct permit first, second, none;

	assert_int_equal(take(*state, 1, 2, &first), LIMIT_ALLOWED);
	assert_int_equal(take(*state, 2, 2, &second), LIMIT_ALLOWED);
	assert_int_equal(take(*state, 1, 2, &none), LIMIT_CONCURRENCY);
	assert_int_equal(none.place, 0);
	jg_limits_give(*state, &none); /* nothing */
	assert_int_equal(limit_table_permits(*state), 2);
	jg_limits_give(*state, &first);
	jg_limits_give(*state, &first); /* it has been given back */
	assert_int_equal(limit_table_permits(*state), 1);
	assert_int_equal(take(*state, 3, 2, &first), LIMIT_ALLOWED);
	assert_int_equal(take(*state, 3, 2, &none), LIMIT_CONCURRENCY);
}

static void
each_token_has_its_own(void **state)
{
	struct permit permit;

	for (char c = 'a'; c <= 'z'; c++) {
		char id[] = "0123456789abcde?";

		id[15] = c;
		assert_int_equal(take_of(*state, 1, slice_of(id), 1, &permit), LIMIT_ALLOWED);
		assert_int_equal(take_of(*state, 1, slice_of(id), 1, &permit), LIMIT_CONCURRENCY);
	}
}

static void
a_limit_over_32_has_further_places(void **state)
{
	struct permit permits[100], none;

	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(
		    take(*state, (uint16_t)(i % 5 + 1), 100, &permits[i]), LIMIT_ALLOWED);
	assert_int_equal(take(*state, 1, 100, &none), LIMIT_CONCURRENCY);
	for (unsigned i = 0; i < 100; i++)
		for (unsigned j = 0; j < i; j++)
			assert_true(permits[i].place != permits[j].place ||
				    permits[i].cell != permits[j].cell);
	jg_limits_give(*state, &permits[77]);
	assert_int_equal(take(*state, 1, 100, &permits[77]), LIMIT_ALLOWED);
	assert_int_equal(take(*state, 1, 100, &none), LIMIT_CONCURRENCY);
}

static void
a_lower_limit_refuses_until_enough_have_ended(void **state)
{
	struct permit permits[40], none;

	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(take(*state, 1, 40, &permits[i]), LIMIT_ALLOWED);
	for (unsigned i = 0; i < 38; i++) {
		assert_int_equal(take(*state, 2, 3, &none), LIMIT_CONCURRENCY);
		jg_limits_give(*state, &permits[i]);
	}
	assert_int_equal(take(*state, 2, 3, &permits[0]), LIMIT_ALLOWED);
	assert_int_equal(take(*state, 2, 3, &none), LIMIT_CONCURRENCY);
	assert_int_equal(limit_table_permits(*state), 3);
	assert_int_equal(take(*state, 2, 4, &permits[1]), LIMIT_ALLOWED); /* and a higher one */
	assert_int_equal(take(*state, 2, 4, &none), LIMIT_CONCURRENCY);
}

static void
running_exchanges_count_from_now_on(void **state)
{
	struct permit running[5], permit;

	for (unsigned i = 0; i < 5; i++) {
		jg_limits_count_running(*state, 1, ID, &running[i]);
		assert_int_not_equal(running[i].place, 0);
	}
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(take(*state, 2, 2, &permit), LIMIT_CONCURRENCY);
		jg_limits_give(*state, &running[i]);
	}
	assert_int_equal(take(*state, 2, 2, &permit), LIMIT_ALLOWED);
	assert_int_equal(take(*state, 2, 2, &permit), LIMIT_CONCURRENCY);
}

/* Other workers give permits back while this one looks for a place, and take them before it sees
 * one. */
static struct limit_place *busy;
static unsigned claims;

struct limit_place *__real_place_claim(
    struct limit_table *table, uint16_t owner, uint64_t key, uint64_t first);
struct limit_place *__wrap_place_claim(
    struct limit_table *table, uint16_t owner, uint64_t key, uint64_t first);

struct limit_place *
__wrap_place_claim(struct limit_table *table, uint16_t owner, uint64_t key, uint64_t first)
{
	claims++;
	if (busy != NULL && claims < 1000)
		atomic_fetch_add(&busy->releases, 1);
	return __real_place_claim(table, owner, key, first);
}

static void
a_search_is_not_repeated_for_ever(void **state)
{
	struct limit_table *table = *state;
	struct permit permit;

	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(take(table, 1, 64, &permit), LIMIT_ALLOWED);
	busy = place_look(table, place_first_key(table, ID));
	assert_non_null(busy);
	claims = 0;
	assert_int_equal(take(table, 2, 64, &permit), LIMIT_CONCURRENCY);
	busy = NULL;
	assert_int_equal(claims, 1 + 8); /* the first place, then the further one at each try */
}

/* A refused request counts against nothing. */
static void
a_refusal_counts_nothing(void **state)
{
	const struct allowance allowance = {1000000000, 2, 1};
	struct permit first, permit;
	uint64_t wait_us;

	assert_int_equal(
	    jg_limits_take(*state, 1, ID, &allowance, NOW, &first, &wait_us), LIMIT_ALLOWED);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(jg_limits_take(*state, 1, ID, &allowance, NOW, &permit, &wait_us),
		    LIMIT_CONCURRENCY); /* and the rate is left */
	jg_limits_give(*state, &first);
	assert_int_equal(
	    jg_limits_take(*state, 1, ID, &allowance, NOW, &first, &wait_us), LIMIT_ALLOWED);
	jg_limits_give(*state, &first);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(jg_limits_take(*state, 1, ID, &allowance, NOW, &permit, &wait_us),
		    LIMIT_RATE); /* and no permit is taken */
	assert_int_equal(wait_us, 1000000);
	assert_int_equal(limit_table_permits(*state), 0);
	assert_int_equal(jg_limits_take(*state, 1, ID, &allowance, NOW + wait_us, &first, &wait_us),
	    LIMIT_ALLOWED);
}

static void
another_rate_counts_at_once(void **state)
{
	const struct allowance slow = {1000000000, 100, 0}, fast = {1000000, 10, 0};
	struct permit permit;
	uint64_t wait_us;

	for (unsigned i = 0; i < 100; i++)
		jg_limits_take(*state, 1, ID, &slow, NOW, &permit, &wait_us);
	assert_int_equal(jg_limits_take(*state, 1, ID, &slow, NOW, &permit, &wait_us), LIMIT_RATE);
	assert_int_equal(jg_limits_take(*state, 1, ID, &fast, NOW, &permit, &wait_us), LIMIT_RATE);
	assert_int_equal(wait_us, 1000);
	assert_int_equal(
	    jg_limits_take(*state, 1, ID, &fast, NOW + wait_us, &permit, &wait_us), LIMIT_ALLOWED);
	assert_int_equal(
	    jg_limits_take(*state, 1, ID, &fast, NOW + 1000, &permit, &wait_us), LIMIT_RATE);
}

static void
a_worker_that_ended_holds_nothing(void **state)
{
	struct permit permits[70], permit;

	for (unsigned i = 0; i < 70; i++)
		take(*state, (uint16_t)(1 + (i & 1)), 70, &permits[i]);
	assert_int_equal(take(*state, 1, 70, &permit), LIMIT_CONCURRENCY);
	limit_table_worker_ended(*state, 1);
	assert_int_equal(limit_table_permits(*state), 35);
	for (unsigned i = 0; i < 35; i++)
		assert_int_equal(take(*state, 3, 70, &permit), LIMIT_ALLOWED);
	assert_int_equal(take(*state, 3, 70, &permit), LIMIT_CONCURRENCY);
}

/* ---- places ---- */

static struct slice
id_of(unsigned number, char out[17])
{
	snprintf(out, 17, "token%011u", number);
	return (struct slice){out, 16};
}

static void
a_full_table_refuses(void **state)
{
	struct permit permit;
	char id[17];

	for (unsigned i = 0; i < PLACES; i++)
		assert_int_equal(take_of(*state, 1, id_of(i, id), 1, &permit), LIMIT_ALLOWED);
	assert_int_equal(take_of(*state, 1, id_of(PLACES, id), 1, &permit), LIMIT_NO_PLACE);
	assert_int_equal(permit.place, 0);
	assert_int_equal(limit_table_refused(*state), 1);
	/* Those that have a place are served. */
	assert_int_equal(take_of(*state, 1, id_of(5, id), 1, &permit), LIMIT_CONCURRENCY);
	assert_int_equal(take_of(*state, 1, id_of(5, id), 2, &permit), LIMIT_ALLOWED);
}

static void
idle_places_become_free(void **state)
{
	struct permit permits[PLACES], permit;
	uint64_t wait_us;
	char id[17];

	for (unsigned i = 0; i < PLACES; i++)
		take_of(*state, 1, id_of(i, id), 1, &permits[i]);
	for (unsigned i = 10; i < PLACES; i++)
		jg_limits_give(*state, &permits[i]);
	/* One has no exchange, but has used up some of its rate. */
	jg_limits_take(*state, 1, id_of(20, id), &(struct allowance){1000000000, 5, 0}, NOW,
	    &permit, &wait_us);
	assert_int_equal(limit_table_mark(*state, NOW), PLACES - 11);
	/* Two are used again before they can become free. */
	take_of(*state, 1, id_of(30, id), 1, &permit);
	jg_limits_take(*state, 1, id_of(31, id), &(struct allowance){1000000000, 5, 0},
	    NOW - 2000000, &permit, &wait_us);
	assert_int_equal(limit_table_sweep(*state, NOW), PLACES - 13);
	assert_int_equal(limit_table_sweep(*state, NOW), 0);
	assert_int_equal(take_of(*state, 1, id_of(3, id), 1, &permit), LIMIT_CONCURRENCY);
	assert_int_equal(take_of(*state, 1, id_of(30, id), 1, &permit), LIMIT_CONCURRENCY);
	for (unsigned i = 0; i < PLACES - 13; i++)
		assert_int_equal(
		    take_of(*state, 1, id_of(1000 + i, id), 1, &permit), LIMIT_ALLOWED);
	assert_int_equal(take_of(*state, 1, id_of(9999, id), 1, &permit), LIMIT_NO_PLACE);
}

/* A new token in the place of another one begins with nothing counted. */
static void
a_place_is_clean(void **state)
{
	const struct allowance allowance = {1000000000, 2, 0};
	struct permit permit;
	uint64_t wait_us, later = NOW + 10000000;
	char id[17];

	for (unsigned i = 0; i < PLACES; i++)
		for (unsigned j = 0; j < 2; j++)
			assert_int_equal(jg_limits_take(*state, 1, id_of(i, id), &allowance, NOW,
					     &permit, &wait_us),
			    LIMIT_ALLOWED);
	assert_int_equal(limit_table_mark(*state, NOW), 0);
	assert_int_equal(limit_table_mark(*state, later), PLACES);
	assert_int_equal(limit_table_sweep(*state, later), PLACES);
	for (unsigned i = 0; i < PLACES; i++)
		for (unsigned j = 0; j < 3; j++)
			assert_int_equal(jg_limits_take(*state, 1, id_of(500 + i, id), &allowance,
					     later, &permit, &wait_us),
			    j < 2 ? LIMIT_ALLOWED : LIMIT_RATE);
}

/* While a cell of a further place is taken, the first place stays, which knows of it. */
static void
a_first_place_outlives_further_ones(void **state)
{
	struct permit permits[40], permit;
	char id[17];

	for (unsigned i = 0; i < 40; i++)
		take(*state, 1, 40, &permits[i]);
	for (unsigned i = 0; i < 39; i++)
		jg_limits_give(*state, &permits[i]);
	for (unsigned i = 0; i < PLACES - 2; i++) {
		take_of(*state, 1, id_of(i, id), 1, &permit);
		jg_limits_give(*state, &permit);
	}
	assert_int_equal(limit_table_mark(*state, NOW), PLACES - 2);
	assert_int_equal(limit_table_sweep(*state, NOW), PLACES - 2);
	assert_int_equal(take(*state, 1, 1, &permit), LIMIT_CONCURRENCY);
	jg_limits_give(*state, &permits[39]);
	assert_int_equal(take(*state, 1, 1, &permit), LIMIT_ALLOWED);
}

static void
few_places_stay(void **state)
{
	struct permit permit;

	take(*state, 1, 1, &permit);
	jg_limits_give(*state, &permit);
	assert_int_equal(limit_table_mark(*state, NOW), 0);
}

static void
another_binary_takes_over(void **state)
{
	struct limit_table *table = limit_table_new(LIMIT_PLACES, hash_key), *next;
	struct permit permit, none;

	(void)state;
	assert_non_null(table);
	assert_int_equal(take(table, 7, 1, &permit), LIMIT_ALLOWED);
	next = limit_table_inherit(dup(limit_table_fd(table)));
	assert_non_null(next);
	assert_int_equal(take(next, 1, 1, &none), LIMIT_CONCURRENCY);
	jg_limits_give(table, &permit);
	assert_int_equal(take(next, 1, 1, &permit), LIMIT_ALLOWED);
	limit_table_free(next);
	limit_table_free(table);
}

/* A worker was killed while it took a place, and then its supervisor was replaced. */
static void
a_claim_does_not_outlive_the_binary(void **state)
{
	struct limit_table *table = limit_table_new(LIMIT_PLACES, hash_key), *next;
	struct permit permit;
	char id[17];

	(void)state;
	assert_non_null(table);
	for (unsigned i = 0; i <= LIMIT_PLACES / 4; i++) {
		assert_int_equal(take_of(table, 7, id_of(i, id), 1, &permit), LIMIT_ALLOWED);
		jg_limits_give(table, &permit);
	}
	atomic_store(&table->header->numbers, 8);
	atomic_store(&table->header->claiming[7], 1);
	assert_int_equal(limit_table_mark(table, NOW), LIMIT_PLACES / 4 + 1);
	assert_int_equal(limit_table_sweep(table, NOW), 0);
	next = limit_table_inherit(dup(limit_table_fd(table)));
	assert_non_null(next);
	assert_int_equal(limit_table_sweep(next, NOW), LIMIT_PLACES / 4 + 1);
	limit_table_free(next);
	limit_table_free(table);
}

/* As the supervisor uses the numbers: also over an upgrade. */
static void
each_worker_has_a_number(void **state)
{
	struct permit permit, none;
	pid_t pid = 0;

	assert_int_equal(limit_table_free_number(*state), 1);
	limit_table_worker_began(*state, 1, 501);
	assert_int_equal(limit_table_free_number(*state), 2);
	limit_table_worker_began(*state, 2, 502);
	assert_int_equal(limit_table_worker(*state, 502), 2);
	assert_int_equal(limit_table_worker(*state, 503), 0);
	assert_int_equal(limit_table_next_worker(*state, 2, &pid), 2);
	assert_int_equal(pid, 502);
	assert_int_equal(limit_table_next_worker(*state, 3, &pid), 0);
	take(*state, 1, 1, &permit);
	limit_table_worker_ended(*state, 1);
	assert_int_equal(limit_table_worker(*state, 501), 0);
	assert_int_equal(limit_table_free_number(*state), 1);
	assert_int_equal(take(*state, 2, 1, &permit), LIMIT_ALLOWED);
	assert_int_equal(take(*state, 2, 1, &none), LIMIT_CONCURRENCY);
}

/* A sweep that came to nothing is made up for by the next one. */
static void
a_place_stays_marked(void **state)
{
	struct permit permit;
	char id[17];

	for (unsigned i = 0; i < PLACES; i++) {
		take_of(*state, 1, id_of(i, id), 1, &permit);
		jg_limits_give(*state, &permit);
	}
	atomic_store(&((struct limit_table *)*state)->header->numbers, 8);
	atomic_store(&((struct limit_table *)*state)->header->claiming[7], 1);
	assert_int_equal(limit_table_mark(*state, NOW), PLACES);
	assert_int_equal(limit_table_sweep(*state, NOW), 0);
	assert_int_equal(limit_table_mark(*state, NOW), PLACES);
	atomic_store(&((struct limit_table *)*state)->header->claiming[7], 0);
	assert_int_equal(limit_table_sweep(*state, NOW), PLACES);
	assert_int_equal(limit_table_mark(*state, NOW), 0);
}

static void
another_layout_is_not_taken(void **state)
{
	struct limit_table *small = limit_table_new(128, hash_key);
	int pair[2];

	(void)state;
	assert_null(limit_table_inherit(limit_table_fd(small)));
	assert_int_equal(pipe(pair), 0);
	assert_null(limit_table_inherit(pair[0]));
	assert_null(limit_table_inherit(-1));
	close(pair[0]);
	close(pair[1]);
	limit_table_free(small);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_permit_is_given_back),
	    TEST(each_token_has_its_own),
	    TEST(a_limit_over_32_has_further_places),
	    TEST(a_lower_limit_refuses_until_enough_have_ended),
	    TEST(running_exchanges_count_from_now_on),
	    TEST(a_search_is_not_repeated_for_ever),
	    TEST(a_refusal_counts_nothing),
	    TEST(another_rate_counts_at_once),
	    TEST(a_worker_that_ended_holds_nothing),
	    TEST(a_full_table_refuses),
	    TEST(idle_places_become_free),
	    TEST(a_place_is_clean),
	    TEST(a_first_place_outlives_further_ones),
	    TEST(few_places_stay),
	    TEST(each_worker_has_a_number),
	    TEST(a_place_stays_marked),
	    cmocka_unit_test(another_binary_takes_over),
	    cmocka_unit_test(a_claim_does_not_outlive_the_binary),
	    cmocka_unit_test(another_layout_is_not_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
