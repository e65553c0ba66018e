/* h2_backend_answer.c - answers of a backend that speaks HTTP/2, correct and incorrect ones. */
#include <stdio.h>

#include "h2_backend.h"
#include "jobgate/container_of.h"
#include "trace.h"
#include "world.h"

#define HEAD_MAX 1024
#define PADDING 7

/* More than this is not put out before the gateway has read. */
#define WAITING_MAX 65536

static struct world *
world_of(const struct h2_backend_stream *stream)
{
	return stream->connection->backend->world;
}

static struct random *
random_of(const struct h2_backend_stream *stream)
{
	return &stream->connection->backend->random;
}

static const struct exchange_plan *
plan_of(const struct h2_backend_stream *stream)
{
	return &exchanges_get(&world_of(stream)->exchanges, stream->mark)->plan;
}

/* ---- not processed ---- */

static void
note_unprocessed(const struct h2_backend_stream *stream)
{
	exchanges_get(&world_of(stream)->exchanges, stream->mark)->unprocessed++;
}

void
h2_backend_refuse(struct h2_backend_stream *stream)
{
	trace_event(stream->connection->backend->host.name, "refuses", stream->mark, stream->id);
	note_unprocessed(stream);
	exchanges_get(&world_of(stream)->exchanges, stream->mark)->refused++;
	h2_backend_put_reset(stream->connection, stream->id, H2_REFUSED_STREAM);
	h2_backend_end(stream);
}

static void
put_goaway(struct h2_backend *connection, uint32_t last)
{
	char frame[H2_FRAME_HEAD_LEN + 8];
	struct writer writer = writer_of(frame, sizeof(frame));

	h2_write_goaway(&writer, last, H2_NO_ERROR, (struct slice){0});
	h2_backend_put(connection, frame, sizeof(frame));
}

void
h2_backend_leave(struct h2_backend *connection)
{
	struct h2_backend_stream *stream, *next;
	bool keeps_all = random_chance(&connection->backend->random, 500);

	/* What is gone was processed, or told otherwise, so it is below. */
	connection->goaway_last = keeps_all ? connection->last_id : 0;
	LIST_FOREACH(stream, &connection->streams, link)
	if (stream->state >= H2_BACKEND_ANSWERING && stream->id > connection->goaway_last)
		connection->goaway_last = stream->id;
	if (connection->goaway_last < connection->done_id)
		connection->goaway_last = connection->done_id;
	connection->goaway = true;
	connection->backend->left_ns[0] = connection->backend->left_ns[1];
	connection->backend->left_ns[1] = schedule_now_ns();
	if (random_chance(&connection->backend->random, 500))
		put_goaway(connection, H2_STREAM_LIMIT);
	put_goaway(connection, connection->goaway_last);
	trace_event(connection->backend->host.name, "leaves", connection->goaway_last, 0);
	for (stream = LIST_FIRST(&connection->streams); stream != NULL; stream = next) {
		next = LIST_NEXT(stream, link);
		if (stream->id <= connection->goaway_last)
			continue;
		note_unprocessed(stream);
		h2_backend_end(stream);
	}
}

/* ---- frames of an answer ---- */

static void
put_block(struct h2_backend_stream *stream, struct writer *fields, const char *block, bool ends)
{
	char text[HEAD_MAX + 128];
	struct writer writer = writer_of(text, sizeof(text));
	uint32_t most = random_chance(random_of(stream), 50)
			    ? (uint32_t)random_between(random_of(stream), 20, 100)
			    : H2_FRAME_SIZE_DEFAULT;

	h2_write_block(&writer, stream->id, ends ? H2_END_STREAM : 0,
	    (struct slice){block, (size_t)(fields->at - block)}, most);
	h2_backend_put(stream->connection, text, (size_t)(writer.at - text));
}

/* Fields of a block; the first of a connection says that no table is used. */
static struct writer
begin_block(struct h2_backend_stream *stream, char block[HEAD_MAX])
{
	struct writer fields = writer_of(block, HEAD_MAX);

	if (!stream->connection->block_sent)
		hpack_write_start(&fields);
	stream->connection->block_sent = true;
	return fields;
}

static void
put_interim(struct h2_backend_stream *stream)
{
	char block[HEAD_MAX];
	struct writer fields = begin_block(stream, block);

	hpack_write_status(&fields, 103);
	hpack_write_field(&fields, SLICE("link"), SLICE("</x>"));
	put_block(stream, &fields, block, false);
}

static void
put_head(struct h2_backend_stream *stream, bool ends)
{
	const struct exchange_plan *plan = plan_of(stream);
	char block[HEAD_MAX], text[24];
	struct writer fields = begin_block(stream, block);

	hpack_write_status(&fields, 200);
	snprintf(text, sizeof(text), "%x", stream->mark);
	hpack_write_field(&fields, SLICE("x-mark"), slice_of(text));
	snprintf(text, sizeof(text), "%zu", plan->answer_len);
	if (!plan->tunnel &&
	    (plan->answer_framing == FRAMING_LENGTH || plan->answer_framing == FRAMING_NONE))
		hpack_write_field(&fields, SLICE("content-length"), slice_of(text));
	if (plan->call)
		hpack_write_field(&fields, SLICE("content-type"), SLICE("application/grpc"));
	put_block(stream, &fields, block, ends);
	stream->head_sent = true;
}

static void
put_trailers(struct h2_backend_stream *stream)
{
	char block[HEAD_MAX];
	struct writer fields = begin_block(stream, block);

	hpack_write_field(&fields, SLICE("x-trailer"), SLICE("1"));
	if (plan_of(stream)->call)
		hpack_write_field(&fields, SLICE("grpc-status"), SLICE("0"));
	put_block(stream, &fields, block, true);
}

void
h2_backend_answer_check(struct h2_backend *connection, uint32_t id, bool well)
{
	char block[HEAD_MAX], text[HEAD_MAX + 128];
	struct writer fields = writer_of(block, sizeof(block)),
		      writer = writer_of(text, sizeof(text));

	if (!connection->block_sent)
		hpack_write_start(&fields);
	connection->block_sent = true;
	hpack_write_status(&fields, well ? 200 : 503);
	h2_write_block(&writer, id, H2_END_STREAM,
	    (struct slice){block, (size_t)(fields.at - block)}, H2_FRAME_SIZE_DEFAULT);
	h2_backend_put(connection, text, (size_t)(writer.at - text));
}

/* A frame of content; now and then padded. */
static void
put_data(struct h2_backend_stream *stream, const char *content, size_t len, bool ends)
{
	static const char zeros[PADDING];
	struct h2_backend *connection = stream->connection;
	bool padded = len > 0 && stream->send_window >= (int64_t)len + 1 + PADDING &&
		      connection->send_window >= (int64_t)len + 1 + PADDING &&
		      random_chance(random_of(stream), 30);
	struct h2_frame frame = {.stream = stream->id,
	    .type = H2_DATA,
	    .length = (uint32_t)len + (padded ? 1 + PADDING : 0),
	    .flags = (unsigned char)((ends ? H2_END_STREAM : 0) | (padded ? H2_PADDED : 0))};
	char head[H2_FRAME_HEAD_LEN + 1];

	h2_frame_put(head, &frame);
	head[H2_FRAME_HEAD_LEN] = PADDING;
	h2_backend_put(connection, head, H2_FRAME_HEAD_LEN + (padded ? 1 : 0));
	h2_backend_put(connection, content, len);
	h2_backend_put(connection, zeros, padded ? PADDING : 0);
	stream->send_window -= frame.length;
	connection->send_window -= frame.length;
}

/* A frame that no rule speaks of: it must be ignored (RFC 9113 section 4.1). */
static void
put_unknown(struct h2_backend_stream *stream)
{
	char text[H2_FRAME_HEAD_LEN + 4] = {0};
	struct h2_frame frame = {.stream = stream->id, .type = 0x42, .length = 4};

	h2_frame_put(text, &frame);
	h2_backend_put(stream->connection, text, sizeof(text));
}

/* ---- misdeeds ---- */

/* What no server may send: at the expense of the whole connection, or the gateway may take it so.
 */
static void
put_garbage(struct h2_backend_stream *stream)
{
	struct h2_backend *connection = stream->connection;
	char text[H2_FRAME_HEAD_LEN + 8] = {0}, block[HEAD_MAX];
	struct h2_frame frame = {.stream = stream->id, .type = H2_HEADERS, .length = 4};
	struct writer fields;

	h2_backend_ruin(connection);
	switch (random_below(random_of(stream), 7)) {
	case 0: /* no status */
		fields = begin_block(stream, block);
		hpack_write_field(&fields, SLICE("x-mark"), SLICE("0"));
		put_block(stream, &fields, block, true);
		return;
	case 1: /* content before its head */
		put_data(stream, "none", 4, true);
		return;
	case 2: /* a block that cannot be decoded */
		frame.flags = H2_END_HEADERS;
		break;
	case 3: /* a push */
		frame.type = H2_PUSH_PROMISE;
		break;
	case 4: /* a window that grows by nothing */
		frame.type = H2_WINDOW_UPDATE;
		break;
	case 5: /* a stream that never was */
		frame.stream = stream->id + 1000;
		frame.type = H2_RST_STREAM;
		break;
	default:
		bytes_print(&connection->out, "I am no HTTP/2\r\n\r\n");
		return;
	}
	h2_frame_put(text, &frame);
	h2_backend_put(connection, text, H2_FRAME_HEAD_LEN + 4);
}

/* Instead of an answer. True: nothing is left of the stream, or of the connection. */
static bool
misbehaves(struct h2_backend_stream *stream)
{
	struct h2_backend *connection = stream->connection;
	enum misdeed misdeed = plan_of(stream)->misdeed;

	switch (misdeed) {
	case MISDEED_SILENT:
		stream->state = H2_BACKEND_SILENT;
		return true;
	case MISDEED_RESET:
		if (random_chance(random_of(stream), 500)) {
			h2_backend_put_reset(connection, stream->id, H2_INTERNAL_ERROR);
			h2_backend_end(stream);
			h2_backend_send(connection);
			return true;
		}
		/* fallthrough */
	case MISDEED_CLOSE:
		h2_backend_ruin(connection);
		h2_backend_close(connection, misdeed == MISDEED_RESET);
		return true;
	case MISDEED_GARBAGE:
		put_garbage(stream);
		stream->state = H2_BACKEND_SILENT;
		h2_backend_send(connection);
		return true;
	case MISDEED_NONE:
	case MISDEED_CUT:
	case MISDEED_CUT_RESET:
	case MISDEED_MORE:
	case MISDEED_EARLY_CLOSE:
	case MISDEED_STALL:
		break;
	}
	return false;
}

static bool
is_cut(const struct exchange_plan *plan)
{
	return plan->answer_len > 0 && !plan->head_only &&
	       (plan->misdeed == MISDEED_CUT || plan->misdeed == MISDEED_CUT_RESET ||
		   plan->misdeed == MISDEED_STALL);
}

/* In the middle of the content. */
static void
break_off(struct h2_backend_stream *stream)
{
	struct h2_backend *connection = stream->connection;
	enum misdeed misdeed = plan_of(stream)->misdeed;

	if (misdeed == MISDEED_STALL) {
		stream->state = H2_BACKEND_SILENT;
		h2_backend_send(connection);
		return;
	}
	if (misdeed == MISDEED_CUT_RESET && random_chance(random_of(stream), 500)) {
		h2_backend_put_reset(connection, stream->id, H2_CANCEL);
		h2_backend_end(stream);
		h2_backend_send(connection);
		return;
	}
	h2_backend_ruin(connection);
	h2_backend_send(connection);
	h2_backend_close(connection, misdeed == MISDEED_CUT_RESET);
}

/* ---- an answer ---- */

/* The answer is whole: what becomes of the connection. */
static void
finish(struct h2_backend_stream *stream)
{
	struct h2_backend *connection = stream->connection;
	enum misdeed misdeed = plan_of(stream)->misdeed;

	if (misdeed == MISDEED_MORE) {
		h2_backend_ruin(connection);
		put_data(stream, "more", 4, true);
	}
	if (misdeed == MISDEED_EARLY_CLOSE) {
		/* The stream is there until the end, which notes whether all of it has left. */
		h2_backend_ruin(connection);
		h2_backend_send(connection);
		h2_backend_close(connection, false);
		return;
	}
	h2_backend_end(stream);
	h2_backend_send(connection);
}

static int64_t
least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* The next piece of content, and when the one after it comes. */
static void
next_piece(struct h2_backend_stream *stream)
{
	struct h2_backend *connection = stream->connection;
	const struct exchange_plan *plan = plan_of(stream);
	int64_t left = (int64_t)(plan->answer_len - stream->answered), len;
	char content[BACKEND_PIECE_MAX];
	bool ends;

	if (is_cut(plan))
		left = (int64_t)(plan->answer_len / 2) - (int64_t)stream->answered;
	if (left <= 0 && is_cut(plan)) {
		break_off(stream);
		return;
	}
	len = least(least(left, BACKEND_PIECE_MAX), (int64_t)plan->piece);
	len = least(len, least(stream->send_window, connection->send_window));
	if ((len <= 0 && left > 0) || (left <= 0 && !stream->request_ended))
		return; /* until the gateway widens a window, or has sent all */
	content_fill(content, (size_t)len, stream->mark, false, stream->answered);
	stream->answered += (uint64_t)len;
	ends = stream->answered == plan->answer_len && stream->request_ended;
	if (ends && plan->answer_framing == FRAMING_CHUNKS && !plan->tunnel) {
		if (len > 0)
			put_data(stream, content, (size_t)len, false);
		put_trailers(stream);
	} else {
		put_data(stream, content, (size_t)len, ends);
	}
	if (ends) {
		finish(stream);
		return;
	}
	alarm_set(&stream->act, schedule_now_ns() + plan->pause_ns);
	h2_backend_send(connection);
}

static void
begin(struct h2_backend_stream *stream)
{
	const struct exchange_plan *plan = plan_of(stream);
	bool ends;

	trace_event(stream->connection->backend->host.name, "answers", stream->mark, plan->misdeed);
	stream->state = H2_BACKEND_ANSWERING;
	if (stream->id > stream->connection->done_id)
		stream->connection->done_id = stream->id;
	judge_processed(world_of(stream), stream->mark);
	if (misbehaves(stream))
		return;
	if (plan->interim)
		put_interim(stream);
	if (random_chance(random_of(stream), 10))
		put_unknown(stream);
	ends = plan->head_only || (plan->answer_len == 0 && stream->mark % 2 == 0 &&
				      plan->answer_framing != FRAMING_CHUNKS);
	put_head(stream, ends);
	if (ends)
		finish(stream);
	else
		next_piece(stream);
}

void
h2_backend_act(struct alarm *alarm)
{
	struct h2_backend_stream *stream = container_of(alarm, struct h2_backend_stream, act);
	uint64_t frozen_ns = stream->connection->backend->frozen_ns;

	if (schedule_now_ns() < frozen_ns) {
		alarm_set(alarm, frozen_ns);
		return;
	}
	switch (stream->state) {
	case H2_BACKEND_THINKING:
		begin(stream);
		return;
	case H2_BACKEND_ANSWERING:
		if (stream->connection->out.len > WAITING_MAX) {
			h2_backend_send(stream->connection);
			alarm_set(alarm, schedule_now_ns() + 5 * NS_PER_MS);
		} else {
			next_piece(stream);
		}
		return;
	case H2_BACKEND_READING:
	case H2_BACKEND_SILENT:
		return;
	}
}
