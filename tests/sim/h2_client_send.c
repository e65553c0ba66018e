/* h2_client_send.c - what a client that speaks HTTP/2 sends: its preface, requests, content. */
#include <stdio.h>
#include <string.h>

#include "client_state.h"
#include "h2_client.h"
#include "tests/plain_memory.h"
#include "trace.h"
#include "world.h"

#define PIECE_MAX 4096
#define HEAD_MAX 2048

/* ---- the connection ---- */

void
h2_client_put(struct h2_client *h2, const char *bytes, size_t len)
{
	if (!h2->stalled)
		bytes_append(&h2->out, bytes, len);
}

void
h2_client_greet(struct h2_client *h2)
{
	struct random *random = &h2->client->random;
	struct h2_setting settings[] = {
	    {H2_SETTINGS_ENABLE_PUSH, 0}, {H2_SETTINGS_INITIAL_WINDOW_SIZE, H2_WINDOW_DEFAULT}};
	uint32_t more = (uint32_t)random_skewed(random, 1, 1000000);
	char text[128];
	struct writer writer = writer_of(text, sizeof(text));

	if (random_chance(random, 400))
		settings[1].value = (uint32_t)random_skewed(random, 500, 200000);
	h2->initial_window = settings[1].value;
	h2_settings_init(&h2->settings);
	hpack_decoder_init(&h2->decoder, HPACK_TABLE_MAX, plain_memory(NULL));
	h2->send_window = H2_WINDOW_DEFAULT;
	h2->receive_window = H2_WINDOW_DEFAULT + (int64_t)more;
	write_literal(&writer, H2_PREFACE);
	h2_write_settings(&writer, settings, 2);
	h2_write_window_update(&writer, 0, more);
	h2_client_put(h2, text, (size_t)(writer.at - text));
}

/* ---- requests ---- */

static void
write_fields_of(
    struct writer *writer, struct client *client, const struct exchange_plan *plan, uint32_t mark)
{
	char host[CLIENT_TARGET_MAX], path[CLIENT_TARGET_MAX], text[24];
	char value[CLIENT_CREDENTIAL_MAX];

	client_target(client, plan, mark, host, path);
	hpack_write_field(writer, SLICE(":method"),
	    plan->tunnel ? SLICE("CONNECT") : slice_of(exchange_method(plan, mark)));
	if (plan->tunnel)
		hpack_write_field(writer, SLICE(":protocol"), SLICE("websocket"));
	hpack_write_field(writer, SLICE(":scheme"), SLICE("http"));
	hpack_write_field(writer, SLICE(":authority"), slice_of(host));
	hpack_write_field(writer, SLICE(":path"), slice_of(path));
	snprintf(text, sizeof(text), "%x", mark);
	hpack_write_field(writer, SLICE("x-mark"), slice_of(text));
	if (client_credential(client, plan, value))
		hpack_write_never_indexed(writer, SLICE("authorization"), slice_of(value));
	if (plan->stays_at != 0)
		hpack_write_field(writer, SLICE("cookie"), slice_of(plan->cookie));
	if (plan->waits_s > 0) {
		snprintf(text, sizeof(text), "wait=%u", plan->waits_s);
		hpack_write_field(writer, SLICE("prefer"), slice_of(text));
	}
	if (plan->tunnel)
		hpack_write_field(writer, SLICE("sec-websocket-version"), SLICE("13"));
	if (plan->call)
		h2_client_put_call(writer, plan);
	if (plan->request_framing == FRAMING_LENGTH) {
		snprintf(text, sizeof(text), "%zu", plan->request_len);
		hpack_write_field(writer, SLICE("content-length"), slice_of(text));
	}
}

static void
put_head(struct h2_client *h2, const struct exchange_plan *plan, uint32_t mark, uint32_t id)
{
	char block[HEAD_MAX], text[HEAD_MAX + 64];
	struct writer fields = writer_of(block, sizeof(block)),
		      writer = writer_of(text, sizeof(text));
	/* Now and then in several frames. */
	uint32_t most = random_chance(&h2->client->random, 50)
			    ? (uint32_t)random_between(&h2->client->random, 40, 200)
			    : H2_FRAME_SIZE_DEFAULT;
	unsigned flags = exchange_upload(plan) == 0 ? H2_END_STREAM : 0;

	if (!h2->block_sent)
		hpack_write_start(&fields);
	h2->block_sent = true;
	write_fields_of(&fields, h2->client, plan, mark);
	h2_write_block(
	    &writer, id, flags, (struct slice){block, (size_t)(fields.at - block)}, most);
	h2_client_put(h2, text, (size_t)(writer.at - text));
}

/* A plan for an exchange over HTTP/2. */
static void
adapt(struct h2_client *h2, struct exchange_plan *plan)
{
	/* Only once SETTINGS allow it (RFC 8441 section 3). */
	if (!h2->settings.enable_connect_protocol || plan->answer_len == 0)
		plan->tunnel = false;
	if (h2->client->world->scenario.calls && !plan->tunnel &&
	    random_chance(&h2->client->random, 250))
		h2_client_draw_call(h2, plan);
	/* A head that is never whole holds up all other streams. */
	if (plan->desertion == STALLS_IN_HEAD && h2->running > 0)
		plan->desertion = STAYS;
	/* What was sent wins over what was meant: nothing can be left out of this one. */
	if (plan->desertion == STALLS_IN_CONTENT && exchange_upload(plan) == 0)
		plan->desertion = STAYS;
}

void
h2_client_put_request(struct h2_client *h2)
{
	struct h2_client_stream *stream = h2->streams;
	struct exchange_plan plan;
	uint32_t mark;

	client_draw_plan(h2->client, &plan);
	adapt(h2, &plan);
	mark = client_note_exchange(h2->client, &plan);
	while (stream->mark != 0)
		stream++;
	*stream = (struct h2_client_stream){.mark = mark,
	    .id = h2->next_id,
	    .send_window = h2->settings.initial_window_size,
	    .receive_window = h2->initial_window,
	    .content_ended = exchange_upload(&plan) == 0,
	    .slow =
		h2->client->world->scenario.slow_readers && random_chance(&h2->client->random, 50)};
	h2->running++;
	h2->next_id += 2;
	put_head(h2, &plan, mark, stream->id);
	if (plan.desertion != STALLS_IN_HEAD)
		return;
	h2->stalled = true;
	stream->content_ended = true; /* nothing more of it is sent */
	h2->out.len -= random_between(&h2->client->random, 1, 20);
}

/* ---- content ---- */

static size_t
content_to_send(const struct exchange_plan *plan)
{
	size_t len = exchange_upload(plan);

	return plan->desertion == STALLS_IN_CONTENT ? len / 2 : len;
}

static int64_t
least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* The content of tunnels and calls comes in pieces, with pauses between them. */
static bool
is_paused(const struct h2_client_stream *stream, const struct exchange_plan *plan)
{
	if (plan->tunnel && !stream->tunnel)
		return true;
	return (plan->tunnel || plan->call) && schedule_now_ns() < stream->next_piece_ns;
}

/* The next frame of content of a stream; false: it has none, or no window. */
static bool
put_content(struct h2_client *h2, struct h2_client_stream *stream)
{
	const struct exchange_plan *plan =
	    &exchanges_get(&h2->client->world->exchanges, stream->mark)->plan;
	char content[PIECE_MAX], head[H2_FRAME_HEAD_LEN];
	int64_t len = (int64_t)(content_to_send(plan) - stream->content_sent);
	struct h2_frame frame = {.stream = stream->id, .type = H2_DATA};

	len = least(least(len, PIECE_MAX), least(stream->send_window, h2->send_window));
	if (plan->tunnel || plan->call)
		len = least(len, (int64_t)plan->piece);
	if (len <= 0 || is_paused(stream, plan))
		return false;
	stream->next_piece_ns = schedule_now_ns() + plan->pause_ns;
	content_fill(content, (size_t)len, stream->mark, true, stream->content_sent);
	stream->content_sent += (uint64_t)len;
	stream->send_window -= len;
	h2->send_window -= len;
	stream->content_ended = stream->content_sent == exchange_upload(plan);
	frame.length = (uint32_t)len;
	frame.flags = stream->content_ended ? H2_END_STREAM : 0;
	h2_frame_put(head, &frame);
	h2_client_put(h2, head, sizeof(head));
	h2_client_put(h2, content, (size_t)len);
	return true;
}

/* Streams take turns. False: none has anything to send. */
static bool
put_some(struct h2_client *h2)
{
	for (unsigned i = 0; i < H2_CLIENT_STREAMS; i++) {
		struct h2_client_stream *stream =
		    &h2->streams[(h2->turn + 1 + i) % H2_CLIENT_STREAMS];

		if (stream->mark == 0 || stream->content_ended || !put_content(h2, stream))
			continue;
		h2->turn = (unsigned)(stream - h2->streams);
		return true;
	}
	return false;
}

static bool
flush(struct h2_client *h2)
{
	while (h2->out.len > 0) {
		struct iovec piece = {(char *)bytes_first(&h2->out), h2->out.len};
		long sent = end_send(h2->end, &piece, 1, NULL);

		if (sent < 0)
			return false;
		bytes_drop(&h2->out, (size_t)sent);
	}
	return true;
}

/* When the next piece of a tunnel is due. */
static void
set_pace(struct h2_client *h2)
{
	uint64_t now_ns = schedule_now_ns(), next_ns = UINT64_MAX;

	for (unsigned i = 0; i < H2_CLIENT_STREAMS; i++) {
		const struct h2_client_stream *stream = &h2->streams[i];

		if (stream->mark != 0 && !stream->content_ended && stream->next_piece_ns > now_ns &&
		    stream->next_piece_ns < next_ns)
			next_ns = stream->next_piece_ns;
	}
	if (next_ns != UINT64_MAX)
		alarm_set(&h2->pace, next_ns);
}

void
h2_client_send(struct h2_client *h2)
{
	if (h2->end == NULL || h2->end->state != END_CONNECTED)
		return;
	while (flush(h2) && put_some(h2))
		;
	set_pace(h2);
}

void
h2_client_end_content(struct h2_client *h2, struct h2_client_stream *stream)
{
	struct h2_frame frame = {.stream = stream->id, .type = H2_DATA, .flags = H2_END_STREAM};
	char head[H2_FRAME_HEAD_LEN];

	h2_frame_put(head, &frame);
	h2_client_put(h2, head, sizeof(head));
	stream->content_ended = true;
}
