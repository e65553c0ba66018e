/* http2_client_world.h - one backend connection that speaks HTTP/2, between fake exchanges and a
 * socket whose other end is the test's, which speaks in raw frames. */
#ifndef JOBGATE_TEST_HTTP2_CLIENT_WORLD_H
#define JOBGATE_TEST_HTTP2_CLIENT_WORLD_H

#include "pool_world.h"

#include <errno.h>
#include <sys/socket.h>

#include "fake_user.h"
#include "http/h2_encode.h"
#include "http/hpack.h"

#define USERS_MAX 128

static struct pool_world world;
static struct backend *backend;
static struct backend_conn *connection;
static struct fake_user users[USERS_MAX];
static size_t user_count;
static int peer; /* the backend's end */

/* What has come at the backend's end. */
static char came[1024 * 1024];
static size_t came_len, came_at; /* bytes, and those that next_frame has gone through */

static inline int
set_up(void **state)
{
	static const struct job_url target = {
	    .scheme = JOB_URL_H2C, .host = SLICE("127.0.0.1"), .port = 80};

	(void)state;
	world_open(&world);
	backend = pool_enter(world.pool, &target, BACKEND_OF_RECORD);
	assert_non_null(backend);
	peer = -1;
	user_count = came_len = came_at = 0;
	return 0;
}

static inline bool
is_running(const struct fake_user *user)
{
	return user->upstream != NULL && user->ends + user->failed == 0 && !user->cancel_at_head;
}

static inline int
tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < user_count; i++)
		if (is_running(&users[i]))
			users[i].upstream->ops->cancel(users[i].upstream);
	if (peer >= 0)
		close(peer);
	pool_leave(backend);
	world_settle(&world);
	world_close(&world);
	return 0;
}

static inline struct request
request_of(const char *method, enum method_id id)
{
	return (struct request){.method = slice_of(method),
	    .method_id = id,
	    .authority = SLICE("job"),
	    .path = SLICE("/p")};
}

static const struct request get = {.method = SLICE("GET"),
    .method_id = METHOD_GET,
    .authority = SLICE("job"),
    .path = SLICE("/p")};

/* ---- what the gateway sent ---- */

static inline void
read_peer(void)
{
	ssize_t n;

	while ((n = read(peer, came + came_len, sizeof(came) - came_len)) > 0)
		came_len += (size_t)n;
}

/* The next frame that has come; false: there is none. */
static inline bool
next_frame(struct h2_frame *frame, struct slice *payload)
{
	read_peer();
	if (came_len - came_at < H2_FRAME_HEAD_LEN)
		return false;
	*frame = h2_frame_read(came + came_at);
	assert_true(came_len - came_at >= H2_FRAME_HEAD_LEN + frame->length);
	*payload = (struct slice){came + came_at + H2_FRAME_HEAD_LEN, frame->length};
	came_at += H2_FRAME_HEAD_LEN + frame->length;
	return true;
}

/* Skip to the next frame of this type; false: none has come. */
static inline bool
find_frame(enum h2_frame_type type, struct h2_frame *frame, struct slice *payload)
{
	while (next_frame(frame, payload))
		if (frame->type == type)
			return true;
	return false;
}

static inline void
expect_none(enum h2_frame_type type)
{
	struct h2_frame frame = {0};
	struct slice payload = {0};

	assert_false(find_frame(type, &frame, &payload));
}

/* No frame of this stream has been sent. */
static inline void
expect_none_of(uint32_t stream)
{
	struct h2_frame frame = {0};
	struct slice payload = {0};

	came_at = H2_PREFACE_LEN;
	while (next_frame(&frame, &payload))
		assert_true(frame.stream != stream);
}

static inline void
expect_reset(uint32_t stream, enum h2_error error)
{
	struct h2_frame frame = {0};
	struct slice payload = {0};

	assert_true(find_frame(H2_RST_STREAM, &frame, &payload));
	assert_int_equal(frame.stream, stream);
	assert_int_equal(h2_rst_stream_read(payload.at), error);
}

static inline void
expect_goaway(enum h2_error error)
{
	struct h2_frame frame = {0};
	struct slice payload = {0};

	assert_true(find_frame(H2_GOAWAY, &frame, &payload));
	assert_int_equal(h2_goaway_read(payload).error, error);
}

/* ---- what the backend sends ---- */

static char said[256 * 1024];
static struct writer saying;

static inline void
begin_to_say(void)
{
	saying = writer_of(said, sizeof(said));
}

/* Send what was written, and let the gateway deal with it. */
static inline void
say(void)
{
	size_t len = (size_t)(saying.at - said), at = 0;

	assert_false(saying.full);
	while (at < len) {
		ssize_t n = send(peer, said + at, len - at, MSG_NOSIGNAL);

		if (n > 0)
			at += (size_t)n;
		else if (errno != EAGAIN)
			return; /* the gateway has closed */
		world_settle(&world);
		read_peer();
	}
	world_settle(&world);
	begin_to_say();
}

static inline void
say_settings(void)
{
	h2_write_settings(&saying, NULL, 0);
	h2_write_settings_ack(&saying);
}

static inline void
say_setting(enum h2_setting_id id, uint32_t value)
{
	const struct h2_setting setting = {(uint16_t)id, value};

	h2_write_settings(&saying, &setting, 1);
}

static inline void
say_head(uint32_t stream, unsigned status, const char *length, bool end)
{
	char text[256];
	struct writer block = writer_of(text, sizeof(text));

	hpack_write_status(&block, status);
	if (length != NULL)
		hpack_write_field(&block, SLICE("content-length"), slice_of(length));
	h2_write_block(&saying, stream, end ? H2_END_STREAM : 0,
	    (struct slice){text, (size_t)(block.at - text)}, H2_FRAME_SIZE_DEFAULT);
}

static inline void
say_trailers(uint32_t stream, bool end)
{
	char text[64];
	struct writer block = writer_of(text, sizeof(text));

	hpack_write_field(&block, SLICE("x-sum"), SLICE("1"));
	h2_write_block(&saying, stream, end ? H2_END_STREAM : 0,
	    (struct slice){text, (size_t)(block.at - text)}, H2_FRAME_SIZE_DEFAULT);
}

static inline void
say_data(uint32_t stream, const char *text, bool end)
{
	h2_write_frame_head(
	    &saying, H2_DATA, end ? H2_END_STREAM : 0, stream, (uint32_t)strlen(text));
	write_slice(&saying, slice_of(text));
}

/* ---- exchanges ---- */

/* Its protocol puts its own in this place. */
static inline void
not_ready(struct conn *conn)
{
	(void)conn;
	fail();
}

static inline struct fake_user *
new_user(const struct request *request)
{
	struct fake_user *user = &users[user_count++];

	assert_true(user_count <= USERS_MAX);
	*user = FAKE_USER;
	user->request = request;
	user->lines = SLICE("");
	return user;
}

/* A new connection, which is up for this user; its preface is checked. */
static inline void
open_for(struct upstream_user *user)
{
	int ends[2];

	connection = backend_conn_new(backend, NULL);
	assert_non_null(connection);
	connection->protocol = &http2_client_protocol;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	assert_true(conn_open(&connection->conn, world.loop, ends[0], not_ready));
	peer = ends[1];
	connection->protocol->opened(connection, user);
	world_settle(&world);
	read_peer();
	assert_true(came_len > H2_PREFACE_LEN);
	assert_memory_equal(came, H2_PREFACE, H2_PREFACE_LEN);
	came_at = H2_PREFACE_LEN;
	begin_to_say();
}

/* The same; it sends a request at once. */
static inline struct fake_user *
open_with(const struct request *request)
{
	struct fake_user *user = new_user(request);

	open_for(&user->user);
	assert_int_equal(user->connected, 1);
	return user;
}

/* The same, and the backend's SETTINGS have come. */
static inline struct fake_user *
open_settled(const struct request *request)
{
	struct fake_user *user = open_with(request);

	say_settings();
	say();
	return user;
}

/* A request on a stream of the connection that there is. */
/* The user gets a stream of the connection; its request leaves with the next flush. */
static inline void
begin_on_shared(struct fake_user *user, const struct request *request)
{
	bool up;

	user->upstream = pool_acquire(backend, &user->user, POOL_ANY, POOL_SHARED, &up);
	assert_true(up);
	user->upstream->ops->begin(user->upstream, request, SLICE(""));
}

static inline struct fake_user *
join_with(const struct request *request)
{
	struct fake_user *user = new_user(request);

	begin_on_shared(user, request);
	user->upstream->ops->flush(user->upstream);
	world_settle(&world);
	return user;
}

static inline struct backend_session *
session(void)
{
	return backend_session_of(connection);
}

static inline void
end_peer(void)
{
	close(peer);
	peer = -1;
	world_settle(&world);
}

#define BODY(user, text)                                                 \
	do {                                                             \
		assert_int_equal((user)->body_len, strlen(text));        \
		assert_memory_equal((user)->body, (text), strlen(text)); \
	} while (0)

static inline void
expect_failed(const struct fake_user *user, enum upstream_failure failure, enum repeat repeat)
{
	assert_int_equal(user->failed, 1);
	assert_int_equal(user->failure, failure);
	assert_int_equal(user->repeat, repeat);
}

#endif
