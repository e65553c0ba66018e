/* h2_backend.h - a connection of a backend that speaks HTTP/2: many requests at once. */
#ifndef SIM_H2_BACKEND_H
#define SIM_H2_BACKEND_H

#include "backend.h"
#include "exchanges.h"
#include "http/h2_frame.h"
#include "http/hpack.h"

enum h2_backend_stream_state {
	H2_BACKEND_READING,
	H2_BACKEND_THINKING,  /* the request is whole; the answer comes after a while */
	H2_BACKEND_ANSWERING, /* from here on the request counts as processed */
	H2_BACKEND_SILENT,    /* nothing more comes */
};

struct h2_backend_stream {
	LIST_ENTRY(h2_backend_stream) link;
	struct h2_backend *connection;
	enum h2_backend_stream_state state;
	uint32_t id, mark;
	struct alarm act;
	uint64_t received, answered; /* content */
	int64_t send_window;	     /* what the gateway takes */
	int64_t receive_window;	     /* what it may send; less than 0 is wrong */
	uint32_t credit;	     /* received, and not given back yet */
	bool head_sent, request_ended;
	bool blank; /* filler came in place of content: only a reset may follow */
};

struct h2_backend {
	LIST_ENTRY(h2_backend) link;
	struct backend *backend;
	struct end *end;
	struct alarm look; /* reads on after a freeze, or gives windows back */
	LIST_HEAD(, h2_backend_stream) streams;
	unsigned running, most; /* streams: now, and as SETTINGS allow */
	uint32_t last_id;	/* of a stream of the gateway's */
	unsigned leaves_after;	/* GOAWAY after this many more requests; 0: never */
	uint32_t done_id;	/* the last stream that it has begun to process */
	bool goaway;
	uint32_t goaway_last;
	bool ruined; /* it has broken the rules, so the gateway may say and do what it wants */
	bool slow;   /* it gives windows back late */
	/* sending */
	struct bytes out;
	bool block_sent; /* a field block has been sent on this connection */
	struct h2_settings settings;
	int64_t send_window;
	/* receiving */
	size_t preface; /* bytes of it that have come */
	uint32_t initial_window,
	    next_window; /* of a stream: now, and once SETTINGS are acknowledged */
	int64_t receive_window;
	struct hpack_decoder decoder;
	char frame_head[H2_FRAME_HEAD_LEN];
	size_t frame_head_len;
	struct h2_frame frame;
	uint64_t frame_at;     /* where it began */
	uint32_t payload_left; /* of it */
	struct bytes payload;  /* of frames other than DATA */
	struct bytes block;    /* a field block that comes in several frames */
	uint64_t block_at;     /* where it began */
	uint32_t block_stream; /* 0: none is under way */
	bool block_ends;
};

/* A connection has been accepted. */
void h2_backend_accepted(struct backend *backend, struct end *end);

void h2_backend_close(struct h2_backend *connection, bool reset);

/* ---- what the files of this backend share ---- */

void h2_backend_violation(const struct h2_backend *connection, uint32_t mark, const char *what);

/* It breaks the rules of HTTP/2 from now on, at the expense of all requests on it. */
void h2_backend_ruin(struct h2_backend *connection);

/* NULL: it is over, or never was. */
struct h2_backend_stream *h2_backend_find(struct h2_backend *connection, uint32_t id);

struct h2_backend_stream *h2_backend_begin(
    struct h2_backend *connection, uint32_t id, uint32_t mark);

/* A stream is over. */
void h2_backend_end(struct h2_backend_stream *stream);

/* To be sent. */
void h2_backend_put(struct h2_backend *connection, const char *bytes, size_t len);
void h2_backend_put_reset(struct h2_backend *connection, uint32_t id, enum h2_error error);

/* Send what waits. */
void h2_backend_send(struct h2_backend *connection);

/* ---- h2_backend_read.c ---- */

/* Bytes have come; at: the offset of the first. False: the connection is of no more use. */
bool h2_backend_take(struct h2_backend *connection, const char *bytes, size_t len, uint64_t at);

/* Give back what streams have read. */
void h2_backend_widen(struct h2_backend *connection);

/* Report a violation. Returns false: the connection is of no more use. */
bool h2_backend_is_bad(struct h2_backend *connection, uint32_t mark, const char *what);

/* ---- h2_backend_request.c ---- */

/* A whole field block, of a new stream, or trailers. False: the connection is of no more use. */
bool h2_backend_take_block(struct h2_backend *connection);

/* A piece of a DATA frame; at: the offset of its first byte. False as above. */
bool h2_backend_take_content(
    struct h2_backend *connection, const char *content, size_t len, uint64_t at);

/* All of the stream's request has come. */
void h2_backend_request_is_whole(struct h2_backend_stream *stream);

/* ---- h2_backend_answer.c ---- */

/* The time has come for the next step of an answer. The connection may be gone afterwards. */
void h2_backend_act(struct alarm *alarm);

/* The answer to a check of the backend's health. */
void h2_backend_answer_check(struct h2_backend *connection, uint32_t id, bool well);

/* This request, and all later ones that are not being answered, will not be processed. */
void h2_backend_leave(struct h2_backend *connection);

/* REFUSED_STREAM: it has not been processed. */
void h2_backend_refuse(struct h2_backend_stream *stream);

#endif
