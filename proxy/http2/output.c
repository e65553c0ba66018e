/* output.c - what waits to be sent on an HTTP/2 connection, and sending it. */
#include "http2/output.h"

void
h2_output_init(struct h2_output *output, struct conn *conn, struct buffer_pool *buffers,
    void (*moved)(struct h2_output *output, uint32_t stream, uint64_t at, uint64_t to))
{
	*output = (struct h2_output){
	    .conn = conn,
	    .buffers = buffers,
	    .moved = moved,
	    .first_block_at = H2_NOWHERE,
	    .window = H2_WINDOW_DEFAULT,
	};
}

void
h2_output_clear(struct h2_output *output)
{
	buffer_give(output->buffers, output->out);
	output->out = NULL;
}

/* ---- writing ---- */

/* Make sure that `out` has room for this many more bytes. */
static bool
reserve(struct h2_output *output, size_t size)
{
	struct buffer *out = output->out, *larger;
	size_t needed = buffer_len(out) + size;

	if (out != NULL && buffer_room(out) < size)
		buffer_compact(out);
	if (out != NULL && buffer_room(out) >= size)
		return true;
	if (needed > BUFFER_LARGE) /* such blocks come from the kernel: not one for each frame */
		needed += needed / 2;
	larger = buffer_take(output->buffers, needed > BUFFER_MEDIUM ? needed : BUFFER_MEDIUM);
	if (larger == NULL)
		return false;
	if (out != NULL)
		buffer_append(larger, buffer_bytes(out));
	buffer_give(output->buffers, out);
	output->out = larger;
	return true;
}

bool
h2_output_write(struct h2_output *output, size_t size, struct writer *writer)
{
	if (output->failed)
		return false;
	if (!reserve(output, size)) {
		output->failed = true;
		return false;
	}
	*writer = writer_of(output->out->bytes + output->out->end, buffer_room(output->out));
	return true;
}

void
h2_output_written(struct h2_output *output, const struct writer *writer, bool control)
{
	struct buffer *out = output->out;
	uint32_t end = (uint32_t)(writer->at - out->bytes);

	CHECK(end >= out->end && end <= out->capacity);
	if (control)
		output->control_out += end - out->end;
	out->end = end;
	output->failed = output->failed || writer->full;
}

bool
h2_output_block(struct h2_output *output, uint32_t stream, unsigned flags, struct slice block,
    uint32_t size_max, uint64_t *at)
{
	struct writer writer;

	*at = h2_output_at(output);
	if (!h2_output_write(
		output, block.len + H2_FRAME_HEAD_LEN * (block.len / size_max + 1), &writer))
		return false;
	h2_write_block(&writer, stream, flags, block, size_max);
	h2_output_written(output, &writer, false);
	if (output->first_block_at > *at)
		output->first_block_at = *at;
	return true;
}

bool
h2_output_data(
    struct h2_output *output, uint32_t stream, unsigned flags, struct slice data, uint64_t *at)
{
	struct writer writer;

	*at = h2_output_at(output);
	if (!h2_output_write(output, H2_FRAME_HEAD_LEN + data.len, &writer))
		return false;
	h2_write_frame_head(&writer, H2_DATA, flags, stream, (uint32_t)data.len);
	write_slice(&writer, data);
	h2_output_written(output, &writer, false);
	output->window -= (int32_t)data.len;
	return true;
}

/* How many bytes of content of a stream with this window may be written now. */
static size_t
room_of(const struct h2_output *output, int32_t stream_window)
{
	size_t waiting = buffer_len(output->out), room;

	if (stream_window <= 0 || output->window <= 0 || waiting >= OUT_MAX)
		return 0;
	room = OUT_MAX - waiting;
	if (room > (size_t)stream_window)
		room = (size_t)stream_window;
	return room < (size_t)output->window ? room : (size_t)output->window;
}

size_t
h2_output_content(struct h2_output *output, uint32_t stream, struct slice data, uint32_t frame_max,
    int32_t *window, uint64_t *at)
{
	size_t most = frame_max < DATA_MAX ? frame_max : DATA_MAX, taken = 0, n;

	while (taken < data.len) {
		n = room_of(output, *window);
		if (n > data.len - taken)
			n = data.len - taken;
		if (n > most)
			n = most;
		if (n == 0 ||
		    !h2_output_data(output, stream, 0, (struct slice){data.at + taken, n}, at))
			break;
		*window -= (int32_t)n;
		taken += n;
	}
	return taken;
}

/* ---- what is there ---- */

/* The frame whose head is at this place, which has not left. */
static struct h2_frame
frame_at(const struct h2_output *output, uint64_t at)
{
	return h2_frame_read(output->out->bytes + output->out->start + (at - output->sent));
}

static uint64_t
frame_end(const struct h2_frame *frame, uint64_t at)
{
	return at + H2_FRAME_HEAD_LEN + frame->length;
}

/* True for the small frames that are counted in control_out. */
static bool
is_control(const struct h2_frame *frame)
{
	return frame->type != H2_DATA && frame->type != H2_HEADERS &&
	       frame->type != H2_CONTINUATION;
}

/* ---- sending ---- */

/* n bytes are leaving, but not all: remember what is cut, and where the next whole frame begins. */
static void
note_cut(struct h2_output *output, size_t n)
{
	uint64_t at = output->whole_at, sent = output->sent + n;

	while (at < sent) {
		struct h2_frame frame = frame_at(output, at);

		output->cut_stream = frame.type == H2_DATA ? frame.stream : 0;
		output->cut_at = at + H2_FRAME_HEAD_LEN;
		if (is_control(&frame))
			output->control_out -= H2_FRAME_HEAD_LEN + frame.length;
		at = frame_end(&frame, at);
	}
	output->whole_at = at;
}

static void
sent_in_part(struct h2_output *output, size_t n)
{
	note_cut(output, n);
	output->sent += n;
	output->out->start += (uint32_t)n;
}

enum io
h2_output_send(struct h2_output *output)
{
	struct conn *conn = output->conn;
	struct buffer *out = output->out;
	struct iovec piece;
	size_t n = 0;

	if (output->failed)
		return IO_ERROR;
	if (out == NULL && !conn->unsent)
		return IO_OK;
	if (!conn->writable)
		return IO_AGAIN;
	piece = (struct iovec){out != NULL ? out->bytes + out->start : NULL, buffer_len(out)};
	switch (conn_write(conn, &piece, out != NULL, &n)) {
	case IO_OK:
		break;
	case IO_AGAIN:
		return IO_AGAIN;
	case IO_EOF:
	case IO_ERROR:
		/* Records of TLS may have left before the one that failed. */
		if (out != NULL && n > 0)
			sent_in_part(output, n);
		output->failed = true;
		return IO_ERROR;
	}
	if (out == NULL)
		return IO_OK;
	if (n < piece.iov_len) {
		sent_in_part(output, n);
		return IO_AGAIN;
	}
	output->sent += n;
	output->whole_at = output->sent;
	output->control_out = 0;
	h2_output_clear(output);
	return conn->unsent ? IO_AGAIN : IO_OK;
}

/* ---- changing what waits ---- */

bool
h2_output_mark_end(struct h2_output *output, uint64_t at)
{
	struct h2_frame frame;

	if (!h2_output_waits(output, at))
		return false;
	frame = frame_at(output, at);
	frame.flags |= H2_END_STREAM;
	h2_frame_put(output->out->bytes + output->out->start + (at - output->sent), &frame);
	return true;
}

/* Content of this stream that has begun to leave: its frame has to be completed, but with filler.
 */
static void
blank_cut(struct h2_output *output, uint32_t stream)
{
	uint64_t from = output->cut_at > output->sent ? output->cut_at : output->sent;

	if (output->cut_stream != stream || output->whole_at <= from)
		return;
	memset(output->out->bytes + output->out->start + (from - output->sent), H2_FILLER,
	    output->whole_at - from);
}

/* Move a frame to a place before it. */
static void
move_frame(struct h2_output *output, const struct h2_frame *frame, uint64_t at, uint64_t to)
{
	char *place = output->out->bytes + output->out->start + (to - output->sent);

	if (at == to)
		return;
	memmove(place, place + (at - to), H2_FRAME_HEAD_LEN + frame->length);
	if (frame->stream != 0)
		output->moved(output, frame->stream, at, to);
}

/* The first frame that may be taken out: the rest of a block that has begun to leave has to follow
 * (RFC 9113 section 4.3). */
static uint64_t
first_free(const struct h2_output *output)
{
	uint64_t at = output->whole_at;

	while (at < h2_output_at(output)) {
		struct h2_frame frame = frame_at(output, at);

		if (frame.type != H2_CONTINUATION)
			break;
		at = frame_end(&frame, at);
	}
	return at;
}

/* Remove what a stream has written from this place on. */
static void
remove_frames(struct h2_output *output, uint32_t stream, uint64_t from)
{
	uint64_t at = first_free(output), to = at, end = h2_output_at(output);

	while (at < end) {
		struct h2_frame frame = frame_at(output, at);
		uint64_t next = frame_end(&frame, at);

		if (frame.stream == stream && at >= from && !is_control(&frame)) {
			/* A peer that has given back more than it got is left with what it has. */
			if (frame.type == H2_DATA)
				h2_window_add(&output->window, frame.length);
		} else {
			move_frame(output, &frame, at, to);
			to += next - at;
		}
		at = next;
	}
	output->out->end -= (uint32_t)(end - to);
}

void
h2_output_take_out(struct h2_output *output, uint32_t stream, uint64_t from)
{
	if (output->out == NULL)
		return;
	if (from <= output->cut_at)
		blank_cut(output, stream);
	remove_frames(output, stream, from);
	/* The first block may have been among them: the next one begins as a first one does. */
	if (output->sent <= output->first_block_at)
		output->first_block_at = H2_NOWHERE;
}
