/* h2_backend_read.c - what a backend that speaks HTTP/2 receives: frames, requests, windows. */
#include <string.h>

#include "browser/session.h"
#include "h2_backend.h"
#include "http/h2_fields.h"
#include "trace.h"
#include "world.h"

#define PAYLOAD_MAX (16 * 1024)

/* It is of no more use. */
static bool
is_bad(struct h2_backend *connection, uint32_t mark, const char *what)
{
	h2_backend_violation(connection, mark, what);
	return false;
}

static struct sim_exchange *
exchange_of(const struct h2_backend *connection, uint32_t mark)
{
	return exchanges_get(&connection->backend->world->exchanges, mark);
}

/* ---- requests ---- */

static void
think(struct h2_backend_stream *stream)
{
	const struct exchange_plan *plan = &exchange_of(stream->connection, stream->mark)->plan;

	stream->state = H2_BACKEND_THINKING;
	alarm_set(&stream->act, schedule_now_ns() + plan->think_ns);
}

static void
request_is_whole(struct h2_backend_stream *stream)
{
	const struct exchange_plan *plan = &exchange_of(stream->connection, stream->mark)->plan;

	stream->request_ended = true;
	/* An end of a tunnel may leave at any time. */
	if (!plan->tunnel && stream->received != plan->request_len)
		h2_backend_violation(
		    stream->connection, stream->mark, "the request's content has another length");
	if (stream->state == H2_BACKEND_ANSWERING && !alarm_is_set(&stream->act))
		alarm_set(&stream->act, schedule_now_ns());
	if (stream->state == H2_BACKEND_READING)
		think(stream);
}

static struct slice
field_of(const struct hpack_block *block, const char *name)
{
	for (size_t i = 0; i < block->count; i++)
		if (slice_equal(block->fields[i].name, slice_of(name)))
			return block->fields[i].value;
	return (struct slice){0};
}

static uint32_t
number_of(const struct hpack_block *block, const char *name, int base)
{
	struct slice text = field_of(block, name);

	return exchange_number(text.at, text.len, base);
}

static bool
holds(struct slice text, struct slice word)
{
	return text.len >= word.len && memmem(text.at, text.len, word.at, word.len) != NULL;
}

static bool
has_credential(const struct hpack_block *block)
{
	for (size_t i = 0; i < block->count; i++)
		if (holds(block->fields[i].value, SLICE("jgt_")) ||
		    holds(block->fields[i].value, SLICE(REPLICA_COOKIE)))
			return true;
	return false;
}

/* What RFC 9113 sections 8.2.2 and 8.3.1 want of a request, and what its plan says. */
static bool
head_is_right(const struct hpack_block *block, const struct exchange_plan *plan, uint32_t mark)
{
	static const char *const forbidden[] = {
	    "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "host"};
	struct slice length = field_of(block, "content-length"), te = field_of(block, "te");

	for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++)
		if (field_of(block, forbidden[i]).at != NULL)
			return false;
	if (plan->call &&
	    (te.len == 0 ||
		!slice_equal(field_of(block, "content-type"), SLICE("application/grpc")) ||
		(field_of(block, "grpc-timeout").len > 0) != (plan->deadline_ms > 0)))
		return false;
	if (te.len > 0 && !slice_equal(te, SLICE("trailers")))
		return false;
	if (length.len > 0 && number_of(block, "content-length", 10) != plan->request_len)
		return false;
	if (!slice_equal(
		field_of(block, ":protocol"), plan->tunnel ? SLICE("websocket") : SLICE("")))
		return false;
	return slice_equal(field_of(block, ":method"),
		   plan->tunnel ? SLICE("CONNECT") : slice_of(exchange_method(plan, mark))) &&
	       slice_equal(field_of(block, ":scheme"), SLICE("http")) &&
	       field_of(block, ":path").len > 0;
}

/* A stream of the gateway's begins. One beyond GOAWAY's last stream is not looked at any further.
 */
static bool
take_request(struct h2_backend *connection, const struct hpack_block *block)
{
	struct backend *backend = connection->backend;
	uint32_t mark = number_of(block, "x-mark", 16);
	uint32_t id = connection->block_stream;
	struct sim_exchange *exchange = exchange_of(connection, mark);
	struct h2_backend_stream *stream;

	backend->requests++;
	connection->last_id = id;
	if (exchange == NULL && slice_equal(field_of(block, ":path"), SLICE(RECORDS_HEALTH))) {
		if (!connection->goaway || id <= connection->goaway_last)
			h2_backend_answer_check(connection, id,
			    backend_is_well(backend, connection->end,
				end_stamp(connection->end->peer, connection->block_at)));
		return true;
	}
	if (exchange == NULL)
		return is_bad(connection, mark, "a request without a mark");
	if (has_credential(block))
		h2_backend_violation(connection, mark, "a credential of ours");
	if (!head_is_right(block, &exchange->plan, mark))
		return is_bad(connection, mark, "a head that is not the request's");
	trace_event(backend->host.name, exchange->plan.tunnel ? "tunnel" : "request", mark, id);
	exchange->answered_ns = 0;
	judge_forward(backend->world, mark, backend->number, connection->end,
	    end_stamp(connection->end->peer, connection->block_at),
	    &(struct told){field_of(block, "x-jobgate-token-id"),
		field_of(block, "x-jobgate-token-name"), field_of(block, "x-jobgate-role")});
	if (connection->goaway && id > connection->goaway_last) {
		exchange->unprocessed++;
		return true;
	}
	if (connection->running >= connection->most)
		return is_bad(connection, mark, "more streams than its SETTINGS allow");
	stream = h2_backend_begin(connection, id, mark);
	if (connection->block_ends)
		request_is_whole(stream);
	else if (exchange->plan.tunnel ||
		 (exchange->plan.call && mark % 4 < 2)) /* it answers while it reads */
		think(stream);
	if (random_chance(&backend->random, 20))
		h2_backend_refuse(stream);
	if (connection->leaves_after > 0 && --connection->leaves_after == 0)
		h2_backend_leave(connection);
	return true;
}

/* A whole field block: of a new stream, or trailers. */
static bool
take_block(struct h2_backend *connection)
{
	static struct field fields[H2_FIELDS_MAX];
	static char text[128 * 1024];
	uint32_t id = connection->block_stream;
	struct h2_backend_stream *stream = h2_backend_find(connection, id);
	struct hpack_block block;
	size_t consumed;
	struct slice bytes = {bytes_first(&connection->block), connection->block.len};

	hpack_block_init(&block, fields, H2_FIELDS_MAX, text, sizeof(text), 64 * 1024);
	if (hpack_decode(&connection->decoder, bytes, true, &block, &consumed) != HPACK_OK)
		return is_bad(connection, 0, "a field block that cannot be decoded");
	bytes_drop(&connection->block, connection->block.len);
	if (block.malformed || block.too_large || id % 2 == 0)
		return is_bad(connection, 0, "a head that is not HTTP");
	if (id > connection->last_id) {
		if (!take_request(connection, &block))
			return false;
	} else if (stream != NULL) {
		if (!connection->block_ends || field_of(&block, ":method").len > 0)
			return is_bad(
			    connection, stream->mark, "trailers that do not end the stream");
		request_is_whole(stream);
	}
	connection->block_stream = 0;
	return true;
}

/* A piece of a DATA frame. */
static bool
take_content(struct h2_backend *connection, const char *content, size_t len, uint64_t at)
{
	struct h2_backend_stream *stream = h2_backend_find(connection, connection->frame.stream);
	size_t good;

	if (stream == NULL)
		return true;
	good =
	    stream->blank ? 0 : content_compare(content, len, stream->mark, true, stream->received);
	if (good < len && !content_is_blank(content + good, len - good))
		return is_bad(connection, stream->mark, "content that is not the request's");
	stream->blank = stream->blank || good < len;
	if (good > 0)
		judge_moved(connection->backend->world, stream->mark, connection->end->peer->owner,
		    end_stamp(connection->end->peer, at), "backend");
	stream->received += good;
	stream->credit += (uint32_t)len;
	return true;
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
		return is_bad(connection, 0, "SETTINGS that are wrong");
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
		return is_bad(connection, 0, "a WINDOW_UPDATE that is wrong");
	if (connection->frame.stream == 0)
		connection->send_window += increment;
	else if (stream != NULL)
		stream->send_window += increment;
	if (connection->send_window > H2_WINDOW_LIMIT ||
	    (stream != NULL && stream->send_window > H2_WINDOW_LIMIT))
		return is_bad(connection, 0, "a window beyond its limit");
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
	return is_bad(connection, 0, "GOAWAY for what it has not done");
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
		return is_bad(connection, stream->mark, "RST_STREAM for what it has not done");
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
		return is_bad(connection, 0, "HEADERS or CONTINUATION out of place");
	if (begins) {
		connection->block_ends = h2_frame_has(frame, H2_END_STREAM);
		connection->block_at = connection->frame_at;
	}
	connection->block_stream = frame->stream;
	bytes_append(&connection->block, payload.at, payload.len);
	return !h2_frame_has(frame, H2_END_HEADERS) || take_block(connection);
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
			request_is_whole(stream);
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
	return is_bad(connection, 0, "a frame that no client sends");
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
		return is_bad(
		    connection, stream != NULL ? stream->mark : 0, "DATA beyond the window");
	if (h2_frame_has(&connection->frame, H2_PADDED) ||
	    connection->frame.stream > connection->last_id)
		return is_bad(connection, 0, "DATA that is padded, or of a stream without a head");
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
		return is_bad(connection, 0, "a frame that is wrong");
	if (!connection->settings.received && connection->frame.type != H2_SETTINGS)
		return is_bad(connection, 0, "a frame before SETTINGS");
	if (connection->block_stream != 0 && connection->frame.type != H2_CONTINUATION)
		return is_bad(connection, 0, "a frame within a field block");
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
	else if (!take_content(connection, bytes, len, at))
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
		       is_bad(connection, 0, "another preface");
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
