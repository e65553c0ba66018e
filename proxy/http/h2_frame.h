/*
 * h2_frame.h - frames of HTTP/2: their heads, the rules for each type, and small frames as a whole
 * (RFC 9113 sections 4 and 6).
 */
#ifndef JOBGATE_HTTP_H2_FRAME_H
#define JOBGATE_HTTP_H2_FRAME_H

#include "http/write.h"
#include "jobgate/slice.h"

/* What a client sends first (section 3.4); SETTINGS follow. */
#define H2_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define H2_PREFACE_LEN (sizeof(H2_PREFACE) - 1)

#define H2_FRAME_HEAD_LEN 9	     /* bytes */
#define H2_FRAME_SIZE_DEFAULT 16384  /* bytes; also the smallest allowed limit of a payload */
#define H2_FRAME_SIZE_LIMIT 0xffffff /* the most of what is allowed */
#define H2_WINDOW_DEFAULT 65535	     /* bytes */
#define H2_WINDOW_LIMIT 0x7fffffff   /* bytes */
#define H2_STREAM_LIMIT 0x7fffffffu  /* the last stream id */

enum h2_frame_type {
	H2_DATA = 0x0,
	H2_HEADERS = 0x1,
	H2_PRIORITY = 0x2,
	H2_RST_STREAM = 0x3,
	H2_SETTINGS = 0x4,
	H2_PUSH_PROMISE = 0x5,
	H2_PING = 0x6,
	H2_GOAWAY = 0x7,
	H2_WINDOW_UPDATE = 0x8,
	H2_CONTINUATION = 0x9,
	H2_PRIORITY_UPDATE = 0x10, /* RFC 9218; ignored, as are all unknown types */
};

enum h2_flag {
	H2_ACK = 0x1,	     /* SETTINGS, PING */
	H2_END_STREAM = 0x1, /* DATA, HEADERS */
	H2_END_HEADERS = 0x4,
	H2_PADDED = 0x8,
	H2_WITH_PRIORITY = 0x20, /* HEADERS */
};

/* Section 7. */
enum h2_error {
	H2_NO_ERROR = 0x0,
	H2_PROTOCOL_ERROR = 0x1,
	H2_INTERNAL_ERROR = 0x2,
	H2_FLOW_CONTROL_ERROR = 0x3,
	H2_SETTINGS_TIMEOUT = 0x4,
	H2_STREAM_CLOSED = 0x5,
	H2_FRAME_SIZE_ERROR = 0x6,
	H2_REFUSED_STREAM = 0x7,
	H2_CANCEL = 0x8,
	H2_COMPRESSION_ERROR = 0x9,
	H2_CONNECT_ERROR = 0xa,
	H2_ENHANCE_YOUR_CALM = 0xb,
	H2_INADEQUATE_SECURITY = 0xc,
	H2_HTTP_1_1_REQUIRED = 0xd,
};

/* The head of a frame (section 4.1). */
struct h2_frame {
	uint32_t length;     /* of the payload, bytes */
	uint32_t stream;     /* 0 to H2_STREAM_LIMIT */
	unsigned char type;  /* an enum h2_frame_type, or another number */
	unsigned char flags; /* of enum h2_flag, or others */
};

enum h2_scope {
	H2_FINE,
	H2_STREAM_BAD,	   /* RST_STREAM with the error; GOAWAY is always allowed instead */
	H2_CONNECTION_BAD, /* GOAWAY with the error, then close */
};

/* What a frame deserves. */
struct h2_check {
	enum h2_scope scope;
	enum h2_error error; /* H2_NO_ERROR with H2_FINE */
};

/* ---- reading ---- */

/* Read the H2_FRAME_HEAD_LEN bytes at `at`. The reserved bit is ignored (section 4.1). */
struct h2_frame h2_frame_read(const char *at);

static inline bool
h2_frame_has(const struct h2_frame *frame, enum h2_flag flag)
{
	return (frame->flags & flag) != 0;
}

/*
 * Check a head by itself, before any byte of the payload has come: its length, also against our
 * SETTINGS_MAX_FRAME_SIZE, and whether it belongs to a stream or to the connection. PUSH_PROMISE is
 * always an error: clients must not send it, and our SETTINGS forbid it to backends. An unknown
 * type is correct: ignore its payload (section 4.1). The caller checks what depends on the state of
 * a stream.
 */
struct h2_check h2_frame_check(const struct h2_frame *frame, uint32_t size_max);

/* Which frames may come next on a connection. */
enum h2_due {
	H2_DUE_ANY,
	H2_DUE_SETTINGS,     /* it begins: SETTINGS without ACK (section 3.4) */
	H2_DUE_CONTINUATION, /* a block of fields is not complete (section 6.10) */
};

/*
 * Read the frame at the start of `in`. False: more of it has to come. True: *check says what the
 * frame deserves, and *payload is its payload, part of `in`. An error of the connection
 * (H2_CONNECTION_BAD) is found in the frame's head alone; *payload is empty then. Our
 * SETTINGS_MAX_FRAME_SIZE is H2_FRAME_SIZE_DEFAULT.
 */
bool h2_frame_next(struct slice in, enum h2_due due, struct h2_frame *frame, struct slice *payload,
    struct h2_check *check);

/* The text of a GOAWAY, when h2_frame_next has found an error of the connection. */
struct slice h2_due_text(enum h2_due due);

/*
 * How many bytes of DATA or HEADERS come before the content: a pad length and a priority, 0 to 6
 * bytes. h2_frame_check has made sure that the frame has them.
 */
uint32_t h2_prefix_len(const struct h2_frame *frame);

/*
 * Check those h2_prefix_len bytes; *content is how many bytes follow them before the padding. It is
 * an error if the padding does not fit, or if a stream depends on itself (RFC 7540 section 5.3.1).
 * Otherwise priorities are ignored. Padding is not checked to be zeros (section 6.1).
 */
struct h2_check h2_prefix_read(const struct h2_frame *frame, const char *prefix, uint32_t *content);

/* PRIORITY (section 6.3): 5 bytes at payload, checked and ignored. */
struct h2_check h2_priority_check(const struct h2_frame *frame, const char *payload);

/*
 * RST_STREAM (section 6.4): 4 bytes at payload. Unknown error codes count as H2_INTERNAL_ERROR
 * (section 7).
 */
enum h2_error h2_rst_stream_read(const char *payload);

/*
 * WINDOW_UPDATE (section 6.9): 4 bytes at payload. An increment of 0 is an error of its stream, or
 * of the connection if it is for the connection.
 */
struct h2_check h2_window_update_read(
    const struct h2_frame *frame, const char *payload, uint32_t *increment);

/* GOAWAY (section 6.8). */
struct h2_goaway {
	uint32_t last; /* stream id */
	enum h2_error error;
	struct slice debug; /* part of the payload; may be empty */
};

struct h2_goaway h2_goaway_read(struct slice payload);

/* Section 6.5.2, RFC 8441 section 3, RFC 9218 section 2.1. */
enum h2_setting_id {
	H2_SETTINGS_HEADER_TABLE_SIZE = 0x1,
	H2_SETTINGS_ENABLE_PUSH = 0x2,
	H2_SETTINGS_MAX_CONCURRENT_STREAMS = 0x3,
	H2_SETTINGS_INITIAL_WINDOW_SIZE = 0x4,
	H2_SETTINGS_MAX_FRAME_SIZE = 0x5,
	H2_SETTINGS_MAX_HEADER_LIST_SIZE = 0x6,
	H2_SETTINGS_ENABLE_CONNECT_PROTOCOL = 0x8,
	H2_SETTINGS_NO_RFC7540_PRIORITIES = 0x9,
};

/* What a peer allows us. */
struct h2_settings {
	uint32_t header_table_size; /* ours is 0 in any case */
	uint32_t max_concurrent_streams;
	uint32_t initial_window_size; /* see h2_window_shift */
	uint32_t max_frame_size;
	uint32_t max_header_list_size;
	bool enable_push;
	bool enable_connect_protocol;
	bool no_rfc7540_priorities;
	bool received; /* a SETTINGS frame has been read */
};

/* The values before the first SETTINGS frame. */
void h2_settings_init(struct h2_settings *settings);

/*
 * Take the values of a SETTINGS frame without ACK, whose payload is complete and has passed
 * h2_frame_check. Unknown ids are ignored; later values of an id replace earlier ones. Errors are
 * connection errors, after which settings must not be used. from_server: a server must not enable
 * push (section 6.5.2).
 */
struct h2_check h2_settings_read(
    struct h2_settings *settings, struct slice payload, bool from_server);

/* ---- flow control (sections 5.2 and 6.9) ---- */

/* Our window for sending; SETTINGS can make it negative. */

/*
 * Add a WINDOW_UPDATE's increment. False, without a change, if the sum is above H2_WINDOW_LIMIT: a
 * FLOW_CONTROL_ERROR of the stream, or of the connection.
 */
bool h2_window_add(int32_t *window, uint32_t increment);

/*
 * SETTINGS_INITIAL_WINDOW_SIZE has changed from one value to another (section 6.9.2): shift the
 * window of a stream. False, without a change, if the result is above H2_WINDOW_LIMIT: a
 * FLOW_CONTROL_ERROR of the connection.
 */
bool h2_window_shift(int32_t *window, uint32_t from, uint32_t to);

/* ---- writing ---- */

/* Write a frame's head at out; also for frames whose length is known only later. */
void h2_frame_put(char out[H2_FRAME_HEAD_LEN], const struct h2_frame *frame);

/*
 * These append whole frames to a writer (write.h). A frame that does not fit is left out as a whole
 * and sets `full`.
 */
struct h2_setting {
	uint16_t id; /* of enum h2_setting_id */
	uint32_t value;
};

/* A head alone; the caller sends the payload after it. */
void h2_write_frame_head(struct writer *writer, enum h2_frame_type type, unsigned flags,
    uint32_t stream, uint32_t length);
void h2_write_settings(struct writer *writer, const struct h2_setting *settings, size_t count);
void h2_write_settings_ack(struct writer *writer);
void h2_write_ping(struct writer *writer, bool ack, const char payload[8]);
void h2_write_rst_stream(struct writer *writer, uint32_t stream, enum h2_error error);
void h2_write_window_update(struct writer *writer, uint32_t stream, uint32_t increment);
void h2_write_goaway(struct writer *writer, uint32_t last, enum h2_error error, struct slice debug);

/*
 * A whole field block as HEADERS and, if it is longer than size_max (the peer's
 * SETTINGS_MAX_FRAME_SIZE), CONTINUATION frames. flags: H2_END_STREAM or 0.
 */
void h2_write_block(
    struct writer *writer, uint32_t stream, unsigned flags, struct slice block, uint32_t size_max);

#endif
