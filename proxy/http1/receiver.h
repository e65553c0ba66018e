/* receiver.h - the receiving half of an HTTP/1 connection: bytes in, content out. */
#ifndef JOBGATE_HTTP1_RECEIVER_H
#define JOBGATE_HTTP1_RECEIVER_H

#include "http/body.h"
#include "net/buffer.h"
#include "net/conn.h"

/* The longest trailer section; it must fit into the buffer. */
#define TRAILER_MAX (16 * 1024)

struct receiver {
	struct conn *conn;
	struct buffer_pool *buffers;
	struct buffer *in; /* received bytes that are not handled yet; NULL when there are none */
	struct body_decoder body;
	struct slice piece; /* content decoded but not taken yet; inside `in` */
	uint32_t scanned;   /* bytes of an incomplete head that were searched */
	uint32_t decoded;   /* bytes that receiver_content has decoded, with framing */
};

/* Read once into `in`, making room first. IO_AGAIN also when `in` is full. */
enum io receiver_fill(struct receiver *receiver);

/* The same for the rest of a message that has begun: see conn_look_again. */
enum io receiver_fill_on(struct receiver *receiver);

/*
 * The next content, as from body_next: what is left of the last piece, or a new one. With BODY_DATA
 * the caller reports what it took by receiver_taken.
 */
enum body_status receiver_content(struct receiver *receiver, struct slice *data);
void receiver_taken(struct receiver *receiver, size_t n);

/*
 * Subtract the bytes decoded since the last call from a turn's budget. Chunk framing counts,
 * because it costs time, and a sender chooses how much of it there is. False when the budget is
 * used up.
 */
bool receiver_spend(struct receiver *receiver, size_t *budget);

/* Call it before control returns to the loop: gives back memory that no bytes need. */
void receiver_settle(struct receiver *receiver);

/* Give back all memory. */
void receiver_clear(struct receiver *receiver);

#endif
