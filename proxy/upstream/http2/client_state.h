/* client_state.h - what the files of an HTTP/2 client of one backend connection share; no other
 * file includes it. */
#ifndef JOBGATE_UPSTREAM_HTTP2_CLIENT_STATE_H
#define JOBGATE_UPSTREAM_HTTP2_CLIENT_STATE_H

#include "http/h2_fields.h"
#include "http/h2_response.h"
#include "http/target.h"
#include "http2/gather.h"
#include "http2/input.h"
#include "http2/output.h"
#include "http2/overhead.h"
#include "http2/table_memory.h"
#include "http2/trailers.h"
#include "http2/window.h"
#include "jobgate/container_of.h"
#include "net/slab.h"
#include "net/window_budget.h"
#include "upstream/http2/client.h"

/*
 * client.c        what the pool calls: the beginning of a session, and of each stream
 * session.c       one turn of a session: bytes come, and go; its timer
 * client_state.c  the states of sessions and streams, and what a dump shows of them
 * ending.c        how a session ends: GOAWAY of either side, a connection that broke
 * frames.c        from bytes to frames: what each type does
 * answer.c        what comes for a stream: heads, content, trailers, on their way to the user
 * streams.c       streams: found by their id, begun, ended, reset
 * request.c       what a user sends: upstream_ops of a stream
 */

enum backend_session_state {
	BACKEND_SESSION_OPENING, /* the backend's SETTINGS have not come: it serves its first user
				    alone */
	BACKEND_SESSION_SHARED,	 /* takes more streams */
	BACKEND_SESSION_FULL,	 /* has as many streams as it may have */
	BACKEND_SESSION_IDLE,	 /* has none, and is kept in the pool */
	BACKEND_SESSION_LEAVING, /* takes no more streams; closes when the last one has ended */
	BACKEND_SESSION_CLOSED,	 /* has no connection: freed once its last stream is */
};

enum backend_stream_state {
	BACKEND_STREAM_NEW,	 /* given to its user, which has not begun */
	BACKEND_STREAM_AWAITING, /* the head was written; waits for the answer's */
	BACKEND_STREAM_RELAYING, /* the answer's content is coming */
	BACKEND_STREAM_CLOSED,	 /* waits for the end of the turn to be freed */
};

/* Windows in which content of answers may come, bytes: of a stream at first, and the most. */
#define BACKEND_WINDOW_FIRST (48 * 1024)
#define BACKEND_WINDOW_MAX (1024 * 1024)

/* window_account.part and .steps of a connection, which many users share. */
#define BACKEND_PART 2
#define BACKEND_STEPS 8

/* Streams are found by their id in one of this many lists. */
#define BACKEND_STREAM_BUCKETS 16

struct backend_session;

/*
 * Invariants: upstream.user is set until the stream is CLOSED. Until then it is in the list of all
 * streams, and in its bucket once `begin` has given it an id.
 */
struct backend_stream {
	struct upstream upstream;
	struct backend_session *session;
	LIST_ENTRY(backend_stream) bucket;
	TAILQ_ENTRY(backend_stream) link;
	TAILQ_ENTRY(backend_stream) turn_link;
	TAILQ_ENTRY(backend_stream) flush_link;
	struct task free_task;
	uint32_t id; /* 0: none yet */
	enum backend_stream_state state : 8;
	enum method_id method : 8;
	unsigned char interims; /* answers of 1xx that came before the final one */
	bool first : 1;		/* the connection was made for it */
	bool request_ended : 1; /* END_STREAM has been written */
	bool answer_ended : 1;	/* END_STREAM has come */
	bool end_told : 1;	/* the user has been told of that */
	bool stopped : 1;	/* RST_STREAM came after a whole answer: the request's rest is not
				   wanted */
	bool blocked : 1;	/* content was not taken: the user is to be told `writable` */
	bool has_turn : 1;	/* blocked, and in session->turns */
	bool to_flush : 1;	/* in session->flushes */
	bool held : 1;		/* its head waits for the backend's SETTINGS: see begin_held */
	bool tunnel : 1;	/* its answer has opened the tunnel */

	/* What is sent. */
	struct slice upgrade;	   /* extended CONNECT (RFC 8441) for this protocol; else empty */
	struct buffer *held_block; /* `held`: its field block; NULL: memory was short */
	int32_t send_window;
	uint32_t quota;		/* content that it may write before the next stream's turn */
	uint64_t head_at;	/* where its head begins in what is sent */
	uint64_t last_frame_at; /* where its last HEADERS or DATA begins */
	uint64_t began_ms;

	/* What comes. */
	struct h2_content announced; /* of the answer, against what its head said */
	struct h2_window window;
	struct window_share share;
	struct buffer *in;	 /* content that the user has not taken, in blocks; NULL: none */
	struct buffer *in_last;	 /* the last of these blocks */
	struct buffer *trailers; /* field lines, when they have come; NULL: none */
};

TAILQ_HEAD(backend_streams, backend_stream);

/* What a connection needs beyond its block. */
struct backend_session {
	struct backend_conn *connection; /* NULL once it is CLOSED */
	struct pool *pool;
	const struct pool_options *options;
	enum backend_session_state state : 8;
	bool working : 1; /* backend_session_work runs further up the stack, and sends at its end */
	bool answered : 1;     /* the head of an answer has come */
	bool reads_last : 1;   /* a send has failed: it reads what has come, then it ends */
	bool look_put_off : 1; /* when the timer expired last, it only began again */
	struct hpack_decoder decoder;
	struct h2_settings settings; /* the backend's */
	LIST_HEAD(, backend_stream) buckets[BACKEND_STREAM_BUCKETS];
	struct backend_streams streams; /* all of them, the oldest first */
	struct backend_streams turns;	/* those that wait for their turn to send; the next first */
	struct backend_streams flushes; /* those whose users are still to be told `flush` */
	size_t stream_count, held_count;
	size_t stream_blocks;	       /* streams that are not freed yet: they need the session */
	enum upstream_failure failure; /* CLOSED: what the streams that are left will be told */
	uint32_t next_id;

	struct buffer *in; /* received, not dealt with; NULL: none */
	uint64_t received; /* bytes in all */
	uint64_t heard_ms; /* when the last of them came */
	struct h2_gather block;
	struct h2_window window;
	struct window_account account; /* of the streams' windows */
	struct overhead overhead;
	uint64_t resets_since_ms; /* when the minute of `resets` began */
	unsigned resets;	  /* streams that were reset in it */
	struct h2_output output;

	struct timer timer;	  /* expires at the earliest of these moments; 0: no such moment */
	uint64_t settings_due_ms; /* OPENING: the backend's SETTINGS */
	uint64_t ack_due_ms;	  /* the acknowledgement of ours */
	uint64_t ping_due_ms;	  /* the answer to our PING */
	uint64_t pinged_ms;	  /* when it was sent; 0: never */
	uint64_t idle_due_ms;	  /* IDLE: how long it may stay in the pool */
	struct task work_task, free_task;
};

/* All that a connection's block has room for. */
struct http2_client {
	struct backend_conn connection;	 /* first */
	struct backend_session *session; /* NULL: memory was short */
};

/* Room in which one head is put together or taken apart. Uses do not overlap. */
struct http2_client_scratch {
	char wire[(PATH_ESCAPE_GROWTH + 2) * BUFFER_LARGE];
	char text[HPACK_TABLE_MAX + BUFFER_LARGE];
	struct field fields[H2_FIELDS_MAX];
	struct field trailers[HEAD_FIELDS_MAX];
};

static inline struct http2_client_scratch *
backend_session_scratch(const struct backend_session *session)
{
	return pool_scratch(session->pool);
}

/* Where its field blocks are decoded. */
static inline struct h2_block_room
backend_session_block_room(struct backend_session *session)
{
	struct http2_client_scratch *scratch = backend_session_scratch(session);

	return (struct h2_block_room){
	    .buffers = session->options->buffers,
	    .decoder = &session->decoder,
	    .fields = scratch->fields,
	    .text = scratch->text,
	    .text_size = sizeof(scratch->text),
	    .head_bytes = session->options->head.head_bytes,
	};
}

static inline struct backend_session *
backend_session_of(const struct backend_conn *connection)
{
	return ((const struct http2_client *)connection)->session;
}

static inline struct backend_stream *
backend_stream_of(const struct upstream *upstream)
{
	return container_of(upstream, struct backend_stream, upstream);
}

static inline uint64_t
backend_session_now_ms(const struct backend_session *session)
{
	return loop_now_ms(session->options->loop);
}

/* The backend has seen nothing of the request: its head is held, or waits in the output. */
static inline bool
backend_stream_is_unseen(const struct backend_stream *stream)
{
	return stream->id == 0 || h2_output_waits(&stream->session->output, stream->head_at);
}

/* ---- client_state.c ---- */

/* The only places that assign a state. A session moves to the pool's list of the state; into that
 * of IDLE, pool_keep has put it before. */
void backend_session_set_state(struct backend_session *session, enum backend_session_state to);
void backend_stream_set_state(struct backend_stream *stream, enum backend_stream_state to);

void backend_session_dump(const struct backend_session *session, struct dump *dump);
void backend_stream_dump(const struct backend_stream *stream, struct dump *dump);

/* ---- session.c ---- */

/* Do what can be done now, and send what waits. */
void backend_session_work(struct backend_session *session);

/*
 * The same for a session without streams, from within pool_acquire. It does not call catch_up, so
 * no exchange ends in it.
 */
void backend_session_work_idle(struct backend_session *session);

/* The same, when the socket is ready, or as a task, or when its time has come. */
void backend_session_ready(struct conn *conn);
void backend_session_resume(struct task *task);
void backend_session_expired(struct timer *timer);

/* Something was written, or may be: the session works at the end of the turn, if not already. */
void backend_session_wake(struct backend_session *session);

/* How many streams it may have now. */
size_t backend_session_streams_max(const struct backend_session *session);

/*
 * Heads that wait are about to leave. Since the clock was read, the worker has made system calls
 * (it read here or from clients, sent to clients, connected to backends), and may have been stopped
 * in one of them. Requests that were revoked end, and what has not left of them is taken back.
 */
void backend_session_catch_up(struct backend_session *session);

/* The state that suits the number of streams; it may close the session. */
void backend_session_settle(struct backend_session *session);

/* ---- ending.c ---- */

/* Runs at the end of the turn in which it closed, and again once its last stream has been freed. */
void backend_session_free(struct task *task);

/* Close at once; freed at the end of the turn. No stream is left. */
void backend_session_close(struct backend_session *session);

/*
 * The connection is lost: close it, and fail all streams but those whose request is complete and
 * whose content waits for its user. These end once the user has taken it.
 */
void backend_session_lost(struct backend_session *session, enum upstream_failure failure);

/* The backend broke the rules: send GOAWAY, then do the same. */
void backend_session_fail(struct backend_session *session, enum h2_error error, struct slice why);

/* GOAWAY has come. */
void backend_session_on_goaway(struct backend_session *session, struct slice payload);

/* Take no more streams, and close when the last one has ended. */
void backend_session_leave(struct backend_session *session);

/* The backend has not processed the stream, and takes its request only over HTTP/1. */
void backend_stream_over_http1(struct backend_stream *stream);

/* ---- frames.c ---- */

/* True unless the backend first has to read what it caused us to send. */
static inline bool
backend_session_may_read(const struct backend_session *session)
{
	return session->output.control_out < CONTROL_OUT_MAX || session->output.failed;
}

/* Deal with the whole frames in `in`, as long as *frames, which it counts down, is not 0. */
void backend_session_read_frames(struct backend_session *session, unsigned *frames);

/* ---- answer.c ---- */

/* A whole field block has come, for a stream that this end has opened. */
void backend_session_on_block(struct backend_session *session, const struct hpack_block *block);

/* DATA has come, within the windows: its content, and the bytes that it counts in them. */
void backend_stream_on_content(
    struct backend_stream *stream, struct slice content, uint32_t counted, bool end_stream);

/* The first block of kept content goes. */
void backend_stream_drop_block(struct backend_stream *stream);

/* Hand on what the user takes now of the answer, and its end. */
void backend_stream_push(struct backend_stream *stream);

/* WINDOW_UPDATE for a stream, or with 0 for the connection. */
void backend_session_widen(struct backend_session *session, uint32_t id, uint32_t bytes);

/* ---- streams.c ---- */

/* The stream with this id; NULL: there is none. */
struct backend_stream *backend_stream_find(const struct backend_session *session, uint32_t id);

/* A new stream, without an id. NULL: memory is short. */
struct backend_stream *backend_stream_new(
    struct backend_session *session, struct upstream_user *user, bool first);

/* It gets the next id. */
void backend_stream_take_id(struct backend_stream *stream);

/* Close it without telling its user. What it has written is still sent. */
void backend_stream_close(struct backend_stream *stream);

/*
 * The same before its time: what has not left is taken back, and if some of it has left, the
 * backend gets RST_STREAM.
 */
void backend_stream_cut(struct backend_stream *stream, enum h2_error error);

/* Close it, and tell its user. */
void backend_stream_failed(
    struct backend_stream *stream, enum upstream_failure failure, enum repeat repeat);

/* The backend broke the rules on this stream. */
void backend_stream_bad(struct backend_stream *stream, enum h2_error error);

/* The user is to be told `flush` before control returns to the loop. */
void backend_stream_to_flush(struct backend_stream *stream);

/* ---- request.c ---- */

extern const struct upstream_ops backend_stream_ops;

/* Now that the backend's SETTINGS have come, send the heads that wait for them, or fail their
 * streams. */
void backend_session_begin_held(struct backend_session *session);

/* The head does not wait any more. */
void backend_stream_drop_held(struct backend_stream *stream);

/* The stream may write again: it gets a turn. */
void backend_stream_unblock(struct backend_stream *stream);

/* Give one stream after the other its turn, as far as there is room. */
void backend_session_take_turns(struct backend_session *session);

#endif
