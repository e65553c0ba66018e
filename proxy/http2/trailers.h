/* trailers.h - trailers that wait until the content before them has been handed on. */
#ifndef JOBGATE_HTTP2_TRAILERS_H
#define JOBGATE_HTTP2_TRAILERS_H

#include "jobgate/message.h"
#include "net/buffer.h"

/*
 * Write trailers in a buffer as lines, which trailers_parse reads; the caller gives it back. NULL:
 * memory is short, or they are too long.
 */
struct buffer *h2_trailers_keep(struct buffer_pool *buffers, const struct fields *trailers);

#endif
