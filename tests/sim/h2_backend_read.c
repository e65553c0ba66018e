/* h2_backend_read.c - the frames and the windows of a backend that speaks HTTP/2. */
#include "h2_backend.h"
#include "trace.h"
#include "world.h"

#define PAYLOAD_MAX (16 * 1024)

bool
h2_backend_is_bad(struct h2_backend *connection, uint32_t mark, const char *what)
{
	h2_backend_violation(connection, mark, what);
	return false;
}

/* ---- windows ---- */

static void
put_window(struct h2_backend *connection, uint32_t id, uint32_t increment)
{
	char frame[H2_FRAME_HEAD_LEN + 4];
	struct writer writer = writer_of(frame, sizeof(frame));

	h2_write_window_update(&writer, id, increment);
	h2_backend_put(connection, frame, sizeof(frame));
}

void
h2_backend_widen(struct h2_backend *connection)
{
	struct h2_backend_stream *stream;

	LIST_FOREACH(stream, &connection->streams, link)
	{
		if (stream->credit == 0 || stream->request_ended)
			continue;
		if (connection->slow && !random_chance(&connection->backend->random, 300)) {
			if (!alarm_is_set(&connection->look))
				alarm_set(&connection->look,
				    schedule_now_ns() + random_skewed(&connection->backend->random,
							    NS_PER_MS, 50 * NS_PER_MS));
			continue;
		}
		put_window(connection, stream->id, stream->credit);
		stream->receive_window += stream->credit;
		stream->credit = 0;
	}
}

/* ---- frames ---- */

static void
wake_all(struct h2_backend *connection)
{
	struct h2_backend_stream *stream;

	LIST_FOREACH(stream, &connection->streams, link)
	if (stream->state == H2_BACKEND_ANSWERING && !alarm_is_set(&stream->act))
		alarm_set(&stream->act, schedule_now_ns());
}

static void
take_settings_ack(struct h2_backend *connection)
{
	struct h2_backend_stream *stream;

	LIST_FOREACH(stream, &connection->streams, link)
	stream->receive_window +=
	    (int64_t)connection->next_window - (int64_t)connection->initial_window;
	connection->initial_window = connection->next_window;
}

static bool
take_settings(struct h2_backend *connection, struct slice payload)
{
	uint32_t before = connection->settings.initial_window_size;
	char frame[H2_FRAME_HEAD_LEN];
	struct writer writer = writer_of(frame, sizeof(frame));
	struct h2_backend_stream *stream;

	if (h2_frame_has(&connection->frame, H2_ACK)) {
		take_settings_ack(connection);
		return true;
	}
	if (h2_settings_read(&connection->settings, payload, false).scope != H2_FINE)
		return h2_backend_is_bad(connection, 0, "SETTINGS that are wrong");
	LIST_FOREACH(stream, &connection->streams, link)
	stream->send_window += (int64_t)connection->settings.initial_window_size - (int64_t)before;
	h2_write_settings_ack(&writer);
	h2_backend_put(connection, frame, sizeof(frame));
	wake_all(connection);
	return true;
}

static void
take_ping(struct h2_backend *connection, struct slice payload)
{
	char frame[H2_FRAME_HEAD_LEN + 8];
	struct writer writer = writer_of(frame, sizeof(frame));

	if (h2_frame_has(&connection->frame, H2_ACK))
		return;
	h2_write_ping(&writer, true, payload.at);
	h2_backend_put(connection, frame, sizeof(frame));
}

static bool
take_window(struct h2_backend *connection, struct slice payload)
{
	struct h2_backend_stream *stream = h2_backend_find(connection, connection->frame.stream);
	uint32_t increment;

	if (h2_window_update_read(&connection->frame, payload.at, &increment).scope != H2_FINE)
		return h2_backend_is_bad(connection, 0, "a WINDOW_UPDATE that is wrong");
	if (connection->frame.stream == 0)
		connection->send_window += increment;
	else if (stream != NULL)
		stream->send_window += increment;
	if (connection->send_window > H2_WINDOW_LIMIT ||
	    (stream != NULL && stream->send_window > H2_WINDOW_LIMIT))
		return h2_backend_is_bad(connection, 0, "a window beyond its limit");
	wake_all(connection);
	return true;
}

/* Errors that say that the backend has broken the rules. */
static bool
is_blamed(enum h2_error error)
{
	return error == H2_PROTOCOL_ERROR || error == H2_FLOW_CONTROL_ERROR ||
	       error == H2_STREAM_CLOSED || error == H2_FRAME_SIZE_ERROR ||
	       error == H2_COMPRESSION_ERROR || error == H2_ENHANCE_YOUR_CALM;
}

static bool
take_goaway(struct h2_backend *connection, struct slice payload)
{
	struct h2_goaway goaway = h2_goaway_read(payload);

	trace_event(connection->backend->host.name, "gets GOAWAY", goaway.last, goaway.error);
	if (connection->ruined || !is_blamed(goaway.error))
		return true;
	trace_say(
	    connection->backend->host.name, "GOAWAY: %.*s", (int)goaway.debug.len, goaway.debug.at);
	return h2_backend_is_bad(connection, 0, "GOAWAY for what it has not done");
}

static bool
take_reset(struct h2_backend *connection, struct slice payload)
{
	struct h2_backend_stream *stream = h2_backend_find(connection, connection->frame.stream);
	enum h2_error error = h2_rst_stream_read(payload.at);

	trace_event(
	    connection->backend->host.name, "gets RST_STREAM", connection->frame.stream, error);
	if (stream == NULL)
		return true;
	if (is_blamed(error) && !connection->ruined)
		return h2_backend_is_bad(
		    connection, stream->mark, "RST_STREAM for what it has not done");
	h2_backend_end(stream);
	return true;
}

static bool
take_headers(struct h2_backend *connection, struct slice payload)
{
	const struct h2_frame *frame = &connection->frame;
	bool begins = frame->type == H2_HEADERS;

	if (begins != (connection->block_stream == 0) ||
	    (!begins && frame->stream != connection->block_stream) ||
	    h2_frame_has(frame, H2_PADDED) || (begins && h2_frame_has(frame, H2_WITH_PRIORITY)))
		return h2_backend_is_bad(connection, 0, "HEADERS or CONTINUATION out of place");
	if (begins) {
		connection->block_ends = h2_frame_has(frame, H2_END_STREAM);
		connection->block_at = connection->frame_at;
	}
	connection->block_stream = frame->stream;
	bytes_append(&connection->block, payload.at, payload.len);
	return !h2_frame_has(frame, H2_END_HEADERS) || h2_backend_take_block(connection);
}

/* A whole frame; of DATA, the content has been taken already. */
static bool
take_frame(struct h2_backend *connection)
{
	struct slice payload = {bytes_first(&connection->payload), connection->payload.len};
	struct h2_backend_stream *stream;

	switch ((enum h2_frame_type)connection->frame.type) {
	case H2_DATA:
		stream = h2_backend_find(connection, connection->frame.stream);
		if (stream != NULL && h2_frame_has(&connection->frame, H2_END_STREAM))
			h2_backend_request_is_whole(stream);
		return true;
	case H2_HEADERS:
	case H2_CONTINUATION:
		return take_headers(connection, payload);
	case H2_RST_STREAM:
		return take_reset(connection, payload);
	case H2_SETTINGS:
		return take_settings(connection, payload);
	case H2_PING:
		take_ping(connection, payload);
		return true;
	case H2_GOAWAY:
		return take_goaway(connection, payload);
	case H2_WINDOW_UPDATE:
		return take_window(connection, payload);
	case H2_PRIORITY:
	case H2_PUSH_PROMISE:
	case H2_PRIORITY_UPDATE:
		break;
	}
	return h2_backend_is_bad(connection, 0, "a frame that no client sends");
}

/* DATA counts in both windows, whatever its stream has come to. */
static bool
begin_data(struct h2_backend *connection)
{
	struct h2_backend_stream *stream = h2_backend_find(connection, connection->frame.stream);
	uint32_t len = connection->frame.length;

	connection->receive_window -= len;
	if (stream != NULL)
		stream->receive_window -= len;
	if (len > 0 &&
	    (connection->receive_window < 0 || (stream != NULL && stream->receive_window < 0)))
		return h2_backend_is_bad(
		    connection, stream != NULL ? stream->mark : 0, "DATA beyond the window");
	if (h2_frame_has(&connection->frame, H2_PADDED) ||
	    connection->frame.stream > connection->last_id)
		return h2_backend_is_bad(
		    connection, 0, "DATA that is padded, or of a stream without a head");
	connection->receive_window += len;
	if (len > 0)
		put_window(connection, 0, len);
	return true;
}

static bool
begin_frame(struct h2_backend *connection)
{
	connection->frame = h2_frame_read(connection->frame_head);
	connection->frame_head_len = 0;
	connection->payload_left = connection->frame.length;
	bytes_drop(&connection->payload, connection->payload.len);
	trace_event(connection->backend->host.name, "gets frame", connection->frame.type,
	    (uint64_t)connection->frame.stream << 32 | connection->frame.length);
	if (h2_frame_check(&connection->frame, PAYLOAD_MAX).scope != H2_FINE)
		return h2_backend_is_bad(connection, 0, "a frame that is wrong");
	if (!connection->settings.received && connection->frame.type != H2_SETTINGS)
		return h2_backend_is_bad(connection, 0, "a frame before SETTINGS");
	if (connection->block_stream != 0 && connection->frame.type != H2_CONTINUATION)
		return h2_backend_is_bad(connection, 0, "a frame within a field block");
	return connection->frame.type != H2_DATA || begin_data(connection);
}

/* As much as belongs to the frame; returns how much. 0: it is wrong. */
static size_t
take_payload(struct h2_backend *connection, const char *bytes, size_t len, uint64_t at)
{
	if (len > connection->payload_left)
		len = connection->payload_left;
	if (connection->frame.type != H2_DATA)
		bytes_append(&connection->payload, bytes, len);
	else if (!h2_backend_take_content(connection, bytes, len, at))
		return 0;
	connection->payload_left -= (uint32_t)len;
	return len;
}

/* The next byte of the preface or of a frame's head. */
static bool
take_byte(struct h2_backend *connection, char byte, uint64_t at)
{
	if (connection->preface < H2_PREFACE_LEN)
		return H2_PREFACE[connection->preface++] == byte ||
		       h2_backend_is_bad(connection, 0, "another preface");
	if (connection->frame_head_len == 0)
		connection->frame_at = at;
	connection->frame_head[connection->frame_head_len++] = byte;
	if (connection->frame_head_len < H2_FRAME_HEAD_LEN)
		return true;
	return begin_frame(connection) && (connection->payload_left > 0 || take_frame(connection));
}

bool
h2_backend_take(struct h2_backend *connection, const char *bytes, size_t len, uint64_t at)
{
	size_t done = 0, taken;

	while (done < len) {
		if (connection->payload_left == 0) {
			if (!take_byte(connection, bytes[done], at + done))
				return false;
			done++;
			continue;
		}
		taken = take_payload(connection, bytes + done, len - done, at + done);
		if (taken == 0 || (connection->payload_left == 0 && !take_frame(connection)))
			return false;
		done += taken;
	}
	return true;
}
