/* clients_test.c - connections and failures of each address, and how much is remembered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "gateway/clients.h"

#define CONNECTIONS_MAX 100
#define NOW 1000000

static struct clients *
make(size_t connections, size_t rate, size_t burst)
{
	const struct client_limits limits = {{connections, 2, 2}, 3, rate, burst};
	struct clients *clients = clients_new(&limits, CONNECTIONS_MAX);

	assert_non_null(clients);
	return clients;
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

static struct client *
enter(struct clients *clients, const char *text, uint64_t now_ms)
{
	struct sockaddr_storage peer = address(text);

	return clients_enter(clients, (struct sockaddr *)&peer, FOR_JOBS, now_ms);
}

static void
counts_the_connections_of_an_address(void **state)
{
	struct clients *clients = make(2, 1, 1);
	struct client *client = enter(clients, "192.0.2.1", NOW), *other;

	(void)state;
	assert_non_null(client);
	assert_ptr_equal(enter(clients, "192.0.2.1", NOW), client);
	assert_null(enter(clients, "192.0.2.1", NOW));
	assert_non_null(other = enter(clients, "192.0.2.2", NOW));
	clients_leave(clients, client, FOR_JOBS, NOW);
	assert_ptr_equal(enter(clients, "192.0.2.1", NOW), client);
	assert_null(enter(clients, "192.0.2.1", NOW));
	clients_leave(clients, client, FOR_JOBS, NOW);
	clients_leave(clients, client, FOR_JOBS, NOW);
	clients_leave(clients, other, FOR_JOBS, NOW);
	assert_int_equal(clients_count(clients), 0);
	clients_free(clients);
}

static void
takes_a_network_of_64_bits_for_one_client(void **state)
{
	struct clients *clients = make(0, 1, 1);
	struct client *first = enter(clients, "2001:db8:0:1::1", NOW);
	struct client *other = enter(clients, "2001:db8:0:2::1", NOW);
	struct client *mapped = enter(clients, "::ffff:192.0.2.1", NOW);

	(void)state;
	assert_ptr_equal(enter(clients, "2001:db8:0:1:ffff:ffff:ffff:ffff", NOW), first);
	assert_ptr_not_equal(other, first);
	assert_ptr_equal(enter(clients, "192.0.2.1", NOW), mapped);
	assert_int_equal(clients_count(clients), 3);
	for (int i = 0; i < 2; i++) {
		clients_leave(clients, first, FOR_JOBS, NOW);
		clients_leave(clients, mapped, FOR_JOBS, NOW);
	}
	clients_leave(clients, other, FOR_JOBS, NOW);
	assert_int_equal(clients_count(clients), 0);
	clients_free(clients);
}

static void
knows_no_limit_when_told_none(void **state)
{
	struct clients *clients = make(0, 0, 1);
	struct client *client = NULL;

	(void)state;
	for (int i = 0; i < CONNECTIONS_MAX; i++)
		assert_non_null(client = enter(clients, "192.0.2.1", NOW));
	for (int i = 0; i < 1000; i++)
		assert_int_equal(clients_failure(clients, client, NOW), 0);
	for (int i = 0; i < CONNECTIONS_MAX; i++)
		clients_leave(clients, client, FOR_JOBS, NOW);
	assert_int_equal(clients_count(clients), 0);
	clients_free(clients);
}

static void
lets_a_burst_of_failures_pass_then_a_rate(void **state)
{
	struct clients *clients = make(0, 4, 3);
	struct client *client = enter(clients, "192.0.2.1", NOW);

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(clients_failure(clients, client, NOW), 0);
	assert_int_equal(clients_failure(clients, client, NOW), 1);
	assert_int_equal(clients_failure(clients, client, NOW + 249), 1);
	assert_int_equal(clients_failure(clients, client, NOW + 250), 0);
	assert_int_equal(clients_failure(clients, client, NOW + 250), 1);
	/* Never more than the burst, however long it stays away. */
	for (int i = 0; i < 3; i++)
		assert_int_equal(clients_failure(clients, client, UINT64_MAX / 2), 0);
	assert_int_equal(clients_failure(clients, client, UINT64_MAX / 2), 1);
	clients_leave(clients, client, FOR_JOBS, UINT64_MAX / 2);
	clients_free(clients);
}

static void
does_not_forget_failures_with_the_connection(void **state)
{
	struct clients *clients = make(0, 1, 1);
	struct client *client = enter(clients, "192.0.2.1", NOW);

	(void)state;
	assert_int_equal(clients_failure(clients, client, NOW), 0);
	clients_leave(clients, client, FOR_JOBS, NOW);
	assert_int_equal(clients_count(clients), 1);
	client = enter(clients, "192.0.2.1", NOW + 500);
	assert_int_equal(clients_failure(clients, client, NOW + 500), 1);
	clients_leave(clients, client, FOR_JOBS, NOW + 500);
	/* Forgiven: gone when somebody new comes. */
	client = enter(clients, "192.0.2.2", NOW + 1000);
	assert_int_equal(clients_count(clients), 1);
	clients_leave(clients, client, FOR_JOBS, NOW + 1000);
	assert_int_equal(clients_count(clients), 0);
	clients_free(clients);
}

static void
is_bounded_whoever_comes(void **state)
{
	const size_t max = CONNECTIONS_MAX + CLIENTS_FAILED_MAX;
	struct clients *clients = make(1, 1, 1);
	struct client *held[CONNECTIONS_MAX], *client;
	char text[32];

	(void)state;
	for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
		snprintf(text, sizeof(text), "198.51.100.%u", i);
		held[i] = enter(clients, text, NOW);
		assert_non_null(held[i]);
	}
	for (unsigned i = 0; i < 3 * max; i++) {
		snprintf(text, sizeof(text), "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		client = enter(clients, text, NOW);
		assert_non_null(client);
		assert_int_equal(clients_failure(clients, client, NOW), 0);
		clients_leave(clients, client, FOR_JOBS, NOW);
		assert_true(clients_count(clients) <= max);
	}
	assert_int_equal(clients_count(clients), max);
	/* Those with connections were not what was forgotten. */
	for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
		snprintf(text, sizeof(text), "198.51.100.%u", i);
		assert_null(enter(clients, text, NOW));
		clients_leave(clients, held[i], FOR_JOBS, NOW);
	}
	/* Of the others it was the oldest: the last to come is still known. */
	client = enter(clients, text, NOW);
	snprintf(text, sizeof(text), "10.%u.%u.%u", (unsigned)(3 * max - 1) >> 16,
	    (unsigned)(3 * max - 1) >> 8 & 255, (unsigned)(3 * max - 1) & 255);
	clients_leave(clients, client, FOR_JOBS, NOW);
	client = enter(clients, text, NOW);
	assert_int_equal(clients_failure(clients, client, NOW), 1);
	clients_leave(clients, client, FOR_JOBS, NOW);
	clients_free(clients);
}

static void
bounds_the_handshakes_of_an_address(void **state)
{
	struct clients *clients = make(0, 1, 1);
	struct client *client = enter(clients, "192.0.2.1", NOW);
	struct client *other = enter(clients, "192.0.2.2", NOW);

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(clients_handshake(clients, client));
	assert_false(clients_handshake(clients, client));
	assert_true(clients_handshake(clients, other));
	clients_handshake_over(client);
	assert_true(clients_handshake(clients, client));
	for (int i = 0; i < 3; i++)
		clients_handshake_over(client);
	clients_handshake_over(other);
	clients_leave(clients, client, FOR_JOBS, NOW);
	clients_leave(clients, other, FOR_JOBS, NOW);
	clients_free(clients);
}

/* What an address holds for one purpose takes nothing away from another, and all of it is its own.
 */
static void
counts_each_purpose_for_itself(void **state)
{
	struct clients *clients = make(1, 1, 1);
	struct sockaddr_storage at = address("192.0.2.1");
	const struct sockaddr *peer = (const struct sockaddr *)&at;
	struct client *client = enter(clients, "192.0.2.1", NOW);

	(void)state;
	assert_null(clients_full(clients, peer, FOR_CONTROL));
	assert_ptr_equal(clients_full(clients, peer, FOR_JOBS), client);
	assert_ptr_equal(clients_enter(clients, peer, FOR_CONTROL, NOW), client);
	assert_null(enter(clients, "192.0.2.1", NOW));
	assert_ptr_equal(clients_enter(clients, peer, FOR_CONTROL, NOW), client);
	assert_null(clients_enter(clients, peer, FOR_CONTROL, NOW));
	assert_ptr_equal(clients_full(clients, peer, FOR_CONTROL), client);
	clients_leave(clients, client, FOR_JOBS, NOW);
	assert_null(clients_enter(clients, peer, FOR_CONTROL, NOW));
	clients_leave(clients, client, FOR_CONTROL, NOW);
	assert_null(clients_full(clients, peer, FOR_CONTROL));
	clients_leave(clients, client, FOR_CONTROL, NOW);
	assert_int_equal(clients_count(clients), 0);
	clients_free(clients);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bounds_the_handshakes_of_an_address),
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
