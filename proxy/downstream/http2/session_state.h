/* session_state.h - what the files that make up an HTTP/2 server share; no other file includes it.
 */
#ifndef JOBGATE_HTTP2_SESSION_STATE_H
#define JOBGATE_HTTP2_SESSION_STATE_H

#include "downstream/http2/limits.h"
#include "downstream/http2/session.h"
#include "exchange/context.h"
#include "http/h2_fields.h"
#include "http/h2_frame.h"
#include "http2/gather.h"
#include "http2/input.h"
#include "http2/output.h"
#include "http2/overhead.h"
#include "http2/table_memory.h"
#include "http2/trailers.h"
#include "http2/window.h"
#include "jobgate/container_of.h"
#include "net/window_budget.h"

/*
 * server.c        called by the connection: the beginning of a session, its drain, its end
 * session.c       one turn of a session: it reads, then sends
 * ending.c        how it ends: GOAWAY, the end of its streams, lingering
 * timers.c        its one timer, and what is late when it expires
 * session_state.c its states and those of its streams, and what a dump shows of them
 * frames.c        from bytes to frames: what each type does
 * blocks.c        field blocks that come in several frames, and what they are for
 * request.c       from a field block to the request that an exchange begins with
 * streams.c       streams: found by their id, begun, ended, reset
 * content.c       content of requests, on its way to exchanges
 * flow.c          the windows in which it may come
 * answer.c        sends what exchanges have for the client
 * turns.c         content of answers: the windows in which it may go, one stream after the other
 * output.c        what the session adds to http2/output.h, which holds what waits to be sent
 */

enum http2_session_state {
	HTTP2_PREFACE, /* the client's preface has not come */
	HTTP2_OPEN,
	HTTP2_LEAVING, /* GOAWAY was sent: no new streams, those that run go on */
	HTTP2_CLOSING, /* serves nothing more: sends what is left, then lingers */
	HTTP2_CLOSED,  /* the connection has closed */
};

enum http2_stream_state {
	HTTP2_STREAM_RUNNING,	/* its exchange runs */
	HTTP2_STREAM_SENDING,	/* its exchange is over; the rest of the answer waits for windows */
	HTTP2_STREAM_LINGERING, /* answered whole, but the client may still send its request */
	HTTP2_STREAM_CLOSED,	/* waits for the end of the turn to be freed */
};

/* Windows in which content of requests may come, bytes: of a stream until its request is allowed;
 * the least once it is, as far as the worker's budget allows; the most, while both ends are fast.
 */
#define HTTP2_WINDOW_FIRST (16 * 1024)
#define HTTP2_WINDOW_ALLOWED (48 * 1024)
#define HTTP2_WINDOW_MAX (1024 * 1024)

/* window_account.part and .steps: of a client, and of a trusted proxy, whose connection many users
 * share. */
#define HTTP2_PART 4
#define HTTP2_STEPS 2
#define HTTP2_SHARED_PART 2
#define HTTP2_SHARED_STEPS 8

/* The smallest window of a connection. */
#define HTTP2_CONNECTION_WINDOW (1024 * 1024)

/* Streams are found by their id in one of this many lists. */
#define STREAM_BUCKETS 16

/* Nothing is read while this many bytes of all frames wait to be sent: heads of answers have no
 * window. */
#define OUT_FULL (2 * OUT_MAX)

/* So much of the gateway's own content may wait for a client's windows: more than its pages for
 * people need, but not one large page for each stream. */
#define OWN_WAITING_MAX (256 * 1024)

struct http2_session;

/*
 * Invariants: `exchange` is set in RUNNING and in no other state, except during the calls that end
 * it. A stream is in its bucket and in the list of all streams until it is CLOSED. Until then it
 * counts as one of the client's streams.
 */
struct http2_stream {
	struct exchange_client client; /* the end that its exchange sees */
	struct exchange *exchange;
	struct http2_session *session;
	LIST_ENTRY(http2_stream) bucket;
	TAILQ_ENTRY(http2_stream) link;
	TAILQ_ENTRY(http2_stream) turn_link;
	struct task free_task;
	uint32_t id;
	enum h2_error error; /* the client's mistake, which ends it; NO_ERROR: none */
	enum http2_stream_state state : 8;
	bool client_ended : 1;	/* END_STREAM has come */
	bool client_reset : 1;	/* RST_STREAM has come */
	bool content_ended : 1; /* the request's content has been handed on whole */
	bool pushed : 1;	/* content was handed on in this turn */
	bool expects : 1;	/* the client waits for 100 and has sent no content yet */
	bool asks_tunnel : 1;	/* extended CONNECT: only content may follow */
	bool tunnel : 1;
	bool passed : 1;       /* its request has been allowed, be it held for its job */
	bool answer_ended : 1; /* nothing follows what has been handed over */
	bool end_written : 1;  /* END_STREAM has been written */
	bool told : 1;	       /* why it ends: the client's request is not waited for */
	bool blocked : 1;      /* content was not taken; it waits for its turn, or its window */
	bool has_turn : 1;     /* blocked, and in session->turns */

	/* What the client sends. */
	struct h2_content announced; /* against what its head said */
	struct buffer *in;	     /* content that the exchange has not taken; NULL: none */
	struct buffer *trailers;     /* field lines, when they have come; NULL: none */
	struct h2_window window;     /* the client may go below 0: see least_window */
	struct window_share share;   /* of the worker's budget */
	uint32_t body_deficit;	     /* as in http1/server_state.h */
	uint64_t awaits_since_ms;    /* since when it waits for more content; 0: it does not */
	uint64_t due_ms; /* deadline of more content (RUNNING), of the whole answer (SENDING), of
			  * the rest of the request (LINGERING); 0: none */

	/* What is sent to the client. */
	int32_t send_window;
	uint32_t quota;		/* content that it may write before the next stream's turn */
	struct buffer *own;	/* content of an answer of the gateway's own; NULL: none */
	struct buffer *own_end; /* the field block of the trailers behind it; NULL: none */
	uint64_t answer_at;	/* where its head begins: a place of session->output */
	uint64_t last_frame_at; /* where its last HEADERS or DATA begins, likewise */
	uint64_t widened;	/* bytes by which the client has widened the window */
};

TAILQ_HEAD(http2_streams, http2_stream);

/* What a connection needs beyond its block. */
struct http2_session {
	struct connection *connection;
	struct downstream *downstream;
	enum http2_session_state state : 8;
	bool working : 1;	   /* http2_work runs further up the stack, and sends at its end */
	bool last_goaway : 1;	   /* LEAVING: the GOAWAY with the last stream was written */
	bool finished_sending : 1; /* CLOSING: our side of the connection has been ended */
	bool half_closed : 1;	   /* the client has ended its side */
	struct hpack_decoder decoder;
	struct h2_settings settings; /* the client's */
	LIST_HEAD(, http2_stream) buckets[STREAM_BUCKETS];
	struct http2_streams streams; /* all of them, the oldest first */
	struct http2_streams turns;   /* those that wait for their turn to send; the next first */
	size_t stream_count;
	size_t tunnels;	    /* of the streams */
	size_t own_waiting; /* bytes in `own` of all streams */
	uint32_t last_id;   /* the highest that the client has used */
	uint64_t used_ids;  /* bit n: the client used last_id - 2n */
	uint64_t ended_ids; /* likewise: the client has ended that stream */
	struct reset_budget resets;
	struct overhead overhead;

	/* What comes. */
	struct buffer *in; /* received, not dealt with; NULL: none */
	struct h2_gather block;
	struct h2_window window;
	struct window_account account; /* of the streams' windows in the worker's budget */
	uint64_t stream_windows;       /* of all streams together, bytes */
	uint64_t begun_ms;   /* since when a frame or block is not whole; 0: none has begun */
	uint64_t ack_due_ms; /* by then our SETTINGS have to be acknowledged */
	uint64_t look_at_ms; /* when streams' deadlines are looked at; 0: none has one */
	uint64_t idle_since_ms;
	uint64_t tunnel_look_ms; /* when to read once more, if there are tunnels (TUNNEL_LOOK_MS);
				  * 0: no need */

	/* What goes. */
	struct h2_output output;  /* `failed`: everything is swallowed */
	uint64_t acknowledged;	  /* bytes sent that the client's TCP has acknowledged, */
	uint64_t acknowledged_ms; /* at this time */
	uint64_t leave_at_ms;	  /* LEAVING: when the last GOAWAY is due */
	size_t skipped;		  /* CLOSING: bytes read and dropped */
	struct task free_task;
};

/* All that a connection's block has room for. */
struct http2_server {
	struct connection connection;  /* first: see connection_protocol.size */
	struct http2_session *session; /* NULL: memory was short */
};

static inline struct http2_session *
session_of(const struct connection *connection)
{
	return ((const struct http2_server *)connection)->session;
}

static inline struct http2_stream *
stream_of(struct exchange_client *client)
{
	return container_of(client, struct http2_stream, client);
}

static inline uint64_t
session_now_ms(const struct http2_session *session)
{
	return loop_now_ms(session->downstream->loop);
}

static inline struct downstream_options *
session_options(const struct http2_session *session)
{
	return &session->downstream->options;
}

/* ---- session_state.c ---- */

void http2_session_set_state(struct http2_session *session, enum http2_session_state to);
void http2_stream_set_state(struct http2_stream *stream, enum http2_stream_state to);

/* Write their present state; of their messages only how many bytes there are. */
void http2_session_dump(const struct http2_session *session, struct dump *dump);
void http2_stream_dump(const struct http2_stream *stream, struct dump *dump);

/* ---- session.c ---- */

/* Do what can be done now, and send what waits. */
void http2_work(struct http2_session *session);

/* True when more frames may be dealt with; false while the client has to wait for what it has
 * sent. */
bool http2_may_read(const struct http2_session *session);

/* Something was written, or may be: http2_work runs at the end of the turn, if not already. */
void http2_wake(struct http2_session *session);

/* ---- ending.c ---- */

/* End all streams without an RST_STREAM for each. */
void http2_end_streams(struct http2_session *session);

/* Nothing more is served: what waits is sent, then the connection closes. */
void http2_begin_closing(struct http2_session *session);

/*
 * The client has ended its side of the connection. It may have gone, which a reset in response to
 * GOAWAY or to the kernel's probes will tell; else it gets the answers to the requests that it has
 * sent whole. False: there are none.
 */
bool http2_half_close(struct http2_session *session);

/* A connection error: GOAWAY, end all exchanges, then close. */
void http2_fail(struct http2_session *session, enum h2_error error, struct slice why);

/* Take no new streams, and end once the running ones have ended. now: the client knows that. */
void http2_leave(struct http2_session *session, bool now);

/* CLOSING, and all is sent: end our side, and read until the client has ended as well. */
void http2_linger(struct http2_session *session);

/* ---- timers.c ---- */

/* Choose the moment at which http2_expired is called next. */
void http2_set_timer(struct http2_session *session);
void http2_expired(struct http2_session *session);

/* ---- frames.c ---- */

/*
 * Deal with the whole frames in `in`, as long as *frames and *requests, which it counts down, are
 * not 0. True when one of them is.
 */
bool http2_read_frames(struct http2_session *session, unsigned *frames, unsigned *requests);

/* ---- blocks.c ---- */

/*
 * HEADERS and CONTINUATION, with their whole payload. error: the stream's, found in the frame's
 * head; the block is decoded all the same. *requests: see http2_read_frames.
 */
void http2_on_headers(struct http2_session *session, const struct h2_frame *frame,
    enum h2_error error, struct slice payload, unsigned *requests);
void http2_on_continuation(struct http2_session *session, const struct h2_frame *frame,
    struct slice payload, unsigned *requests);

/* ---- request.c ---- */

/* True when clients of this connection may open WebSockets by extended CONNECT (RFC 8441). */
bool http2_offers_websockets(const struct http2_session *session);

/* Begin an exchange on a new stream, whose id has been taken. */
void http2_begin(
    struct http2_session *session, uint32_t id, const struct hpack_block *block, bool end_stream);

/* ---- streams.c ---- */

/* The stream with this id, RUNNING or SENDING; NULL: there is none. */
struct http2_stream *http2_find(const struct http2_session *session, uint32_t id);

/* The client opens this id, which is above last_id. */
void http2_use_id(struct http2_session *session, uint32_t id);

/* The client has ended or reset this stream: more frames for it would be wrong. */
void http2_note_ended(struct http2_session *session, uint32_t id);

/* What is known of an id that is not above last_id, and has no stream any more. */
enum http2_past {
	HTTP2_NEVER_USED,
	HTTP2_CLIENT_ENDED,
	HTTP2_LEFT_OPEN, /* this end reset it: what comes was on its way, and is ignored (RFC 9113
			    section 5.1) */
	HTTP2_LONG_AGO,	 /* one of these */
};

enum http2_past http2_past_of(const struct http2_session *session, uint32_t id);

/* A new stream, without an exchange. NULL: memory is short. */
struct http2_stream *http2_stream_new(struct http2_session *session, uint32_t id);

/* Nothing of the client's content is needed any more. */
void http2_drop_content(struct http2_stream *stream);

/* It has ended in both directions, or has been reset. */
void http2_stream_close(struct http2_stream *stream);

/*
 * Answered whole before the request has ended. The client may need a moment to see that: clients
 * such as curl 7.88 drop an answer that comes together with a reset while they send. What it still
 * sends is dropped, within the window that it has.
 */
void http2_stream_linger(struct http2_stream *stream);

/* The moment is over: the client need not send the rest (RFC 9113 section 8.1). */
void http2_stream_stop(struct http2_stream *stream);

/* Stop the oldest stream that lingers, to make room for another one. False: there is none. */
bool http2_stop_oldest(struct http2_session *session);

/* RST_STREAM. early: the client paid nothing for what it caused (see limits.h). */
void http2_reset(struct http2_session *session, uint32_t id, enum h2_error error, bool early);

/* The client has made a mistake on this stream: its exchange ends, and the stream with `error`. */
void http2_stream_fail(struct http2_stream *stream, enum h2_error error);

/* ---- content.c ---- */

/*
 * DATA has come, within the windows: its content, and the bytes that it counts in them. May end the
 * stream.
 */
void http2_on_content(
    struct http2_stream *stream, struct slice content, uint32_t counted, bool end_stream);

/* The client's last field block has come. */
void http2_on_trailers(struct http2_stream *stream, const struct hpack_block *block);

/* The exchange takes no content for a time, which is not the client's. */
void http2_pause_content(struct http2_stream *stream);

/* Hand on what the exchange takes, now that it takes content again. */
void http2_resume_content(struct http2_stream *stream);

/* Fail the exchange if the client's content is late. */
void http2_check_content(struct http2_stream *stream);

/* ---- flow.c ---- */

/* DATA was received: give its bytes back to the connection's window. */
void http2_credit(struct http2_session *session, uint32_t bytes);

/* This much content of a stream was dealt with: let more come. */
void http2_credit_stream(struct http2_stream *stream, size_t bytes);

/* A new stream begins with the first window. */
void http2_take_window(struct http2_stream *stream);

/* No content can come or is needed any more: give back what it has of the worker's budget. */
void http2_end_window(struct http2_stream *stream);

/* The stream is closed. */
void http2_give_window(struct http2_stream *stream);

/* ---- answer.c ---- */

extern const struct exchange_client_ops http2_client_ops;

/* Write as much of the gateway's own answer as the windows allow, and then its end. */
void http2_push_own(struct http2_stream *stream);

/* ---- turns.c ---- */

/* Write content in DATA frames, as far as there is room; returns how much. */
size_t http2_write_content(struct http2_stream *stream, struct slice data);

/* Content was not taken: the stream gets a turn, unless its own window is used up. */
void http2_block(struct http2_stream *stream);

/* The stream may write again: it gets a turn. */
void http2_unblock(struct http2_stream *stream);

/* Give one stream after the other its turn, as far as there is room. */
void http2_take_turns(struct http2_session *session);

/* ---- output.c ---- */

/* h2_output.moved of a session: tell the stream. */
void http2_moved(struct h2_output *output, uint32_t id, uint64_t at, uint64_t to);

/*
 * As h2_output_write and h2_output_written: then the session is woken. False: memory is short, and
 * the session fails: nothing is to be written.
 */
bool http2_write(struct http2_session *session, size_t size, struct writer *writer);

void http2_written(struct http2_session *session, const struct writer *writer, bool control);

/*
 * Bytes that the client's TCP has acknowledged: see http1_acknowledged. The kernel is asked once a
 * millisecond at most, however many streams wait for the client.
 */
uint64_t http2_acknowledged(struct http2_session *session);

/* Of http2_client_ops. */
void http2_send_now(struct exchange_client *client);

/* exchange_judge_if_changed for the exchanges of all streams but this one (NULL: of all). */
void http2_judge_streams(struct http2_session *session, const struct http2_stream *but);
void http2_judge_others(struct exchange_client *client);

/* h2_output_take_out of a stream's frames. */
void http2_take_out(struct http2_stream *stream, uint64_t from);

#endif
