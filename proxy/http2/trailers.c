/* trailers.c - trailers that wait until the content before them has been handed on. */
#include "http2/trailers.h"

#include "http/write.h"

struct buffer *
h2_trailers_keep(struct buffer_pool *buffers, const struct fields *trailers)
{
	struct buffer *kept = buffer_take(buffers, BUFFER_LARGE);
	struct writer writer;

	if (kept == NULL)
		return NULL;
	writer = writer_of(kept->bytes, buffer_room(kept));
	write_fields(&writer, trailers);
	write_literal(&writer, "\r\n");
	if (writer.full) {
		buffer_give(buffers, kept);
		return NULL;
	}
	kept->end = (uint32_t)(writer.at - kept->bytes);
	return buffer_fit(buffers, kept);
}
