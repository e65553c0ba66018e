/* websocket.h - where the frames of a WebSocket begin and end (RFC 6455 section 5.2). */
#ifndef JOBGATE_HTTP_WEBSOCKET_H
#define JOBGATE_HTTP_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jobgate/slice.h"

/*
 * How far one direction of a WebSocket has come. Nothing of a frame's content is
 * looked at or kept: only whether a frame of our own could be put in now, between
 * two others (RFC 6455 section 5.4 lets control frames stand within a message).
 * Zeroed, it stands before the first frame.
 */
struct websocket_frames {
	uint64_t left;	       /* of the content of the frame that is under way */
	unsigned char seen;    /* bytes of a head that is under way; 0: none is */
	unsigned char needed;  /* bytes that this head has in all, known from its second byte on */
	unsigned char size_at; /* the first byte behind its length */
};

/* Go on over bytes that were sent. */
void websocket_follow(struct websocket_frames *frames, struct slice sent);

/* True when the next byte is the first one of a frame. */
static inline bool
websocket_between_frames(const struct websocket_frames *frames)
{
	return frames->seen == 0 && frames->left == 0;
}

/* Codes of RFC 6455 section 7.4.1. */
#define WEBSOCKET_GOING_AWAY 1001
#define WEBSOCKET_POLICY_VIOLATION 1008

#define WEBSOCKET_CLOSE_MAX 127

/*
 * Write a server's Close frame, which is not masked. reason is UTF-8 of at most 123
 * bytes, what is more is left out. Returns the frame's length in bytes.
 */
size_t websocket_close(unsigned code, struct slice reason, char out[WEBSOCKET_CLOSE_MAX]);

#endif
