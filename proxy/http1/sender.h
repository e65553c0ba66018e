/* sender.h - the sending half of an HTTP/1 connection: heads and content in, bytes out. */
#ifndef JOBGATE_HTTP1_SENDER_H
#define JOBGATE_HTTP1_SENDER_H

#include "http/body.h"
#include "jobgate/message.h"
#include "net/buffer.h"
#include "net/conn.h"

/*
 * Small pieces are gathered in `out` and sent together by sender_flush. Large ones are sent from
 * where they are, after the bytes of `out`, in one system call.
 */
struct sender {
	struct conn *conn;
	struct buffer_pool *buffers;
	struct buffer *out; /* bytes to be sent; NULL when there are none */
	enum body_kind framing;
	bool failed;	     /* the connection is lost: all content is dropped */
	uint64_t chunk_left; /* bytes left of a chunk whose size has been sent */
	uint64_t sent;	     /* bytes that the connection took, since it was made */
};

/* Append bytes without framing (a head). False when memory is short. */
bool sender_append(struct sender *sender, struct slice text);

/* Send content in the framing set; returns how many bytes of it were taken. */
size_t sender_content(struct sender *sender, struct slice data);

/* End the content: sends the last chunk with its trailers, if the framing has one. */
bool sender_end(struct sender *sender, const struct fields *trailers);

/* Send what was gathered. IO_OK when all has been sent. */
enum io sender_flush(struct sender *sender);

static inline bool
sender_pending(const struct sender *sender)
{
	return buffer_len(sender->out) > 0 || sender->conn->unsent;
}

/* True when the peer can read none of the bytes that were sent since `sent` was 0. */
static inline bool
sender_is_unseen(const struct sender *sender)
{
	return sender->sent <= conn_unsent_content(sender->conn);
}

/* Before control goes back to the loop: hold no more memory than there are bytes. */
void sender_settle(struct sender *sender);

void sender_clear(struct sender *sender);

#endif
