/* quota_test.c - connections and failures of each address, and how much is remembered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "check_catch.h"
#include "downstream/quota.h"

#define CONNECTIONS_MAX 100
#define NOW 1000000

static struct quotas *
make(size_t connections, size_t rate, size_t burst)
{
	const struct quota_limits limits = {{connections, 2, 2}, 3, rate, burst};
	struct quotas *quotas = quotas_new(&limits, CONNECTIONS_MAX);

	assert_non_null(quotas);
	return quotas;
}

static struct sockaddr_storage
address(const char *text)
{
	struct sockaddr_storage out = {0};
	struct sockaddr_in *in = (struct sockaddr_in *)&out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&out;

	if (inet_pton(AF_INET, text, &in->sin_addr) == 1)
		out.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1)
		out.ss_family = AF_INET6;
	else
		fail_msg("no address: %s", text);
	return out;
}

static struct quota *
enter(struct quotas *quotas, const char *text, uint64_t now_ms)
{
	struct sockaddr_storage peer = address(text);

	return quotas_enter(quotas, (struct sockaddr *)&peer, FOR_JOBS, now_ms);
}

static void
counts_the_connections_of_an_address(void **state)
{
	struct quotas *quotas = make(2, 1, 1);
	struct quota *quota = enter(quotas, "192.0.2.1", NOW), *other;

	(void)state;
	assert_non_null(quota);
	assert_ptr_equal(enter(quotas, "192.0.2.1", NOW), quota);
	assert_null(enter(quotas, "192.0.2.1", NOW));
	assert_non_null(other = enter(quotas, "192.0.2.2", NOW));
	quotas_leave(quotas, quota, FOR_JOBS, NOW);
	assert_ptr_equal(enter(quotas, "192.0.2.1", NOW), quota);
	assert_null(enter(quotas, "192.0.2.1", NOW));
	quotas_leave(quotas, quota, FOR_JOBS, NOW);
	quotas_leave(quotas, quota, FOR_JOBS, NOW);
	quotas_leave(quotas, other, FOR_JOBS, NOW);
	assert_int_equal(quotas_count(quotas), 0);
	quotas_free(quotas);
}

static void
takes_a_network_of_64_bits_for_one_client(void **state)
{
	struct quotas *quotas = make(0, 1, 1);
	struct quota *first = enter(quotas, "2001:db8:0:1::1", NOW);
	struct quota *other = enter(quotas, "2001:db8:0:2::1", NOW);
	struct quota *mapped = enter(quotas, "::ffff:192.0.2.1", NOW);

	(void)state;
	assert_ptr_equal(enter(quotas, "2001:db8:0:1:ffff:ffff:ffff:ffff", NOW), first);
	assert_ptr_not_equal(other, first);
	assert_ptr_equal(enter(quotas, "192.0.2.1", NOW), mapped);
	assert_int_equal(quotas_count(quotas), 3);
	for (int i = 0; i < 2; i++) {
		quotas_leave(quotas, first, FOR_JOBS, NOW);
		quotas_leave(quotas, mapped, FOR_JOBS, NOW);
	}
	quotas_leave(quotas, other, FOR_JOBS, NOW);
	assert_int_equal(quotas_count(quotas), 0);
	quotas_free(quotas);
}

static void
knows_no_limit_when_told_none(void **state)
{
	struct quotas *quotas = make(0, 0, 1);
	struct quota *quota = NULL;

	(void)state;
	for (int i = 0; i < CONNECTIONS_MAX; i++)
		assert_non_null(quota = enter(quotas, "192.0.2.1", NOW));
	for (int i = 0; i < 1000; i++)
		assert_int_equal(quotas_failure(quotas, quota, NOW), 0);
	for (int i = 0; i < CONNECTIONS_MAX; i++)
		quotas_leave(quotas, quota, FOR_JOBS, NOW);
	assert_int_equal(quotas_count(quotas), 0);
	quotas_free(quotas);
}

static void
lets_a_burst_of_failures_pass_then_a_rate(void **state)
{
	struct quotas *quotas = make(0, 4, 3);
	struct quota *quota = enter(quotas, "192.0.2.1", NOW);

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(quotas_failure(quotas, quota, NOW), 0);
	assert_int_equal(quotas_failure(quotas, quota, NOW), 1);
	assert_int_equal(quotas_failure(quotas, quota, NOW + 249), 1);
	assert_int_equal(quotas_failure(quotas, quota, NOW + 250), 0);
	assert_int_equal(quotas_failure(quotas, quota, NOW + 250), 1);
	/* Never more than the burst, however long it stays away. */
	for (int i = 0; i < 3; i++)
		assert_int_equal(quotas_failure(quotas, quota, UINT64_MAX / 2), 0);
	assert_int_equal(quotas_failure(quotas, quota, UINT64_MAX / 2), 1);
	quotas_leave(quotas, quota, FOR_JOBS, UINT64_MAX / 2);
	quotas_free(quotas);
}

static void
does_not_forget_failures_with_the_connection(void **state)
{
	struct quotas *quotas = make(0, 1, 1);
	struct quota *quota = enter(quotas, "192.0.2.1", NOW);

	(void)state;
	assert_int_equal(quotas_failure(quotas, quota, NOW), 0);
	quotas_leave(quotas, quota, FOR_JOBS, NOW);
	assert_int_equal(quotas_count(quotas), 1);
	quota = enter(quotas, "192.0.2.1", NOW + 500);
	assert_int_equal(quotas_failure(quotas, quota, NOW + 500), 1);
	quotas_leave(quotas, quota, FOR_JOBS, NOW + 500);
	/* Forgiven: replaced when a new address comes. */
	quota = enter(quotas, "192.0.2.2", NOW + 1000);
	assert_int_equal(quotas_count(quotas), 1);
	quotas_leave(quotas, quota, FOR_JOBS, NOW + 1000);
	assert_int_equal(quotas_count(quotas), 0);
	quotas_free(quotas);
}

static void
is_bounded_whoever_comes(void **state)
{
	const size_t max = CONNECTIONS_MAX + QUOTAS_FAILED_MAX;
	struct quotas *quotas = make(1, 1, 1);
	struct quota *held[CONNECTIONS_MAX], *quota;
	char text[32];

	(void)state;
	for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
		snprintf(text, sizeof(text), "198.51.100.%u", i);
		held[i] = enter(quotas, text, NOW);
		assert_non_null(held[i]);
	}
	for (unsigned i = 0; i < 3 * max; i++) {
		snprintf(text, sizeof(text), "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		quota = enter(quotas, text, NOW);
		assert_non_null(quota);
		assert_int_equal(quotas_failure(quotas, quota, NOW), 0);
		quotas_leave(quotas, quota, FOR_JOBS, NOW);
		assert_true(quotas_count(quotas) <= max);
	}
	assert_int_equal(quotas_count(quotas), max);
	/* Those with connections were not what was forgotten. */
	for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
		snprintf(text, sizeof(text), "198.51.100.%u", i);
		assert_null(enter(quotas, text, NOW));
		quotas_leave(quotas, held[i], FOR_JOBS, NOW);
	}
	/* Of the others it was the oldest: the last to come is still known. */
	quota = enter(quotas, text, NOW);
	snprintf(text, sizeof(text), "10.%u.%u.%u", (unsigned)(3 * max - 1) >> 16,
	    (unsigned)(3 * max - 1) >> 8 & 255, (unsigned)(3 * max - 1) & 255);
	quotas_leave(quotas, quota, FOR_JOBS, NOW);
	quota = enter(quotas, text, NOW);
	assert_int_equal(quotas_failure(quotas, quota, NOW), 1);
	quotas_leave(quotas, quota, FOR_JOBS, NOW);
	quotas_free(quotas);
}

static void
bounds_the_handshakes_of_an_address(void **state)
{
	struct quotas *quotas = make(0, 1, 1);
	struct quota *quota = enter(quotas, "192.0.2.1", NOW);
	struct quota *other = enter(quotas, "192.0.2.2", NOW);

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(quotas_handshake(quotas, quota));
	assert_false(quotas_handshake(quotas, quota));
	assert_true(quotas_handshake(quotas, other));
	quota_handshake_over(quota);
	assert_true(quotas_handshake(quotas, quota));
	for (int i = 0; i < 3; i++)
		quota_handshake_over(quota);
	quota_handshake_over(other);
	quotas_leave(quotas, quota, FOR_JOBS, NOW);
	quotas_leave(quotas, other, FOR_JOBS, NOW);
	quotas_free(quotas);
}

/* What an address holds for one purpose takes nothing away from another, and all of it is its own.
 */
static void
counts_each_purpose_for_itself(void **state)
{
	struct quotas *quotas = make(1, 1, 1);
	struct sockaddr_storage at = address("192.0.2.1");
	const struct sockaddr *peer = (const struct sockaddr *)&at;
	struct quota *quota = enter(quotas, "192.0.2.1", NOW);

	(void)state;
	assert_null(quotas_full(quotas, peer, FOR_CONTROL));
	assert_ptr_equal(quotas_full(quotas, peer, FOR_JOBS), quota);
	assert_ptr_equal(quotas_enter(quotas, peer, FOR_CONTROL, NOW), quota);
	assert_null(enter(quotas, "192.0.2.1", NOW));
	assert_ptr_equal(quotas_enter(quotas, peer, FOR_CONTROL, NOW), quota);
	assert_null(quotas_enter(quotas, peer, FOR_CONTROL, NOW));
	assert_ptr_equal(quotas_full(quotas, peer, FOR_CONTROL), quota);
	quotas_leave(quotas, quota, FOR_JOBS, NOW);
	assert_null(quotas_enter(quotas, peer, FOR_CONTROL, NOW));
	quotas_leave(quotas, quota, FOR_CONTROL, NOW);
	assert_null(quotas_full(quotas, peer, FOR_CONTROL));
	quotas_leave(quotas, quota, FOR_CONTROL, NOW);
	assert_int_equal(quotas_count(quotas), 0);
	quotas_free(quotas);
}

static void
a_bug_ends_at_a_check(void **state)
{
	struct quotas *quotas = make(2, 1, 1);
	struct quota *quota = enter(quotas, "192.0.2.1", NOW);

	(void)state;
	assert_check_fails(quota_handshake_over(quota), "quota{connections=1 handshakes=0");
	assert_check_fails(
	    quotas_leave(quotas, quota, FOR_CONTROL, NOW), "for_purpose[purpose] > 0");
	quotas_leave(quotas, quota, FOR_JOBS, NOW);
	quotas_free(quotas);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bounds_the_handshakes_of_an_address),
	    cmocka_unit_test(a_bug_ends_at_a_check),
	    cmocka_unit_test(counts_the_connections_of_an_address),
	    cmocka_unit_test(counts_each_purpose_for_itself),
	    cmocka_unit_test(takes_a_network_of_64_bits_for_one_client),
	    cmocka_unit_test(knows_no_limit_when_told_none),
	    cmocka_unit_test(lets_a_burst_of_failures_pass_then_a_rate),
	    cmocka_unit_test(does_not_forget_failures_with_the_connection),
	    cmocka_unit_test(is_bounded_whoever_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
