/* h2_client.h - a client that speaks HTTP/2: many exchanges at once on one connection. */
#ifndef SIM_H2_CLIENT_H
#define SIM_H2_CLIENT_H

#include "exchanges.h"
#include "http/h2_frame.h"
#include "http/hpack.h"
#include "stream.h"

struct client;

#define H2_CLIENT_STREAMS 16
#define H2_CLIENT_REFUSAL_MAX 600
#define H2_CLIENT_HURRY 1000000 /* bytes: more than any answer has */

struct h2_client_stream {
	uint32_t mark; /* 0: this place is free */
	uint32_t id;
	uint64_t content_sent, received;
	int64_t send_window;	/* what the gateway takes */
	int64_t receive_window; /* what it may send; less than 0 is wrong */
	uint32_t credit;	/* received, and not given back yet */
	uint64_t gives_back_ns; /* not before: it reads slowly */
	uint64_t next_piece_ns; /* content comes in pieces with pauses: not before */
	bool slow, content_ended;
	bool head_came, marked; /* marked: the answer is the backend's */
	bool tunnel;		/* its answer has opened one */
	bool has_status;	/* a call's: see exchange->call_status */
	bool told;		/* the gateway has said that it is over */
	bool blank;		/* filler came in place of content: only a reset may follow */
	struct stamp head_stamp;
	char refusal[H2_CLIENT_REFUSAL_MAX];
	size_t refusal_len;
};

struct h2_client {
	struct client *client;
	struct end *end;   /* NULL: it has no connection */
	struct alarm next; /* begins more exchanges */
	struct alarm look; /* reads on, or gives windows back */
	struct alarm pace; /* sends the next pieces of tunnels */
	struct h2_client_stream streams[H2_CLIENT_STREAMS];
	unsigned running; /* streams */
	uint32_t next_id;
	unsigned left; /* exchanges until it closes the connection */
	unsigned turn; /* the stream that sends next */
	bool stalled;  /* its last request stops in its head */
	bool goaway;
	uint32_t goaway_last;
	/* sending */
	struct bytes out;
	bool block_sent; /* a field block has been sent on this connection */
	struct h2_settings settings;
	int64_t send_window;
	/* receiving */
	uint32_t initial_window;
	int64_t receive_window;
	bool slow; /* it takes little at a time */
	struct hpack_decoder decoder;
	char frame_head[H2_FRAME_HEAD_LEN];
	size_t frame_head_len;
	struct h2_frame frame;
	uint64_t frame_at;     /* where it began */
	uint32_t payload_left; /* of it */
	struct bytes payload;  /* of frames other than DATA */
	struct bytes block;    /* a field block that comes in several frames */
	uint32_t block_stream; /* 0: none is under way */
	bool block_ends;
};

void h2_client_start(struct h2_client *h2, struct client *client);
void h2_client_stop(struct h2_client *h2);

/* Its connection is lost; false: it has none. */
bool h2_client_break(struct h2_client *h2, bool reset);

/* One of the exchanges that run; 0: none does. */
uint32_t h2_client_running(const struct h2_client *h2);

/* ---- what the files of this client share ---- */

/* Without the connection: what runs comes to this, or is cut where its answer has begun. */
void h2_client_leave(struct h2_client *h2, bool reset, enum result result);

void h2_client_violation(const struct h2_client *h2, uint32_t mark, const char *what);

/* NULL: it is over, or never was. */
struct h2_client_stream *h2_client_find(struct h2_client *h2, uint32_t id);

/* A stream is over for its client. */
void h2_client_conclude(struct h2_client *h2, struct h2_client_stream *stream, enum result result);

/* RST_STREAM: it does not want the rest. */
void h2_client_desert(struct h2_client *h2, struct h2_client_stream *stream);

/* ---- h2_client_send.c ---- */

/* To be sent; nothing follows a head that is never whole. */
void h2_client_put(struct h2_client *h2, const char *bytes, size_t len);

/* Our preface and SETTINGS. */
void h2_client_greet(struct h2_client *h2);

/* Draw a request and put its head into out. */
void h2_client_put_request(struct h2_client *h2);

/* No more content of a tunnel follows. */
void h2_client_end_content(struct h2_client *h2, struct h2_client_stream *stream);

/* Send what waits, and content as far as the windows go. */
void h2_client_send(struct h2_client *h2);

/* ---- h2_client_call.c ---- */

/* Make a gRPC call of it. */
void h2_client_draw_call(struct h2_client *h2, struct exchange_plan *plan);

/* The fields of its request. */
void h2_client_put_call(struct writer *writer, const struct exchange_plan *plan);

/* Its status has come, with the last field block of its answer. */
void h2_client_take_call_status(struct h2_client *h2, struct h2_client_stream *stream,
    struct slice status, struct slice message);

/* It is over for its client. */
void h2_client_finish_call(struct h2_client *h2, struct h2_client_stream *stream);

/* ---- h2_client_read.c ---- */

/* Bytes have come; at: the offset of the first. False: the connection is gone. */
bool h2_client_take(struct h2_client *h2, const char *bytes, size_t len, uint64_t at);

/* WINDOW_UPDATE of a stream. */
void h2_client_put_window(
    struct h2_client *h2, struct h2_client_stream *stream, uint32_t increment);

/* Give back what streams have read. Sets the alarm for those that read slowly. */
void h2_client_widen(struct h2_client *h2);

#endif
