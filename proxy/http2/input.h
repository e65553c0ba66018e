/* input.h - reads what comes on an HTTP/2 connection. */
#ifndef JOBGATE_HTTP2_INPUT_H
#define JOBGATE_HTTP2_INPUT_H

#include "net/buffer.h"
#include "net/conn.h"

/* Make *in, which may be NULL, a buffer with room behind what is in it. False: memory is short. */
static inline bool
h2_input_reserve(struct buffer **in, struct buffer_pool *buffers)
{
	struct buffer *large;

	if (*in != NULL && (*in)->capacity >= BUFFER_LARGE) {
		buffer_compact(*in);
		return true;
	}
	large = buffer_take(buffers, BUFFER_LARGE);
	if (large == NULL)
		return false;
	if (*in != NULL)
		buffer_append(large, buffer_bytes(*in));
	buffer_give(buffers, *in);
	*in = large;
	return true;
}

/*
 * Read once, behind what is in *in. With IO_OK *n is how many bytes have come. IO_AGAIN: there is
 * nothing. IO_ERROR: also when memory is short.
 */
static inline enum io
h2_input_read(struct buffer **in, struct buffer_pool *buffers, struct conn *conn, size_t *n)
{
	enum io io;

	/* The connection may have ended right after the first part of a frame. */
	if (*in != NULL)
		conn_look_again(conn);
	if (!conn->readable)
		return IO_AGAIN;
	if (!h2_input_reserve(in, buffers))
		return IO_ERROR;
	io = conn_read(conn, (*in)->bytes + (*in)->end, buffer_room(*in), n);
	if (io == IO_OK)
		(*in)->end += (uint32_t)*n;
	return io;
}

/* Give back *in when it is empty; it is NULL then. */
static inline void
h2_input_drop_empty(struct buffer **in, struct buffer_pool *buffers)
{
	if (*in == NULL || buffer_len(*in) > 0)
		return;
	buffer_give(buffers, *in);
	*in = NULL;
}

#endif
