/* output.c - what waits to be sent on a connection, and sending it. */
#include "downstream/http2/session_state.h"

/* Make sure that `out` has room for this many more bytes. */
static bool
reserve(struct http2_session *session, size_t size)
{
	struct buffer_pool *buffers = session->downstream->buffers;
	struct buffer *out = session->out, *larger;
	size_t needed = buffer_len(out) + size;

	if (out != NULL && buffer_room(out) < size)
		buffer_compact(out);
	if (out != NULL && buffer_room(out) >= size)
		return true;
	larger = buffer_take(buffers, needed > BUFFER_MEDIUM ? needed : BUFFER_MEDIUM);
	if (larger == NULL)
		return false;
	if (out != NULL)
		buffer_append(larger, buffer_bytes(out));
	buffer_give(buffers, out);
	session->out = larger;
	return true;
}

bool
http2_write(struct http2_session *session, size_t size, struct writer *writer)
{
	if (session->failed)
		return false;
	if (!reserve(session, size)) {
		session->failed = true;
		http2_wake(session);
		return false;
	}
	*writer = writer_of(session->out->bytes + session->out->end, buffer_room(session->out));
	return true;
}

void
http2_written(struct http2_session *session, const struct writer *writer, bool control)
{
	struct buffer *out = session->out;
	uint32_t end = (uint32_t)(writer->at - out->bytes);

	CHECK(end >= out->end && end <= out->capacity, client_connection_dump, session->connection);
	if (control)
		session->control_out += end - out->end;
	out->end = end;
	session->failed = session->failed || writer->full;
	http2_wake(session);
}

/* The frame whose head is at this place, which has not left. */
static struct h2_frame
frame_at(const struct http2_session *session, uint64_t at)
{
	return h2_frame_read(session->out->bytes + session->out->start + (at - session->sent));
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

/* n bytes are leaving, but not all: remember what is cut, and where the next whole frame begins. */
static void
note_cut(struct http2_session *session, size_t n)
{
	uint64_t at = session->whole_at, sent = session->sent + n;

	while (at < sent) {
		struct h2_frame frame = frame_at(session, at);

		session->cut_stream = frame.type == H2_DATA ? frame.stream : 0;
		session->cut_at = at + H2_FRAME_HEAD_LEN;
		if (is_control(&frame))
			session->control_out -= H2_FRAME_HEAD_LEN + frame.length;
		at = frame_end(&frame, at);
	}
	session->whole_at = at;
}

enum io
http2_send(struct http2_session *session)
{
	struct conn *conn = &session->connection->conn;
	struct buffer *out = session->out;
	struct iovec piece;
	size_t n = 0;

	if (session->failed)
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
		session->failed = true;
		return IO_ERROR;
	}
	if (out == NULL)
		return IO_OK;
	if (n < piece.iov_len) {
		note_cut(session, n);
		session->sent += n;
		out->start += (uint32_t)n;
		return IO_AGAIN;
	}
	session->sent += n;
	session->whole_at = session->sent;
	session->control_out = 0;
	buffer_give(session->downstream->buffers, out);
	session->out = NULL;
	return conn->unsent ? IO_AGAIN : IO_OK;
}

uint64_t
http2_acknowledged(struct http2_session *session)
{
	uint64_t now_ms = session_now_ms(session);

	if (session->acknowledged_ms != now_ms) {
		session->acknowledged_ms = now_ms;
		session->acknowledged =
		    session->sent - conn_unacknowledged(&session->connection->conn);
	}
	return session->acknowledged;
}

bool
http2_mark_end(struct http2_stream *stream)
{
	struct http2_session *session = stream->session;
	uint64_t at = stream->last_frame_at;
	struct h2_frame frame;

	if (at == NOWHERE || at < session->whole_at || at < session->sent)
		return false;
	frame = frame_at(session, at);
	CHECK(frame.stream == stream->id, http2_stream_dump, stream);
	frame.flags |= H2_END_STREAM;
	h2_frame_put(session->out->bytes + session->out->start + (at - session->sent), &frame);
	return true;
}

/* Content of this stream that has begun to leave: its frame has to be completed, but with zeros. */
static void
blank_cut(struct http2_stream *stream)
{
	struct http2_session *session = stream->session;
	uint64_t from = session->cut_at > session->sent ? session->cut_at : session->sent;

	if (session->cut_stream != stream->id || session->whole_at <= from)
		return;
	memset(session->out->bytes + session->out->start + (from - session->sent), 0,
	    session->whole_at - from);
}

/* Move a frame to a place before it, and what its stream knows of it. */
static void
move_frame(struct http2_session *session, const struct h2_frame *frame, uint64_t at, uint64_t to)
{
	char *place = session->out->bytes + session->out->start + (to - session->sent);
	struct http2_stream *stream;

	if (at == to)
		return;
	memmove(place, place + (at - to), H2_FRAME_HEAD_LEN + frame->length);
	stream = http2_find(session, frame->stream);
	if (stream == NULL)
		return;
	if (stream->answer_at == at)
		stream->answer_at = to;
	if (stream->last_frame_at == at)
		stream->last_frame_at = to;
}

/* The first frame that may be taken out: the rest of a block that has begun to leave has to follow
 * (RFC 9113 section 4.3). */
static uint64_t
first_free(const struct http2_session *session)
{
	uint64_t at = session->whole_at;

	while (at < http2_out_at(session)) {
		struct h2_frame frame = frame_at(session, at);

		if (frame.type != H2_CONTINUATION)
			break;
		at = frame_end(&frame, at);
	}
	return at;
}

/* Remove what a stream has written from this place on. */
static void
remove_frames(struct http2_stream *stream, uint64_t from)
{
	struct http2_session *session = stream->session;
	uint64_t at = first_free(session), to = at, end = http2_out_at(session);

	while (at < end) {
		struct h2_frame frame = frame_at(session, at);
		uint64_t next = frame_end(&frame, at);

		if (frame.stream == stream->id && at >= from && !is_control(&frame)) {
			/* A client that has given back more than it got is left with what it has.
			 */
			if (frame.type == H2_DATA)
				h2_window_add(&session->send_window, frame.length);
		} else {
			move_frame(session, &frame, at, to);
			to += next - at;
		}
		at = next;
	}
	session->out->end -= (uint32_t)(end - to);
}

void
http2_take_out(struct http2_stream *stream, uint64_t from)
{
	struct http2_session *session = stream->session;

	if (session->out == NULL)
		return;
	if (from <= session->cut_at)
		blank_cut(stream);
	remove_frames(stream, from);
	stream->last_frame_at = NOWHERE;
	/* The first block may have been among them: the next one begins as a first one does. */
	if (session->sent <= session->first_block_at)
		session->first_block_at = NOWHERE;
}
