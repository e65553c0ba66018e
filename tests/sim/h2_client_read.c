/* h2_client_read.c - what a client that speaks HTTP/2 receives: frames, answers, windows. */
#include <string.h>

#include "client_state.h"
#include "h2_client.h"
#include "http/h2_fields.h"
#include "trace.h"
#include "world.h"

#define PAYLOAD_MAX (16 * 1024)

/* It is of no more use. */
static bool
is_bad(struct h2_client *h2, uint32_t mark, const char *what)
{
	h2_client_violation(h2, mark, what);
	h2_client_leave(h2, true, RESULT_LOST);
	return false;
}

static struct sim_exchange *
exchange_of(const struct h2_client *h2, const struct h2_client_stream *stream)
{
	return exchanges_get(&h2->client->world->exchanges, stream->mark);
}

/* ---- answers ---- */

/* END_STREAM of a tunnel: it is over once both ends have said so. */
static void
finish_tunnel(struct h2_client *h2, struct h2_client_stream *stream)
{
	if (!stream->content_ended)
		h2_client_end_content(h2, stream);
	h2_client_conclude(h2, stream, stream->told ? RESULT_CUT : RESULT_ANSWERED);
}

/* END_STREAM. */
static void
finish(struct h2_client *h2, struct h2_client_stream *stream)
{
	struct sim_exchange *exchange = exchange_of(h2, stream);
	const struct exchange_plan *plan = &exchange->plan;
	bool is_short = stream->marked && !plan->head_only && stream->received != plan->answer_len;

	if (stream->tunnel) {
		finish_tunnel(h2, stream);
		return;
	}
	if (plan->call) {
		h2_client_finish_call(h2, stream);
		return;
	}
	if (!stream->head_came || stream->blank)
		h2_client_violation(h2, stream->mark, "a stream that ended without its answer");
	if (is_short && plan->answer_framing != FRAMING_CLOSE)
		h2_client_violation(h2, stream->mark, "an answer of another length");
	if (stream->marked) {
		h2_client_conclude(h2, stream, is_short ? RESULT_CUT : RESULT_ANSWERED);
		return;
	}
	client_read_title(
	    stream->refusal, stream->refusal_len, exchange->title, sizeof(exchange->title));
	if (!plan->head_only)
		judge_refusal(h2->client->world, stream->mark, &stream->head_stamp);
	h2_client_conclude(h2, stream, RESULT_REFUSED);
}

static struct slice
field_of(const struct hpack_block *block, const char *name)
{
	for (size_t i = 0; i < block->count; i++)
		if (slice_equal(block->fields[i].name, slice_of(name)))
			return block->fields[i].value;
	return (struct slice){0};
}

static bool
take_fields(struct h2_client *h2, struct h2_client_stream *stream, const struct hpack_block *block)
{
	struct slice status = field_of(block, ":status"), mark = field_of(block, "x-mark");

	if (exchange_of(h2, stream)->plan.call && h2->block_ends)
		h2_client_take_call_status(
		    h2, stream, field_of(block, "grpc-status"), field_of(block, "grpc-message"));
	if (stream->head_came) /* trailers */
		return status.len == 0;
	if (status.len != 3 || field_of(block, "connection").len > 0)
		return false;
	if (status.at[0] == '1')
		return true;
	stream->head_came = true;
	stream->marked = mark.len > 0;
	stream->head_stamp = *end_stamp(h2->end->peer, h2->frame_at);
	exchange_of(h2, stream)->status = exchange_number(status.at, status.len, 10);
	if (stream->marked)
		client_take_cookie(
		    h2->client, exchange_of(h2, stream), field_of(block, "set-cookie"));
	if (stream->marked && exchange_of(h2, stream)->plan.tunnel) {
		trace_event(h2->client->host.name, "has a tunnel", stream->mark, stream->id);
		stream->tunnel = true;
		stream->next_piece_ns = schedule_now_ns() + exchange_of(h2, stream)->plan.pause_ns;
		h2->client->world->exchanges.tunnels++;
	}
	return !stream->marked || exchange_number(mark.at, mark.len, 16) == stream->mark;
}

/* A whole field block. Also of streams that are over: the table has to be kept in step. */
static bool
take_block(struct h2_client *h2)
{
	static struct field fields[H2_FIELDS_MAX];
	static char text[128 * 1024];
	struct h2_client_stream *stream = h2_client_find(h2, h2->block_stream);
	struct hpack_block block;
	size_t consumed;
	struct slice bytes = {bytes_first(&h2->block), h2->block.len};

	hpack_block_init(&block, fields, H2_FIELDS_MAX, text, sizeof(text), 64 * 1024);
	if (hpack_decode(&h2->decoder, bytes, true, &block, &consumed) != HPACK_OK)
		return is_bad(h2, 0, "a field block that cannot be decoded");
	bytes_drop(&h2->block, h2->block.len);
	h2->block_stream = 0;
	if (stream == NULL)
		return true;
	if (block.malformed || block.too_large || !take_fields(h2, stream, &block))
		return is_bad(h2, stream->mark, "another one's answer, or one that is not HTTP");
	if (h2->block_ends)
		finish(h2, stream);
	return true;
}

static void
keep_refusal(struct h2_client_stream *stream, const char *content, size_t len)
{
	size_t left = sizeof(stream->refusal) - stream->refusal_len;

	memcpy(stream->refusal + stream->refusal_len, content, len < left ? len : left);
	stream->refusal_len += len < left ? len : left;
}

/* What waits at most in a session's buffer when an exchange is over. */
#define BUFFERED_MAX (40 * 1024)

static void
check_content(struct h2_client *h2, struct h2_client_stream *stream, const char *content,
    size_t len, uint64_t at)
{
	size_t good = stream->blank ? 0
				    : content_before_blank(
					  content, len, stream->mark, false, stream->received);

	if (good > 0)
		judge_came(h2->client->world, stream->mark, h2->end, end_stamp(h2->end->peer, at),
		    &(struct content_place){stream->received, good, BUFFERED_MAX});
	stream->received += good;
	/* Between two frames of a tunnel the gateway itself may say that it is over. */
	if (good < len && stream->tunnel && !stream->told && stream->received % 64 == 0 &&
	    (unsigned char)content[good] == 0x88) {
		trace_event(h2->client->host.name, "tunnel closed", stream->mark, stream->received);
		stream->told = true;
	}
	if (stream->told)
		return;
	if (good < len && !content_is_blank(content + good, len - good))
		h2_client_violation(h2, stream->mark, "content that is not its answer's");
	stream->blank = stream->blank || good < len;
}

/* A piece of a DATA frame. */
static void
take_content(struct h2_client *h2, const char *content, size_t len, uint64_t at)
{
	struct h2_client_stream *stream = h2_client_find(h2, h2->frame.stream);

	if (stream == NULL)
		return;
	stream->credit += (uint32_t)len;
	if (stream->marked) {
		check_content(h2, stream, content, len, at);
	} else {
		keep_refusal(stream, content, len);
		stream->received += len;
	}
	if (stream->slow && stream->gives_back_ns <= schedule_now_ns())
		stream->gives_back_ns = schedule_now_ns() + random_skewed(&h2->client->random,
								NS_PER_MS, 200 * NS_PER_MS);
	if (exchange_of(h2, stream)->plan.desertion == LEAVES_IN_ANSWER)
		h2_client_desert(h2, stream);
}

/* ---- windows ---- */

static void
put_window(struct h2_client *h2, uint32_t id, uint32_t increment)
{
	char frame[H2_FRAME_HEAD_LEN + 4];
	struct writer writer = writer_of(frame, sizeof(frame));

	h2_write_window_update(&writer, id, increment);
	h2_client_put(h2, frame, sizeof(frame));
}

void
h2_client_put_window(struct h2_client *h2, struct h2_client_stream *stream, uint32_t increment)
{
	put_window(h2, stream->id, increment);
	stream->receive_window += increment;
}

void
h2_client_widen(struct h2_client *h2)
{
	uint64_t now_ns = schedule_now_ns(), next_ns = UINT64_MAX;

	for (unsigned i = 0; i < H2_CLIENT_STREAMS; i++) {
		struct h2_client_stream *stream = &h2->streams[i];

		if (stream->mark == 0 || stream->credit == 0)
			continue;
		if (stream->gives_back_ns > now_ns) {
			next_ns = stream->gives_back_ns < next_ns ? stream->gives_back_ns : next_ns;
			continue;
		}
		h2_client_put_window(h2, stream, stream->credit);
		stream->credit = 0;
	}
	if (next_ns != UINT64_MAX && !alarm_is_set(&h2->look))
		alarm_set(&h2->look, next_ns);
}

/* ---- frames ---- */

static bool
take_settings(struct h2_client *h2, struct slice payload)
{
	uint32_t before = h2->settings.initial_window_size;
	char frame[H2_FRAME_HEAD_LEN];
	struct writer writer = writer_of(frame, sizeof(frame));

	if (h2_frame_has(&h2->frame, H2_ACK))
		return true;
	if (h2_settings_read(&h2->settings, payload, true).scope != H2_FINE)
		return is_bad(h2, 0, "SETTINGS that are wrong");
	for (unsigned i = 0; i < H2_CLIENT_STREAMS; i++)
		h2->streams[i].send_window +=
		    (int64_t)h2->settings.initial_window_size - (int64_t)before;
	h2_write_settings_ack(&writer);
	h2_client_put(h2, frame, sizeof(frame));
	return true;
}

static void
take_ping(struct h2_client *h2, struct slice payload)
{
	char frame[H2_FRAME_HEAD_LEN + 8];
	struct writer writer = writer_of(frame, sizeof(frame));

	if (h2_frame_has(&h2->frame, H2_ACK))
		return;
	h2_write_ping(&writer, true, payload.at);
	h2_client_put(h2, frame, sizeof(frame));
}

static bool
take_window(struct h2_client *h2, struct slice payload)
{
	struct h2_client_stream *stream = h2_client_find(h2, h2->frame.stream);
	uint32_t increment;

	if (h2_window_update_read(&h2->frame, payload.at, &increment).scope != H2_FINE)
		return is_bad(h2, 0, "a WINDOW_UPDATE that is wrong");
	if (h2->frame.stream == 0)
		h2->send_window += increment;
	else if (stream != NULL)
		stream->send_window += increment;
	if (h2->send_window > H2_WINDOW_LIMIT ||
	    (stream != NULL && stream->send_window > H2_WINDOW_LIMIT))
		return is_bad(h2, 0, "a window beyond its limit");
	return true;
}

/* Errors that say that the client has broken the rules, which it never does. */
static bool
is_blamed(enum h2_error error)
{
	return error == H2_PROTOCOL_ERROR || error == H2_FLOW_CONTROL_ERROR ||
	       error == H2_STREAM_CLOSED || error == H2_FRAME_SIZE_ERROR ||
	       error == H2_COMPRESSION_ERROR;
}

static bool
take_goaway(struct h2_client *h2, struct slice payload)
{
	struct h2_goaway goaway = h2_goaway_read(payload);

	trace_event(h2->client->host.name, "gets GOAWAY", goaway.last, goaway.error);
	if (is_blamed(goaway.error)) {
		trace_say(
		    h2->client->host.name, "GOAWAY: %.*s", (int)goaway.debug.len, goaway.debug.at);
		return is_bad(h2, 0, "GOAWAY for what it has not done");
	}
	if (h2->goaway && goaway.last > h2->goaway_last)
		return is_bad(h2, 0, "a GOAWAY that takes back the one before");
	h2->goaway = true;
	h2->goaway_last = goaway.last;
	for (unsigned i = 0; i < H2_CLIENT_STREAMS; i++) {
		struct h2_client_stream *stream = &h2->streams[i];

		if (stream->mark == 0 || stream->id <= goaway.last)
			continue;
		if (stream->head_came)
			return is_bad(h2, stream->mark, "GOAWAY that denies an answer");
		h2_client_conclude(h2, stream, RESULT_LOST);
	}
	return true;
}

static bool
take_reset(struct h2_client *h2, struct slice payload)
{
	struct h2_client_stream *stream = h2_client_find(h2, h2->frame.stream);
	enum h2_error error = h2_rst_stream_read(payload.at);

	trace_event(h2->client->host.name, "gets RST_STREAM", h2->frame.stream, error);
	if (stream == NULL)
		return true;
	if (is_blamed(error))
		return is_bad(h2, stream->mark, "RST_STREAM for what it has not done");
	h2_client_conclude(h2, stream, stream->head_came ? RESULT_CUT : RESULT_LOST);
	return true;
}

static bool
take_headers(struct h2_client *h2, struct slice payload)
{
	const struct h2_frame *frame = &h2->frame;
	bool begins = frame->type == H2_HEADERS;

	if (begins != (h2->block_stream == 0) || (!begins && frame->stream != h2->block_stream) ||
	    h2_frame_has(frame, H2_PADDED) || (begins && h2_frame_has(frame, H2_WITH_PRIORITY)))
		return is_bad(h2, 0, "HEADERS or CONTINUATION out of place");
	if (begins)
		h2->block_ends = h2_frame_has(frame, H2_END_STREAM);
	h2->block_stream = frame->stream;
	bytes_append(&h2->block, payload.at, payload.len);
	return !h2_frame_has(frame, H2_END_HEADERS) || take_block(h2);
}

/* A whole frame; of DATA, the content has been taken already. */
static bool
take_frame(struct h2_client *h2)
{
	struct slice payload = {bytes_first(&h2->payload), h2->payload.len};
	struct h2_client_stream *stream;

	switch ((enum h2_frame_type)h2->frame.type) {
	case H2_DATA:
		stream = h2_client_find(h2, h2->frame.stream);
		if (stream != NULL && h2_frame_has(&h2->frame, H2_END_STREAM))
			finish(h2, stream);
		return true;
	case H2_HEADERS:
	case H2_CONTINUATION:
		return take_headers(h2, payload);
	case H2_RST_STREAM:
		return take_reset(h2, payload);
	case H2_SETTINGS:
		return take_settings(h2, payload);
	case H2_PING:
		take_ping(h2, payload);
		return true;
	case H2_GOAWAY:
		return take_goaway(h2, payload);
	case H2_WINDOW_UPDATE:
		return take_window(h2, payload);
	case H2_PRIORITY:
	case H2_PUSH_PROMISE:
	case H2_PRIORITY_UPDATE:
		break;
	}
	return is_bad(h2, 0, "a frame that no server sends");
}

/* DATA counts in both windows, whatever its stream has come to. */
static bool
begin_data(struct h2_client *h2)
{
	struct h2_client_stream *stream = h2_client_find(h2, h2->frame.stream);
	uint32_t len = h2->frame.length;

	h2->receive_window -= len;
	if (stream != NULL)
		stream->receive_window -= len;
	if (h2->receive_window < 0 || (stream != NULL && stream->receive_window < 0))
		return is_bad(h2, stream != NULL ? stream->mark : 0, "DATA beyond the window");
	if (h2_frame_has(&h2->frame, H2_PADDED) || (stream != NULL && !stream->head_came))
		return is_bad(h2, 0, "DATA that is padded, or comes before its head");
	h2->receive_window += len;
	if (len > 0)
		put_window(h2, 0, len);
	return true;
}

static bool
begin_frame(struct h2_client *h2)
{
	h2->frame = h2_frame_read(h2->frame_head);
	h2->frame_head_len = 0;
	h2->payload_left = h2->frame.length;
	bytes_drop(&h2->payload, h2->payload.len);
	trace_event(h2->client->host.name, "gets frame", h2->frame.type,
	    (uint64_t)h2->frame.stream << 32 | h2->frame.length);
	if (h2_frame_check(&h2->frame, PAYLOAD_MAX).scope != H2_FINE ||
	    h2->frame.stream >= h2->next_id)
		return is_bad(h2, 0, "a frame that is wrong");
	if (h2->block_stream != 0 && h2->frame.type != H2_CONTINUATION)
		return is_bad(h2, 0, "a frame within a field block");
	return h2->frame.type != H2_DATA || begin_data(h2);
}

/* As much as belongs to the frame; returns how much. */
static size_t
take_payload(struct h2_client *h2, const char *bytes, size_t len, uint64_t at)
{
	if (len > h2->payload_left)
		len = h2->payload_left;
	if (h2->frame.type == H2_DATA && len > 0)
		take_content(h2, bytes, len, at);
	else
		bytes_append(&h2->payload, bytes, len);
	h2->payload_left -= (uint32_t)len;
	return len;
}

bool
h2_client_take(struct h2_client *h2, const char *bytes, size_t len, uint64_t at)
{
	size_t done = 0;

	while (done < len) {
		if (h2->payload_left == 0) {
			if (h2->frame_head_len == 0)
				h2->frame_at = at + done;
			h2->frame_head[h2->frame_head_len++] = bytes[done++];
			if (h2->frame_head_len < H2_FRAME_HEAD_LEN)
				continue;
			if (!begin_frame(h2))
				return false;
		}
		done += take_payload(h2, bytes + done, len - done, at + done);
		if (h2->payload_left == 0 && !take_frame(h2))
			return false;
		if (h2->end == NULL)
			return false;
	}
	return true;
}
