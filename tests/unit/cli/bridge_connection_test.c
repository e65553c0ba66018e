/* bridge_connection_test.c - what a connection of the console's bridge leaves in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "auth/cli/bridge_connection.h"
#include "jobgate/clock.h"

#define KEY "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define CODE "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define CONTENT "{\"code\":\"" CODE "\"}"

/* Of what was wiped: the answer with the key, and the request with the code. */
static unsigned answers, requests;

void __real_OPENSSL_cleanse(void *at, size_t len);
void __wrap_OPENSSL_cleanse(void *at, size_t len);

void
__wrap_OPENSSL_cleanse(void *at, size_t len)
{
	if (len > 12 && memcmp(at, "HTTP/1.1 200", 12) == 0 &&
	    memmem(at, len, KEY, strlen(KEY)) != NULL)
		answers++;
	if (len > 10 && memcmp(at, "POST /link", 10) == 0 &&
	    memmem(at, len, CODE, strlen(CODE)) != NULL)
		requests++;
	__real_OPENSSL_cleanse(at, len);
}

/* One turn of the loop around poll. */
static bool
go_on(struct bridge_connection *connection)
{
	struct pollfd fds[2];

	bridge_connection_wants(connection, fds);
	assert_true(poll(fds, 2, -1) > 0);
	return bridge_connection_go_on(connection, fds);
}

static struct bridge_setup setup;

static struct bridge_connection *
ask(int ends[2])
{
	struct bridge_connection *connection;
	char text[1024];
	int len = snprintf(text, sizeof(text),
	    "POST /link HTTP/1.1\r\nHost: 127.1.2.3:4711\r\nOrigin: http://127.1.2.3:4711\r\n"
	    "Content-Length: %zu\r\n\r\n" CONTENT,
	    strlen(CONTENT));

	answers = requests = 0;
	setup = (struct bridge_setup){
	    .bridge = {"127.1.2.3:4711", KEY, CODE, clock_ms(CLOCK_BOOTTIME) + BRIDGE_LINK_MS}};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	assert_int_equal(write(ends[1], text, (size_t)len), len);
	connection = bridge_connection_new(&setup, ends[0]);
	assert_non_null(connection);
	assert_true(go_on(connection));
	return connection;
}

static void
the_key_is_wiped_after_it_was_sent(void **state)
{
	int ends[2];
	char text[4096] = {0};
	struct bridge_connection *connection = ask(ends);

	(void)state;
	assert_false(go_on(connection));
	bridge_connection_free(connection);
	assert_true(read(ends[1], text, sizeof(text) - 1) > 0);
	assert_non_null(strstr(text, "{\"key\":\"" KEY "\"}"));
	assert_int_equal(answers, 1);
	assert_int_equal(requests, 1);
	close(ends[1]);
}

static void
the_key_is_wiped_when_the_browser_leaves(void **state)
{
	int ends[2];
	struct bridge_connection *connection = ask(ends);

	(void)state;
	close(ends[1]);
	assert_false(go_on(connection));
	bridge_connection_free(connection);
	assert_int_equal(answers, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_key_is_wiped_after_it_was_sent),
	    cmocka_unit_test(the_key_is_wiped_when_the_browser_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
