/* websocket.h - the key of a WebSocket (RFC 6455 section 4), and where its frames begin and end
 * (section 5.2). */
#ifndef JOBGATE_HTTP_WEBSOCKET_H
#define JOBGATE_HTTP_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jobgate/message.h"

/*
 * The position in one direction of a WebSocket. The content of frames is neither read nor kept. It
 * only shows whether a frame of our own could come now, between two others (RFC 6455 section 5.4
 * allows control frames within a message). Zeroed, it is before the first frame.
 */
struct websocket_frames {
	uint64_t left;	       /* bytes left of the current frame's content */
	unsigned char seen;    /* bytes of the current head that have come; 0: none */
	unsigned char needed;  /* bytes of this head in total, known from its second byte on */
	unsigned char size_at; /* the first byte after its length */
};

/* Advance over bytes that were sent. */
void websocket_follow(struct websocket_frames *frames, struct slice sent);

/* True when the next byte is the first one of a frame. */
static inline bool
websocket_between_frames(const struct websocket_frames *frames)
{
	return frames->seen == 0 && frames->left == 0;
}

/* Characters of a Sec-WebSocket-Key and of a Sec-WebSocket-Accept (RFC 6455 section 4). */
#define WEBSOCKET_KEY_LEN 24
#define WEBSOCKET_ACCEPT_LEN 28

/* The key of a handshake over HTTP/1, which points into the fields. False: there is not exactly one
 * of the right length. */
bool websocket_key(const struct fields *fields, struct slice *key);

/* Codes of RFC 6455 section 7.4.1. */
#define WEBSOCKET_GOING_AWAY 1001
#define WEBSOCKET_POLICY_VIOLATION 1008

#define WEBSOCKET_CLOSE_MAX 127

/*
 * Write a server's Close frame, which is not masked. reason is UTF-8; the part beyond 123 bytes is
 * left out. Returns the frame's length in bytes.
 */
size_t websocket_close(unsigned code, struct slice reason, char out[WEBSOCKET_CLOSE_MAX]);

#endif
