/* receiver.h - the receiving half of an HTTP/1 connection: bytes in, content out. */
#ifndef JOBGATE_HTTP1_RECEIVER_H
#define JOBGATE_HTTP1_RECEIVER_H

#include "http/body.h"
#include "net/buffer.h"
#include "net/conn.h"

/* A trailer section may be as long as this, and must fit the buffer. */
#define TRAILER_MAX (16 * 1024)

struct receiver {
	struct conn *conn;
	struct buffer_pool *buffers;
	struct buffer *in; /* received, not dealt with; NULL when there is nothing */
	struct body_decoder body;
	struct slice piece; /* content decoded but not taken yet; inside `in` */
	uint32_t scanned;   /* of a head that is not complete yet */
	uint32_t decoded;   /* bytes that receiver_content went through, framing included */
};

/* Read once into `in`, making room first. IO_AGAIN also when `in` is full. */
enum io receiver_fill(struct receiver *receiver);

/* The same for the rest of a message that has begun: see conn_look_again. */
enum io receiver_fill_on(struct receiver *receiver);

/*
 * The next content: what is left of the last piece, or a new one. As body_next;
 * with BODY_DATA the caller reports what it dealt with by receiver_taken.
 */
enum body_status receiver_content(struct receiver *receiver, struct slice *data);
void receiver_taken(struct receiver *receiver, size_t n);

/*
 * Take the bytes decoded since the last call off a turn's budget: chunk framing costs
 * time as content does, and a sender chooses how much of it there is. False when none is left.
 */
bool receiver_spend(struct receiver *receiver, size_t *budget);

/* Before control goes back to the loop: hold no more memory than there are bytes. */
void receiver_settle(struct receiver *receiver);

/* Give back what is held. */
void receiver_clear(struct receiver *receiver);

#endif
