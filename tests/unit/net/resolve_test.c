/* resolve_test.c - lookups in the hosts file and in DNS: answers, silence, a resolv.conf that
 * changes. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/address.h"
#include "net/resolve.h"

#define TEST_TIMEOUT_MS 20000
#define A_RECORD 1

/* A DNS server at 127.0.0.1 or 127.0.0.2, at one port: each name has its one address. */
struct dns {
	struct event *event;
	int fd;
	unsigned char address[4];
	bool silent;
	unsigned queries;
};

struct world {
	struct event_base *base;
	struct event *wake; /* so that each turn of the loop ends */
	struct resolver *resolver;
	char resolv_conf[64];
	struct dns servers[2];
	struct resolved resolved;
	unsigned calls;
};

/* ---- the DNS server ---- */

static void
on_query(evutil_socket_t fd, short what, void *ctx)
{
	struct dns *dns = ctx;
	unsigned char text[512];
	struct sockaddr_in peer;
	socklen_t peer_len = sizeof(peer);
	ssize_t len = recvfrom(fd, text, sizeof(text), 0, (struct sockaddr *)&peer, &peer_len);
	size_t at = 12;

	(void)what;
	if (len < 0)
		return;
	dns->queries++;
	if (dns->silent)
		return;
	while (text[at] != 0)
		at += 1u + text[at];
	at += 5;
	text[2] = 0x81;
	text[3] = 0x80;
	memset(text + 6, 0, 6);
	if (text[at - 3] == A_RECORD) {
		const unsigned char record[] = {0xc0, 12, 0, A_RECORD, 0, 1, 0, 0, 0, 60, 0, 4};

		text[7] = 1;
		memcpy(text + at, record, sizeof(record));
		at += sizeof(record);
		memcpy(text + at, dns->address, 4);
		at += 4;
	}
	assert_int_equal(sendto(fd, text, at, 0, (struct sockaddr *)&peer, peer_len), at);
}

static void
dns_open(struct dns *dns, struct event_base *base, unsigned char last, uint16_t *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	    .sin_port = htons(*port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK + last - 1u)};
	socklen_t len = sizeof(address);

	dns->address[0] = 192;
	dns->address[2] = 2;
	dns->address[3] = last;
	dns->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(dns->fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(getsockname(dns->fd, (struct sockaddr *)&address, &len), 0);
	*port = ntohs(address.sin_port);
	dns->event = event_new(base, dns->fd, EV_READ | EV_PERSIST, on_query, dns);
	event_add(dns->event, NULL);
}

static void
dns_close(struct dns *dns)
{
	event_free(dns->event);
	close(dns->fd);
}

/* ---- the world ---- */

static void
on_wake(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	(void)ctx;
}

static uint64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

#define RUN_UNTIL(world, condition)                                            \
	do {                                                                   \
		uint64_t end_ms = now_ms() + TEST_TIMEOUT_MS;                  \
		while (!(condition)) {                                         \
			if (now_ms() > end_ms)                                 \
				fail_msg("waited in vain for %s", #condition); \
			event_base_loop((world)->base, EVLOOP_ONCE);           \
		}                                                              \
	} while (0)

/* Replace the file, as the programs do that write it. */
static void
write_resolv_conf(struct world *world, const struct dns *dns)
{
	char draft[80];
	FILE *file;

	snprintf(draft, sizeof(draft), "%s.draft", world->resolv_conf);
	file = fopen(draft, "w");
	assert_non_null(file);
	fprintf(file, "nameserver 127.0.0.%u\n", dns->address[3]);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(rename(draft, world->resolv_conf), 0);
}

static int
setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	uint16_t port = 0;
	int fd;

	world->base = event_base_new();
	world->wake = event_new(world->base, -1, EV_PERSIST, on_wake, NULL);
	event_add(world->wake, &(struct timeval){.tv_usec = 5000});
	for (size_t i = 0; i < 2; i++)
		dns_open(&world->servers[i], world->base, (unsigned char)(i + 1), &port);
	snprintf(world->resolv_conf, sizeof(world->resolv_conf), "/tmp/jobgate-resolve-XXXXXX");
	fd = mkstemp(world->resolv_conf);
	assert_true(fd >= 0);
	close(fd);
	write_resolv_conf(world, &world->servers[0]);
	world->resolver = resolver_new_from(world->base, world->resolv_conf, port);
	assert_non_null(world->resolver);
	*state = world;
	return 0;
}

static int
teardown(void **state)
{
	struct world *world = *state;

	resolver_free(world->resolver);
	for (size_t i = 0; i < 2; i++)
		dns_close(&world->servers[i]);
	event_free(world->wake);
	event_base_free(world->base);
	unlink(world->resolv_conf);
	free(world);
	return 0;
}

static void
on_resolved(void *ctx, const struct resolved *resolved)
{
	struct world *world = ctx;

	if (!resolved->partial)
		world->calls++;
	world->resolved = *resolved;
}

static struct resolution *
ask(struct world *world, const char *name)
{
	struct resolution *resolution;

	world->calls = 0;
	resolution = resolver_ask(world->resolver, slice_of(name), 80, on_resolved, world);
	assert_non_null(resolution);
	assert_int_equal(world->calls, 0); /* never from within */
	return resolution;
}

static void
expect_address(struct world *world, const char *text)
{
	char found[ADDRESS_TEXT_MAX];

	RUN_UNTIL(world, world->calls == 1);
	assert_int_equal(world->resolved.count, 1);
	address_format((struct sockaddr *)&world->resolved.addresses[0].storage, found);
	assert_string_equal(found, text);
}

/* ---- the tests ---- */

static void
test_a_name_in_dns(void **state)
{
	struct world *world = *state;

	ask(world, "job.test.");
	expect_address(world, "192.0.2.1:80");
	assert_int_equal(world->resolved.ttl_s, 60);
	assert_false(world->resolved.failed);
}

static void
test_a_name_in_the_hosts_file(void **state)
{
	struct world *world = *state;

	ask(world, "localhost");
	RUN_UNTIL(world, world->calls == 1);
	assert_true(world->resolved.count > 0);
	assert_int_equal(world->servers[0].queries, 0);
}

static void
test_names_that_are_none(void **state)
{
	struct world *world = *state;
	char too_long[255];

	memset(too_long, 'a', sizeof(too_long));
	assert_null(resolver_ask(world->resolver, (struct slice){too_long, sizeof(too_long) - 1},
	    80, on_resolved, world));
	assert_null(resolver_ask(world->resolver, SLICE(""), 80, on_resolved, world));
	ask(world, "a..b");
	RUN_UNTIL(world, world->calls == 1);
	assert_int_equal(world->resolved.count, 0);
	assert_non_null(world->resolved.error);
	assert_int_equal(world->servers[0].queries, 0);
}

static void
test_a_cancelled_lookup(void **state)
{
	struct world *world = *state;

	resolver_cancel(ask(world, "job.test."));
	RUN_UNTIL(world, world->servers[0].queries == 2);
	ask(world, "other.test.");
	RUN_UNTIL(world, world->servers[0].queries == 4);
	expect_address(world, "192.0.2.1:80");
}

/* teardown frees the resolver while lookups wait for a silent server. */
static void
test_the_end_of_the_resolver(void **state)
{
	struct world *world = *state;

	world->servers[0].silent = true;
	ask(world, "job.test.");
	ask(world, "localhost");
	RUN_UNTIL(world, world->servers[0].queries >= 2);
	world->calls = 0;
	ask(world, "other.test.");
}

/* What is under way at a server that counts no more ends at once; others ask the new one. */
static void
test_another_resolv_conf(void **state)
{
	struct world *world = *state;

	ask(world, "job.test.");
	expect_address(world, "192.0.2.1:80");
	write_resolv_conf(world, &world->servers[1]);
	ask(world, "job.test.");
	expect_address(world, "192.0.2.2:80");
	assert_int_equal(unlink(world->resolv_conf), 0);
	write_resolv_conf(world, &world->servers[0]);
	world->servers[0].silent = true;
	ask(world, "job.test.");
	RUN_UNTIL(world, world->servers[0].queries >= 4);
	write_resolv_conf(world, &world->servers[1]);
	resolver_cancel(resolver_ask(world->resolver, SLICE("x.test."), 80, on_resolved, world));
	RUN_UNTIL(world, world->calls == 1);
	assert_int_equal(world->resolved.count, 0);
	assert_true(world->resolved.failed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_a_name_in_dns),
	    TEST(test_a_name_in_the_hosts_file),
	    TEST(test_names_that_are_none),
	    TEST(test_a_cancelled_lookup),
	    TEST(test_the_end_of_the_resolver),
	    TEST(test_another_resolv_conf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
