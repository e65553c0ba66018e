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

/* Which of them a Content-Type names; the name is followed by the end, '+' or ';'. */
enum grpc_kind grpc_kind_of(struct slice content_type);

/* The same for a message with exactly one Content-Type, which is put into *content_type. */
enum grpc_kind grpc_kind_of_fields(const struct fields *fields, struct slice *content_type);

/* ---- deadlines ---- */

#define GRPC_TIMEOUT_MAX 9 /* bytes of a grpc-timeout */

/*
 * Read a grpc-timeout: at most eight digits and a unit of H, M, S, m, u, n. *ms is rounded up, so
 * that only 0 gives 0. False when it has another form.
 */
bool grpc_timeout_parse(struct slice text, uint64_t *ms);

/*
 * Write a grpc-timeout of at least this many milliseconds, in the finest unit that needs at most
 * eight digits. Returns its length. 99999999 hours is the most.
 */
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

/* The status that a client assumes for an HTTP answer of this status without a grpc-status. */
enum grpc_status grpc_status_of(unsigned http_status);

/* All statuses are smaller. */
#define GRPC_STATUS_COUNT 17

/* The status in a grpc-status field; GRPC_UNKNOWN when the field has no valid one. */
unsigned grpc_status_read(struct slice text);

/* The longest message that is sent, in bytes before it is escaped; the rest is left out. */
#define GRPC_MESSAGE_MAX 340

/* Room for the result of grpc_end_fields. */
struct grpc_end {
	struct field fields[2];
	char status[2];
	char message[3 * GRPC_MESSAGE_MAX];
};

/*
 * The fields that end a call: grpc-status and grpc-message. They lie in *end, which must not move.
 * An empty message gets no field.
 */
struct fields grpc_end_fields(struct grpc_end *end, enum grpc_status status, struct slice message);

/*
 * Escape a text for grpc-message. '%', and all that is not visible ASCII or space, becomes "%XX";
 * so does a space at either end, since no field value may begin or end with one. Returns the
 * length; out has room for three times text.len.
 */
size_t grpc_message_escape(struct slice text, char *out);

/* ---- messages ---- */

/*
 * The position in one direction of a gRPC stream. Only prefixes are read: one byte of flags, four
 * of length. Zeroed, it is before the first message.
 */
struct grpc_messages {
	uint32_t left; /* bytes left of the current message; while seen is not 0: what has come of
			  its length */
	unsigned char seen; /* bytes of the current prefix that have come; 0: none */
};

/* Advance over bytes that were sent. */
void grpc_messages_follow(struct grpc_messages *messages, struct slice sent);

/* True when the next byte is the first one of a message. Then trailers of our own may follow. */
static inline bool
grpc_between_messages(const struct grpc_messages *messages)
{
	return messages->seen == 0 && messages->left == 0;
}

#endif
