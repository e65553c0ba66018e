/* sender.c - frames and sends, with few system calls. */
#include "http1/sender.h"

#include "http/write.h"

/* Pieces up to this size are copied and merged; a larger one gets its own element of writev. */
#define COPY_MAX 4096

/* Room for the framing before and after the content of a chunk. */
#define CHUNK_FRAME_MAX (CHUNK_HEAD_MAX + 2)

/* Make sure that `out` has room for n more bytes. */
static bool
sender_reserve(struct sender *sender, size_t n)
{
	struct buffer *out = sender->out, *larger;

	if (out == NULL) {
		sender->out = buffer_take(sender->buffers, n > BUFFER_MEDIUM ? n : BUFFER_MEDIUM);
		return sender->out != NULL;
	}
	if (buffer_room(out) >= n)
		return true;
	buffer_compact(out);
	if (buffer_room(out) >= n)
		return true;
	larger = buffer_take(sender->buffers,
	    buffer_len(out) + n > BUFFER_MEDIUM ? buffer_len(out) + n : BUFFER_MEDIUM);
	if (larger == NULL)
		return false;
	buffer_append(larger, buffer_bytes(out));
	buffer_give(sender->buffers, out);
	sender->out = larger;
	return true;
}

bool
sender_append(struct sender *sender, struct slice text)
{
	if (sender->failed)
		return true;
	if (!sender_reserve(sender, text.len))
		return false;
	buffer_append(sender->out, text);
	return true;
}

/* Write `out` and then data to the socket. Returns how many bytes of data were written. */
static size_t
sender_write(struct sender *sender, struct slice data)
{
	struct iovec pieces[2];
	int count = 0;
	size_t pending = buffer_len(sender->out);
	size_t n;

	if (pending > 0)
		pieces[count++] = (struct iovec){sender->out->bytes + sender->out->start, pending};
	if (data.len > 0)
		pieces[count++] = (struct iovec){(void *)data.at, data.len};
	switch (conn_write(sender->conn, pieces, count, &n)) {
	case IO_OK:
		break;
	case IO_AGAIN:
		return 0;
	case IO_EOF:
	case IO_ERROR:
		sender->sent += n; /* records of TLS before the one that failed */
		sender->failed = true;
		sender_clear(sender);
		return data.len;
	}
	sender->sent += n;
	if (n < pending) {
		sender->out->start += (uint32_t)n;
		return 0;
	}
	if (sender->out != NULL) {
		buffer_give(sender->buffers, sender->out);
		sender->out = NULL;
	}
	return n - pending;
}

/* Content without chunk framing, or within a chunk. */
static size_t
sender_plain(struct sender *sender, struct slice data)
{
	if (data.len <= COPY_MAX &&
	    buffer_len(sender->out) + data.len + CHUNK_FRAME_MAX <= BUFFER_MEDIUM &&
	    sender_reserve(sender, data.len)) {
		buffer_append(sender->out, data);
		return data.len;
	}
	return sender_write(sender, data);
}

size_t
sender_content(struct sender *sender, struct slice data)
{
	char head[CHUNK_HEAD_MAX];
	size_t taken;

	if (sender->failed)
		return data.len;
	if (sender->framing != BODY_CHUNKED)
		return sender_plain(sender, data);
	if (sender->chunk_left == 0) {
		/*
		 * Begin a chunk as large as this piece; what is not taken now continues the chunk
		 * later.
		 */
		if (buffer_len(sender->out) + CHUNK_FRAME_MAX > BUFFER_MEDIUM) {
			sender_write(sender, (struct slice){0});
			if (sender->failed)
				return data.len;
			if (sender_pending(sender))
				return 0;
		}
		if (!sender_append(sender, (struct slice){head, chunk_head(data.len, head)}))
			return 0;
		sender->chunk_left = data.len;
	}
	if (data.len > sender->chunk_left)
		data.len = sender->chunk_left;
	taken = sender_plain(sender, data);
	if (sender->failed)
		return data.len;
	sender->chunk_left -= taken;
	if (sender->chunk_left == 0 && !sender_append(sender, SLICE("\r\n")))
		sender->failed = true; /* the chunk cannot be closed: nothing more may follow */
	return taken;
}

bool
sender_end(struct sender *sender, const struct fields *trailers)
{
	struct writer writer;
	bool done;

	if (sender->failed || sender->framing != BODY_CHUNKED)
		return true;
	if (!sender_reserve(sender, 5 + (trailers != NULL ? BUFFER_LARGE : 0)))
		return false;
	writer = writer_of(sender->out->bytes + sender->out->end, buffer_room(sender->out));
	write_literal(&writer, "0\r\n");
	if (trailers != NULL)
		write_fields(&writer, trailers);
	write_literal(&writer, "\r\n");
	done = !writer.full;
	sender->out->end = (uint32_t)(writer.at - sender->out->bytes);
	return done;
}

enum io
sender_flush(struct sender *sender)
{
	if (sender->failed)
		return IO_ERROR;
	if (!sender_pending(sender))
		return IO_OK;
	sender_write(sender, (struct slice){0});
	if (sender->failed)
		return IO_ERROR;
	return sender_pending(sender) ? IO_AGAIN : IO_OK;
}

void
sender_settle(struct sender *sender)
{
	sender->out = buffer_fit(sender->buffers, sender->out);
}

void
sender_clear(struct sender *sender)
{
	buffer_give(sender->buffers, sender->out);
	sender->out = NULL;
}
