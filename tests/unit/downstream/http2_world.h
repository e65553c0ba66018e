/* http2_world.h - an HTTP/2 server between a client that speaks in raw frames and many exchanges
 * that do what a test says. */
#ifndef JOBGATE_TEST_HTTP2_WORLD_H
#define JOBGATE_TEST_HTTP2_WORLD_H

#include "connection_world.h"
#include "downstream/http2/session_state.h"

/* ---- exchanges ---- */

#define EXCHANGES_MAX 4096

struct exchange {
	struct exchange_client *client; /* NULL: it is over */
	bool is_public;			/* no token counted */
	bool allowed;			/* what it says of its verdict */
	bool takes;			/* content of the request */
	bool ended;			/* the request's content */
	bool ends;			/* the answer, once `left` has been pushed */
	size_t taken;			/* bytes of the request's content */
	size_t left;			/* bytes of the answer's content to be pushed */
	size_t pushed;			/* those that were taken */
	bool revoked;			/* and does not know yet */
	bool silent;			/* its client may pause as long as it likes */
	int failure;			/* the last enum client_failure; -1: none */
};

static struct exchange exchanges[EXCHANGES_MAX];
static size_t begun;
static unsigned rejected; /* the status of the last rejection */
/* What becomes of a request; NULL: it stays. */
static void (*serve)(struct exchange *exchange);

/* The content of each answer is letters, counted from its beginning. */
static inline char
letter(size_t at)
{
	return (char)('a' + at % 26);
}

static inline void
end(struct exchange *exchange, enum exchange_end how)
{
	struct exchange_client *client = exchange->client;

	client->ops->ended(client, how);
	exchange->client = NULL;
}

static inline void
answer(struct exchange *exchange, unsigned status)
{
	struct response response = {.status = status, .content = CONTENT_UNKNOWN};

	exchange->client->ops->answer(exchange->client, &response);
}

/* Push what is left of the answer, as far as it is taken, and its end. */
static inline void
push(struct exchange *exchange)
{
	static char text[64 * 1024];
	size_t len, taken;

	do {
		len = exchange->left < sizeof(text) ? exchange->left : sizeof(text);
		for (size_t i = 0; i < len; i++)
			text[i] = letter(exchange->pushed + i);
		taken = len == 0 ? 0
				 : exchange->client->ops->content(
				       exchange->client, (struct slice){text, len});
		exchange->pushed += taken;
		exchange->left -= taken;
	} while (taken == len && exchange->left > 0);
	exchange->client->ops->flush(exchange->client);
	if (exchange->left > 0 || !exchange->ends)
		return;
	exchange->client->ops->content_end(exchange->client, NULL);
	end(exchange, END_COMPLETE);
}

/* Answer 200 with this many bytes. */
static inline void
answer_with(struct exchange *exchange, size_t bytes)
{
	exchange->left = bytes;
	exchange->ends = true;
	answer(exchange, 200);
	push(exchange);
}

/* A local reply with this text. */
static inline void
reply_with(struct exchange *exchange, unsigned status, const char *text)
{
	answer(exchange, status);
	if (*text != '\0')
		exchange->client->ops->reply_content(exchange->client, slice_of(text));
	exchange->client->ops->content_end(exchange->client, NULL);
	end(exchange, END_COMPLETE);
}

static inline void
answer_empty(struct exchange *exchange)
{
	reply_with(exchange, 204, "");
}

static inline void
allow(struct exchange *exchange)
{
	exchange->allowed = true;
	exchange->client->ops->allowed(exchange->client);
}

static inline void
allow_and_take(struct exchange *exchange)
{
	allow(exchange);
	exchange->takes = true;
	exchange->client->ops->resume(exchange->client);
}

struct exchange *
exchange_new(
    struct exchange_context *context, struct exchange_client *to, const struct exchange_peer *peer)
{
	struct exchange *exchange = &exchanges[begun];

	(void)context;
	(void)peer;
	assert_in_range(begun, 0, EXCHANGES_MAX - 1);
	begun++;
	*exchange = (struct exchange){.client = to, .failure = -1};
	return exchange;
}

void
exchange_authorize(struct exchange *exchange, struct request *request)
{
	(void)request;
	if (serve != NULL)
		serve(exchange);
}

void
exchange_reject(struct exchange *exchange, const struct request *request, unsigned status,
    struct slice title, struct slice detail)
{
	(void)request;
	(void)title;
	(void)detail;
	rejected = status;
	reply_with(exchange, status, "rejected");
}

bool
exchange_judge_if_changed(struct exchange *exchange)
{
	assert_non_null(exchange->client);
	if (!exchange->revoked)
		return false;
	end(exchange, END_REVOKED);
	return true;
}

bool
exchange_takes_content(const struct exchange *exchange)
{
	return exchange->takes && !exchange->ended;
}

bool
exchange_may_be_silent(const struct exchange *exchange)
{
	return exchange->silent;
}

size_t
exchange_content(struct exchange *exchange, struct slice data)
{
	exchange->taken += data.len;
	return data.len;
}

void
exchange_content_end(struct exchange *exchange, const struct fields *trailers)
{
	(void)trailers;
	exchange->ended = true;
}

bool
exchange_content_flush(struct exchange *exchange)
{
	assert_non_null(exchange->client);
	return false;
}

void
exchange_client_ready(struct exchange *exchange)
{
	assert_non_null(exchange->client);
	if (exchange->left > 0 || exchange->ends)
		push(exchange);
}

void
exchange_stop_holding(struct exchange *exchange)
{
	(void)exchange;
}

void
exchange_client_failed(struct exchange *exchange, enum client_failure why)
{
	bool answered = exchange->ends || exchange->pushed > 0;

	exchange->failure = (int)why;
	if (why == CLIENT_CLOSED)
		end(exchange, END_ABANDONED);
	else if (answered)
		end(exchange, END_CUT);
	else
		reply_with(exchange, why == CLIENT_BODY_TIMEOUT ? 408 : 400, "failed");
}

bool
exchange_is_allowed(const struct exchange *exchange)
{
	return exchange->allowed;
}

bool
exchange_is_public(const struct exchange *exchange)
{
	return exchange->is_public;
}

bool
exchange_awaits_content(const struct exchange *exchange)
{
	return exchange->takes && !exchange->ended;
}

uint64_t
exchange_age_ms(const struct exchange *exchange)
{
	(void)exchange;
	return 5000;
}

void
exchange_shutdown(struct exchange *exchange)
{
	end(exchange, END_CUT);
}

void
exchange_dump(const struct exchange *exchange, struct dump *dump)
{
	(void)exchange;
	(void)dump;
}

/* ---- the client ---- */

static struct world world;
static int client;

/* What has come and was not looked at yet. */
static char received[1024 * 1024];
static size_t received_len;

/* The last frame that next_frame returned. */
static struct h2_frame frame;
static const char *payload;

static inline void
http2_world_open(void)
{
	begun = 0;
	rejected = 0;
	serve = NULL;
	received_len = 0;
	world_open(&world, &http2_server_protocol);
	world.downstream->streams.size = http2_server_protocol.stream_size;
	world.downstream->options.http2 = (struct http2_limits){100, 1024 * 1024};
	world.downstream->http2_windows.max = 1024 * 1024;
	client = world_connect(&world, "192.0.2.1", &(struct listener_options){0});
}

static inline void
http2_world_close(void)
{
	close(client);
	world_turn(&world);
	for (enum purpose purpose = 0; purpose < PURPOSE_COUNT; purpose++)
		while (world_first(&world, purpose) != NULL)
			connection_shutdown(world_first(&world, purpose));
	world_turn(&world);
	assert_int_equal(world.downstream->http2_windows.counted, 0);
	slab_clear(&world.downstream->streams);
	world_close(&world);
}

/* Close this connection and make another one. */
static inline void
reconnect(void)
{
	close(client);
	world_turn(&world);
	world_turn(&world);
	received_len = 0;
	client = world_connect(&world, "192.0.2.1", &(struct listener_options){0});
}

/* The server's session; NULL: it is gone. */
static inline struct http2_session *
session_now(void)
{
	return world_first(&world, FOR_JOBS) == NULL ? NULL
						     : session_of(world_first(&world, FOR_JOBS));
}

/* Take all that the server sends until it has no more. */
static inline void
collect(void)
{
	ssize_t n = 1;

	world_turn(&world);
	while (n > 0) {
		n = recv(client, received + received_len, sizeof(received) - received_len, 0);
		if (n > 0)
			received_len += (size_t)n;
		world_turn(&world);
		world_turn(&world);
	}
}

static inline void
send_bytes(const char *bytes, size_t len)
{
	ssize_t n = send(client, bytes, len, MSG_NOSIGNAL);

	/* It may have closed on the first of several pieces. */
	if (n < 0)
		assert_true(errno == EPIPE || errno == ECONNRESET);
	else
		assert_int_equal(n, (ssize_t)len);
	world_turn(&world);
	world_turn(&world);
}

/* One frame as bytes; returns its length. */
static inline size_t
make_frame(char *out, unsigned type, unsigned flags, uint32_t stream, const void *bytes, size_t len)
{
	struct h2_frame head = {(uint32_t)len, stream, (unsigned char)type, (unsigned char)flags};

	h2_frame_put(out, &head);
	if (len > 0)
		memcpy(out + H2_FRAME_HEAD_LEN, bytes, len);
	return H2_FRAME_HEAD_LEN + len;
}

static inline void
send_frame(unsigned type, unsigned flags, uint32_t stream, const void *bytes, size_t len)
{
	static char text[32 * 1024];

	send_bytes(text, make_frame(text, type, flags, stream, bytes, len));
}

static inline void
send_update(uint32_t stream, uint32_t increment)
{
	char bytes[4] = {(char)(increment >> 24), (char)(increment >> 16), (char)(increment >> 8),
	    (char)increment};

	send_frame(H2_WINDOW_UPDATE, 0, stream, bytes, 4);
}

#define GET "\x82\x86\x84\x01\x01h"
#define POST "\x83\x86\x84\x01\x01h"
#define HEAD "\x02\x04HEAD\x86\x84\x01\x01h"
#define END_BOTH (H2_END_STREAM | H2_END_HEADERS)
#define BYTES(literal) (literal), sizeof(literal) - 1

static inline void
send_preface(void)
{
	send_bytes(BYTES(H2_PREFACE));
	send_frame(H2_SETTINGS, 0, 0, NULL, 0);
	send_frame(H2_SETTINGS, H2_ACK, 0, NULL, 0);
}

static inline void
request(uint32_t stream)
{
	send_frame(H2_HEADERS, END_BOTH, stream, BYTES(GET));
}

static inline void
upload(uint32_t stream)
{
	send_frame(H2_HEADERS, H2_END_HEADERS, stream, BYTES(POST));
}

static inline void
send_data(uint32_t stream, unsigned flags, size_t len)
{
	static const char zeros[16384];

	send_frame(H2_DATA, flags, stream, zeros, len);
}

/* Let the socket take only a little, so that the rest waits in the server. */
static inline void
fill_socket(void)
{
	int size = 4096, fd = session_now()->connection->conn.fd;

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
}

/* The next frame of what was collected. */
static inline bool
next_frame(void)
{
	static char whole[64 * 1024];
	size_t len;

	if (received_len < H2_FRAME_HEAD_LEN)
		return false;
	frame = h2_frame_read(received);
	len = H2_FRAME_HEAD_LEN + frame.length;
	if (received_len < len)
		return false;
	assert_in_range(len, 0, sizeof(whole));
	memcpy(whole, received, len);
	memmove(received, received + len, received_len - len);
	received_len -= len;
	payload = whole + H2_FRAME_HEAD_LEN;
	return true;
}

/* Go on to the next frame of this type. False: none has come. */
static inline bool
find_frame(unsigned type)
{
	collect();
	while (next_frame())
		if (frame.type == type)
			return true;
	return false;
}

static inline uint32_t
number_at(const char *at)
{
	const unsigned char *bytes = (const unsigned char *)at;

	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	       bytes[3];
}

/* Read to the next GOAWAY: its error; -1: none has come. */
static inline int
goaway_error(void)
{
	return find_frame(H2_GOAWAY) ? (int)number_at(payload + 4) : -1;
}

/* Read to the next RST_STREAM: its error; -1: none has come. */
static inline int
reset_error(void)
{
	return find_frame(H2_RST_STREAM) ? (int)number_at(payload) : -1;
}

/* Content of a stream in all frames that have come. */
static inline size_t
content_of(uint32_t stream)
{
	size_t bytes = 0;

	collect();
	while (next_frame())
		if (frame.type == H2_DATA && frame.stream == stream)
			bytes += frame.length;
	return bytes;
}

#endif
