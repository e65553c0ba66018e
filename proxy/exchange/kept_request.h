/* kept_request.h - a copy of a request's head, for as long as it may have to be sent (again). */
#ifndef JOBGATE_EXCHANGE_KEPT_REQUEST_H
#define JOBGATE_EXCHANGE_KEPT_REQUEST_H

#include "jobgate/message.h"
#include "net/buffer.h"

/*
 * Text of a head that can be kept, in bytes. No request that was read is longer once the gateway
 * has added its own fields (context_state.h has room to write them).
 */
#define KEPT_TEXT_MAX (4 * BUFFER_LARGE)

/*
 * One block holds all of it. The fields lie in it as text: HTTP/1 sends them in this form, and it
 * takes the least room. field_line_next reads them.
 */
struct kept_request {
	struct buffer *buffer;	/* the block */
	struct request request; /* its slices are in the block; without fields */
	struct slice lines;	/* the fields: "Name: value\r\n" each */
	size_t base_len;	/* of the base in front of the request's path */
	bool keeps_host;	/* its authority is the client's, not that of the URL */
};

/*
 * Keep a request: its path behind base (a job's; may be empty), those of its fields that are not
 * dropped, and behind them extra. Give it back with kept_request_free. NULL when it is too long,
 * or when memory is short.
 */
struct kept_request *kept_request_new(struct buffer_pool *buffers, const struct request *request,
    struct slice base, const struct fields *extra);

/*
 * The same request for another URL: with this authority and behind this base. `kept` stays as it
 * is. NULL when the new one is too long, or when memory is short.
 */
struct kept_request *kept_request_move(struct buffer_pool *buffers, const struct kept_request *kept,
    struct slice authority, struct slice base);

/* NULL is allowed. */
void kept_request_free(struct buffer_pool *buffers, struct kept_request *kept);

#endif
