/* grpc.h - what gRPC over HTTP/2 adds to HTTP: its content types, deadlines, statuses, and where
 * its messages end (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). */
#ifndef JOBGATE_HTTP_GRPC_H
#define JOBGATE_HTTP_GRPC_H

#include "jobgate/message.h"

enum grpc_kind {
	GRPC_NONE,
	GRPC_PLAIN, /* application/grpc */
	GRPC_WEB,   /* application/grpc-web or -web-text: for browsers, over any HTTP */
};

/* Which of them a Content-Type names: its name, then the end, '+' or ';'. */
enum grpc_kind grpc_kind_of(struct slice content_type);

/* The same of a message, from its one Content-Type, which *content_type becomes. */
enum grpc_kind grpc_kind_of_fields(const struct fields *fields, struct slice *content_type);

/* ---- deadlines ---- */

#define GRPC_TIMEOUT_MAX 9 /* bytes of a grpc-timeout */

/*
 * Read a grpc-timeout: at most eight digits and a unit of H, M, S, m, u, n. *ms is rounded up, so
 * that only 0 is 0. False when it is none.
 */
bool grpc_timeout_parse(struct slice text, uint64_t *ms);

/* Write one of at least this many milliseconds, in the finest unit that eight digits can hold.
 * Returns its length. What is longer than 99999999 hours becomes that. */
size_t grpc_timeout_format(uint64_t ms, char out[GRPC_TIMEOUT_MAX]);

/* ---- statuses ---- */

enum grpc_status {
	GRPC_OK = 0,
	GRPC_UNKNOWN = 2,
	GRPC_DEADLINE_EXCEEDED = 4,
	GRPC_NOT_FOUND = 5,
	GRPC_PERMISSION_DENIED = 7,
	GRPC_RESOURCE_EXHAUSTED = 8,
	GRPC_UNIMPLEMENTED = 12,
	GRPC_INTERNAL = 13,
	GRPC_UNAVAILABLE = 14,
	GRPC_UNAUTHENTICATED = 16,
};

/* What a client makes of an answer of HTTP with this status that has no grpc-status. */
enum grpc_status grpc_status_of(unsigned http_status);

/* All statuses are smaller. */
#define GRPC_STATUS_COUNT 17

/* The status that a grpc-status field says; GRPC_UNKNOWN when it says none. */
unsigned grpc_status_read(struct slice text);

/* The longest message that is sent, in bytes before it is escaped; the rest is left out. */
#define GRPC_MESSAGE_MAX 340

/* The room that grpc_end_fields takes. */
struct grpc_end {
	struct field fields[2];
	char status[2];
	char message[3 * GRPC_MESSAGE_MAX];
};

/*
 * The fields by which a call ends, grpc-status and grpc-message. They lie in *end, which must not
 * move. An empty message has no field.
 */
struct fields grpc_end_fields(struct grpc_end *end, enum grpc_status status, struct slice message);

/* Escape a text for grpc-message: "%XX" for '%', for what is not visible ASCII or space, and for a
 * space at either end, which no field's value may have. Returns the length; out has room for three
 * times text.len. */
size_t grpc_message_escape(struct slice text, char *out);

/* ---- messages ---- */

/*
 * How far one direction of a gRPC stream has come. Only the prefixes are looked at: one byte of
 * flags, four of length. Zeroed, it stands before the first message.
 */
struct grpc_messages {
	uint32_t left; /* of the message that is under way, bytes; while seen is not 0: what has
			  come of its length */
	unsigned char seen; /* bytes of a prefix that is under way; 0: none is */
};

/* Go on over bytes that were sent. */
void grpc_messages_follow(struct grpc_messages *messages, struct slice sent);

/* True when the next byte is the first one of a message. Then trailers of our own may follow. */
static inline bool
grpc_between_messages(const struct grpc_messages *messages)
{
	return messages->seen == 0 && messages->left == 0;
}

#endif
