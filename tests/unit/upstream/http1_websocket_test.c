/*
 * http1_websocket_test.c - WebSockets of clients whose protocol has no key for them (RFC 8441): the
 * gateway makes a key, and the backend must accept it.
 */
#include "pool_world.h"

#include <openssl/evp.h>
#include <sys/socket.h>

#include "fake_user.h"
#include "http1/websocket_handshake.h"

#define SWITCH                                                        \
	"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n" \
	"Upgrade: websocket\r\nX-A: 1\r\n"

static struct pool_world world;
static struct backend *backend;
static struct fake_user user;
static int peer;	/* the backend's end */
static char wire[4096]; /* what it got */
static char key[WEBSOCKET_KEY_LEN + 1];

static int
set_up(void **state)
{
	static const struct job_url target = {
	    .scheme = JOB_URL_HTTP, .host = SLICE("127.0.0.1"), .port = 80};

	(void)state;
	world_open(&world);
	backend = pool_enter(world.pool, &target, BACKEND_OF_RECORD);
	assert_non_null(backend);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	if (user.ends + user.failed == 0)
		user.upstream->ops->cancel(user.upstream);
	close(peer);
	pool_leave(backend);
	world_close(&world);
	return 0;
}

static void
not_ready(struct conn *conn)
{
	(void)conn;
	fail();
}

/* Ask for a WebSocket for a client of this version, on a new connection. */
static void
ask(enum http_version version)
{
	const struct request request = {.method = SLICE("GET"),
	    .method_id = METHOD_GET,
	    .authority = SLICE("job"),
	    .path = SLICE("/p"),
	    .upgrade = SLICE("websocket"),
	    .exclusive = true,
	    .version = version};
	struct backend_conn *made = backend_conn_new(backend, NULL);
	int ends[2];
	ssize_t n;

	assert_non_null(made);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	assert_true(conn_open(&made->conn, world.loop, ends[0], not_ready));
	peer = ends[1];
	user = FAKE_USER;
	user.request = &request;
	user.lines = SLICE("Sec-WebSocket-Version: 13\r\n");
	user.release_at_end = false;
	made->protocol->opened(made, &user.user);
	n = read(peer, wire, sizeof(wire) - 1);
	assert_true(n > 0);
	wire[n] = '\0';
}

/* The same, for a client of HTTP/2; `key` is what the backend got. */
static void
ask_with_key(void)
{
	static const char name[] = "Sec-WebSocket-Key: ";
	const char *at;

	ask(HTTP_2);
	at = strstr(wire, name);
	assert_non_null(at);
	memcpy(key, at + sizeof(name) - 1, WEBSOCKET_KEY_LEN);
	assert_memory_equal(at + sizeof(name) - 1 + WEBSOCKET_KEY_LEN, "\r\n", 2);
	assert_null(strstr(at + 1, name));
}

/* Answer 101 with these lines. */
static void
answer(const char *lines)
{
	char text[1024];
	int len = snprintf(text, sizeof(text), SWITCH "%s\r\n", lines);

	assert_int_equal(write(peer, text, (size_t)len), len);
	world_settle(&world);
}

/* The value that accepts `key`. */
static void
make_accept(char out[WEBSOCKET_ACCEPT_LEN + 1])
{
	char joined[WEBSOCKET_KEY_LEN + 37];
	unsigned char digest[20];

	snprintf(joined, sizeof(joined), "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
	assert_int_equal(EVP_Digest(joined, strlen(joined), digest, NULL, EVP_sha1(), NULL), 1);
	assert_int_equal(EVP_EncodeBlock((unsigned char *)out, digest, 20), WEBSOCKET_ACCEPT_LEN);
}

static void
the_rfcs_example(void **state)
{
	struct field items[] = {
	    {.name = SLICE("sec-websocket-ACCEPT"), .value = SLICE("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")},
	    {.name = SLICE("Sec-WebSocket-Protocol"), .value = SLICE("chat")}};
	struct fields fields = {items, 2};

	(void)state;
	assert_true(websocket_take_accept(&fields, "dGhlIHNhbXBsZSBub25jZQ=="));
	assert_true(items[0].dropped);
	assert_false(items[1].dropped);
	assert_false(websocket_take_accept(&fields, "dGhlIHNhbXBsZSBub25jZR=="));
	items[0].value = SLICE("S3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	assert_false(websocket_take_accept(&fields, "dGhlIHNhbXBsZSBub25jZQ=="));
}

static void
keys_are_random(void **state)
{
	char first[WEBSOCKET_KEY_LEN], second[WEBSOCKET_KEY_LEN];

	(void)state;
	assert_true(websocket_make_key(first) && websocket_make_key(second));
	assert_memory_not_equal(first, second, sizeof(first));
	assert_memory_equal(first + WEBSOCKET_KEY_LEN - 2, "==", 2);
}

static void
a_backend_that_has_read_the_key(void **state)
{
	char accept[WEBSOCKET_ACCEPT_LEN + 1], lines[128];

	(void)state;
	ask_with_key();
	make_accept(accept);
	snprintf(lines, sizeof(lines), "sec-websocket-accept: %s\r\n", accept);
	answer(lines);
	assert_int_equal(user.status, 101);
	assert_string_equal(user.fields, "X-A: 1\n");
}

static void
backends_that_have_not(void **state)
{
	char accept[WEBSOCKET_ACCEPT_LEN + 1], lines[256];

	(void)state;
	for (int how = 0; how < 4; how++) {
		ask_with_key();
		make_accept(accept);
		snprintf(lines, sizeof(lines),
		    "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Accept: %s\r\n", accept,
		    accept); /* which of them? */
		if (how == 1)
			lines[0] = '\0';
		else if (how == 2)
			snprintf(lines, sizeof(lines), "Sec-WebSocket-Accept: %s=\r\n", accept);
		else if (how == 3)
			snprintf(lines, sizeof(lines), "Sec-WebSocket-Accept: %.27s\r\n", accept);
		answer(lines);
		assert_int_equal(user.heads, 0);
		assert_int_equal(user.failed, 1);
		assert_int_equal(user.failure, UPSTREAM_BAD_ANSWER);
		assert_int_equal(user.repeat, REPEAT_NOT);
		if (how < 3)
			close(peer);
	}
}

static void
a_refusal_needs_no_accept(void **state)
{
	static const char text[] = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";

	(void)state;
	ask_with_key();
	assert_int_equal(write(peer, text, sizeof(text) - 1), sizeof(text) - 1);
	world_settle(&world);
	assert_int_equal(user.status, 403);
	user.upstream->ops->cancel(user.upstream);
}

/* The handshake of a client of HTTP/1 is between it and the backend. */
static void
clients_of_http1_have_keys_of_their_own(void **state)
{
	(void)state;
	ask(HTTP_1_1);
	assert_string_equal(wire, "GET /p HTTP/1.1\r\nHost: job\r\nSec-WebSocket-Version: 13\r\n"
				  "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
	answer("Sec-WebSocket-Accept: any\r\n");
	assert_int_equal(user.status, 101);
	assert_string_equal(user.fields, "X-A: 1\nSec-WebSocket-Accept: any\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_rfcs_example),
	    cmocka_unit_test(keys_are_random),
	    TEST(a_backend_that_has_read_the_key),
	    TEST(backends_that_have_not),
	    TEST(a_refusal_needs_no_accept),
	    TEST(clients_of_http1_have_keys_of_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
