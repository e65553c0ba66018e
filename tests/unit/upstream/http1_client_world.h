/* http1_client_world.h - a connection that speaks HTTP/1, between a fake exchange and a socket
 * whose other end is the test's. */
#ifndef JOBGATE_TEST_HTTP1_CLIENT_WORLD_H
#define JOBGATE_TEST_HTTP1_CLIENT_WORLD_H

#include "pool_world.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake_user.h"

static struct pool_world world;
static struct backend *backend;
static struct fake_user user;
static int peer; /* the backend's end */

static inline int
set_up(void **state)
{
	static const struct job_url target = {
	    .scheme = JOB_URL_HTTP, .host = SLICE("127.0.0.1"), .port = 80};

	(void)state;
	world_open(&world);
	backend = pool_enter(world.pool, &target, BACKEND_OF_RECORD);
	assert_non_null(backend);
	peer = -1;
	return 0;
}

static inline int
tear_down(void **state)
{
	(void)state;
	if (user.upstream != NULL && user.ends + user.failed == 0 && !user.cancel_at_head)
		user.upstream->ops->cancel(user.upstream);
	if (peer >= 0)
		close(peer);
	pool_leave(backend);
	world_close(&world);
	return 0;
}

static inline struct request
request_of(const char *method, enum method_id id)
{
	return (struct request){.method = slice_of(method),
	    .method_id = id,
	    .authority = SLICE("job"),
	    .path = SLICE("/p"),
	    .query = SLICE("?q")};
}

/* Its protocol puts its own in this place. */
static inline void
not_ready(struct conn *conn)
{
	(void)conn;
	fail();
}

/* Send a request on a new connection; gone: the backend has closed it already. */
static inline void
open_client(const struct request *request, const char *lines, bool gone)
{
	struct backend_conn *made = backend_conn_new(backend, NULL);
	int ends[2];

	assert_non_null(made);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	assert_true(conn_open(&made->conn, world.loop, ends[0], not_ready));
	peer = ends[1];
	if (gone) {
		close(peer);
		peer = -1;
	}
	user = FAKE_USER;
	user.request = request;
	user.lines = slice_of(lines);
	made->protocol->opened(made, &user.user);
	assert_int_equal(user.connected, 1);
}

static inline void
expect_wire(const char *expected)
{
	char text[4096];
	ssize_t n = read(peer, text, sizeof(text) - 1);

	assert_true(n >= 0);
	text[n] = '\0';
	assert_string_equal(text, expected);
}

#define GET_HEAD "GET /p?q HTTP/1.1\r\nHost: job\r\n\r\n"

/* A GET on its way, on a new connection. */
static inline void
open_and_get(void)
{
	const struct request request = request_of("GET", METHOD_GET);

	open_client(&request, "", false);
	expect_wire(GET_HEAD);
}

static inline void
answer(const char *text)
{
	assert_int_equal(write(peer, text, strlen(text)), strlen(text));
	world_settle(&world);
}

static inline void
end_peer(void)
{
	close(peer);
	peer = -1;
	world_settle(&world);
}

/* A GET of the next exchange, which must get the connection that is kept. */
static inline void
reuse_and_get(void)
{
	const struct request request = request_of("GET", METHOD_GET);
	bool up;

	user = FAKE_USER;
	user.upstream = pool_acquire(backend, &user.user, POOL_ANY, POOL_SHARED, &up);
	assert_true(up);
	user.upstream->ops->begin(user.upstream, &request, SLICE(""));
	user.upstream->ops->flush(user.upstream);
	expect_wire(GET_HEAD);
}

#define BODY(text)                                                    \
	do {                                                          \
		assert_int_equal(user.body_len, strlen(text));        \
		assert_memory_equal(user.body, (text), strlen(text)); \
	} while (0)

static inline void
open_tunnel(void)
{
	struct request request = request_of("GET", METHOD_GET);
	char text[256];

	request.upgrade = SLICE("websocket");
	request.exclusive = true;
	open_client(&request, "", false);
	assert_true(read(peer, text, sizeof(text)) > 0);
	user.release_at_end = false;
	answer("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
	       "Upgrade: WebSocket\r\n\r\nab");
	assert_int_equal(user.status, 101);
	BODY("ab");
}

#endif
