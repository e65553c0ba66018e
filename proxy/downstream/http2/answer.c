/* answer.c - sends what an exchange has for its client, within the windows that the client gives.
 */
#include "downstream/http2/session_state.h"
#include "http/h2_encode.h"

/* ---- field blocks ---- */

/* A block in `text` becomes HEADERS of the stream. */
static void
send_block(struct http2_stream *stream, struct slice block, unsigned flags)
{
	struct http2_session *session = stream->session;
	uint32_t size = session->settings.max_frame_size;
	uint64_t at;

	http2_wake(session);
	if (!h2_output_block(&session->output, stream->id, flags, block, size, &at))
		return;
	overhead_payload(&session->overhead, block.len);
	stream->last_frame_at = at;
}

/* Begin a block in the worker's scratch. */
static struct writer
begin_block(struct http2_stream *stream)
{
	struct head_scratch *scratch = stream->session->downstream->scratch;
	struct writer writer = writer_of(scratch->wire, sizeof(scratch->wire));

	/* Until the first block has begun to leave, each block may become the first: see
	 * h2_output_take_out. */
	if (h2_output_is_first_block(&stream->session->output))
		hpack_write_start(&writer);
	return writer;
}

static void
end_block(struct http2_stream *stream, const struct writer *writer, unsigned flags)
{
	char *text = stream->session->downstream->scratch->wire;

	if (writer->full)
		stream->error = H2_INTERNAL_ERROR;
	else
		send_block(stream, (struct slice){text, (size_t)(writer->at - text)}, flags);
}

static void
client_allowed(struct exchange_client *client)
{
	struct http2_stream *stream = stream_of(client);
	struct http2_session *session = stream->session;

	stream->passed = true;
	if (!exchange_is_public(stream->exchange))
		session->connection->authenticated = true;
	http2_wake(session); /* reading may have waited for this: see http2_may_read */
}

static void
client_interim(struct exchange_client *client, const struct response *response)
{
	struct http2_stream *stream = stream_of(client);
	struct http2_session *session = stream->session;
	bool awaited = response->status == 100 && stream->expects;
	struct writer writer;

	if (awaited) {
		stream->expects = false; /* now the client has to send */
		stream->due_ms = session_now_ms(session) + session_options(session)->timeouts.body;
	}
	/* As in HTTP/1, those that the client does not read in time are dropped. */
	if (!awaited && buffer_len(session->output.out) > BUFFER_MEDIUM)
		return;
	writer = begin_block(stream);
	h2_encode_response(&writer, response, NULL);
	end_block(stream, &writer, 0);
}

static void
client_answer(struct exchange_client *client, const struct response *response)
{
	struct http2_stream *stream = stream_of(client);
	const struct downstream_options *options = session_options(stream->session);
	const struct exchange_peer *peer = &stream->session->connection->peer;
	struct writer writer = begin_block(stream);
	struct field hsts = {.name = SLICE("strict-transport-security")};
	struct fields first = {&hsts, 0};

	CHECK(stream->state == HTTP2_STREAM_RUNNING, http2_stream_dump, stream);
	stream->answer_at = h2_output_at(&stream->session->output);
	stream->tunnel = response->tunnel;
	if (response->tunnel) {
		stream->session->tunnels++;
		stream->content_ended = false;
		stream->due_ms = 0;
	}
	/* Our field comes first, because only the first of several counts (RFC 6797 section
	 * 8.1). */
	if (peer->tls && options->hsts != NULL && peer->purpose == FOR_JOBS) {
		hsts.value = slice_of(options->hsts);
		first.count = 1;
	}
	h2_encode_response(&writer, response, &first);
	end_block(stream, &writer, 0);
}

/* ---- content ---- */

static size_t
client_content(struct exchange_client *client, struct slice data)
{
	struct http2_stream *stream = stream_of(client);
	struct http2_session *session = stream->session;
	bool in_turn = stream->quota > 0;
	size_t taken;

	if (session->output.failed || session->state >= HTTP2_CLOSING)
		return data.len; /* the client does not get it any more */
	/* When others wait for their turn, this stream has to wait, too. */
	if (!in_turn && TAILQ_EMPTY(&session->turns))
		stream->quota = OUT_MAX;
	taken = http2_write_content(stream, data);
	if (!in_turn)
		stream->quota = 0;
	stream->blocked = false;
	if (taken < data.len && !session->output.failed)
		http2_block(stream);
	return taken;
}

/* Write the end of the stream after all that it has written. apart: in a frame of its own. */
static void
write_end(struct http2_stream *stream, bool apart)
{
	struct http2_session *session = stream->session;
	struct writer writer;
	uint64_t at;

	stream->end_written = true;
	if (stream->own_end != NULL) {
		writer = begin_block(stream);
		write_slice(&writer, buffer_bytes(stream->own_end));
		end_block(stream, &writer, H2_END_STREAM);
		return;
	}
	if (!apart && h2_output_mark_end(&session->output, stream->last_frame_at))
		return;
	h2_output_data(&session->output, stream->id, H2_END_STREAM, (struct slice){0}, &at);
	http2_wake(session);
}

/* Both the exchange and its answer are over. */
static void
finish(struct http2_stream *stream)
{
	resets_earn(&stream->session->resets);
	if (stream->client_ended)
		http2_stream_close(stream);
	else if (stream->told)
		http2_stream_stop(stream);
	else
		http2_stream_linger(stream);
}

void
http2_push_own(struct http2_stream *stream)
{
	struct buffer_pool *buffers = stream->session->downstream->buffers;
	struct buffer *own = stream->own;

	if (own != NULL) {
		size_t written = http2_write_content(stream, buffer_bytes(own));

		own->start += (uint32_t)written;
		stream->session->own_waiting -= written;
		if (buffer_len(own) > 0) {
			http2_block(stream);
			return;
		}
		buffer_give(buffers, own);
		stream->own = NULL;
	}
	if (stream->answer_ended && !stream->end_written)
		write_end(stream, false);
	if (stream->state == HTTP2_STREAM_SENDING)
		finish(stream);
}

static void
client_reply_content(struct exchange_client *client, struct slice data)
{
	struct http2_stream *stream = stream_of(client);
	struct http2_session *session = stream->session;
	struct buffer *larger;

	if (session->own_waiting + data.len > OWN_WAITING_MAX) {
		stream->error = H2_ENHANCE_YOUR_CALM;
		return;
	}
	larger = buffer_take(session->downstream->buffers, buffer_len(stream->own) + data.len);
	if (larger == NULL) {
		stream->error = H2_INTERNAL_ERROR;
		return;
	}
	if (stream->own != NULL)
		buffer_append(larger, buffer_bytes(stream->own));
	buffer_append(larger, data);
	session->own_waiting += data.len;
	buffer_give(session->downstream->buffers, stream->own);
	stream->own = larger;
}

static bool
client_waits(struct exchange_client *client)
{
	struct http2_stream *stream = stream_of(client);

	return buffer_len(stream->own) > 0 ||
	       h2_output_holds(&stream->session->output, stream->id, stream->last_frame_at);
}

/* They are sent after what has been written, as far as the windows allow; then the stream ends. */
static bool
client_last_words(struct exchange_client *client, struct slice data)
{
	struct http2_stream *stream = stream_of(client);

	if (stream->send_window < (int32_t)data.len)
		return false;
	client_reply_content(client, data);
	stream->answer_ended = true;
	stream->quota = OUT_MAX;
	http2_push_own(stream);
	stream->quota = 0;
	return true;
}

/* Some of the gateway's own content waits for windows or for its turn, so its trailers do, too. */
static void
end_own(struct http2_stream *stream, const struct fields *trailers)
{
	struct buffer_pool *buffers = stream->session->downstream->buffers;
	struct head_scratch *scratch = stream->session->downstream->scratch;
	struct writer writer = writer_of(scratch->wire, sizeof(scratch->wire));
	struct slice block = {scratch->wire, 0};

	if (trailers != NULL) {
		hpack_write_fields(&writer, trailers);
		block.len = (size_t)(writer.at - scratch->wire);
		stream->own_end = writer.full ? NULL : buffer_take(buffers, block.len);
		if (stream->own_end == NULL) {
			stream->error = H2_INTERNAL_ERROR;
			return;
		}
		buffer_append(stream->own_end, block);
	}
	stream->quota = OUT_MAX;
	http2_push_own(stream);
	stream->quota = 0;
}

static void
client_content_end(struct exchange_client *client, const struct fields *trailers)
{
	struct http2_stream *stream = stream_of(client);
	struct writer writer;
	bool any = false;

	stream->answer_ended = true;
	for (size_t i = 0; trailers != NULL && i < trailers->count; i++)
		any = any || !trailers->items[i].dropped;
	if (stream->own != NULL) {
		end_own(stream, any ? trailers : NULL);
	} else if (any) {
		stream->end_written = true;
		writer = begin_block(stream);
		hpack_write_fields(&writer, trailers);
		end_block(stream, &writer, H2_END_STREAM);
	} else {
		/*
		 * A tunnel may be cut after its backend has ended: then filler replaces the rest of
		 * a frame that has left in part (see H2_FILLER), which must not end it as if it
		 * were whole. All other exchanges end with their answer.
		 */
		write_end(stream, stream->tunnel);
	}
}

/* ---- the other operations ---- */

static uint64_t
client_progress(struct exchange_client *client)
{
	struct http2_stream *stream = stream_of(client);

	/* Count what the client has to do next: widen this stream's window, or read what was
	 * sent. */
	if (stream->send_window <= 0)
		return stream->widened;
	return stream->widened + http2_acknowledged(stream->session);
}

static void
client_flush(struct exchange_client *client)
{
	http2_wake(stream_of(client)->session);
}

static void
client_pause(struct exchange_client *client)
{
	http2_pause_content(stream_of(client));
}

static void
client_resume(struct exchange_client *client)
{
	http2_resume_content(stream_of(client));
}

static bool
client_take_back(struct exchange_client *client)
{
	struct http2_stream *stream = stream_of(client);

	if (stream->session->output.failed || stream->session->output.whole_at > stream->answer_at)
		return false;
	http2_take_out(stream, stream->answer_at);
	stream->answer_at = H2_NOWHERE;
	return true;
}

static unsigned
client_failed_auth(struct exchange_client *client, const struct in6_addr *address)
{
	return connection_failed_auth(stream_of(client)->session->connection, address);
}

/* End the stream with RST_STREAM; take_out: nothing that waits is sent. */
static void
cut(struct http2_stream *stream, enum h2_error error, bool take_out, bool early)
{
	if (take_out)
		http2_take_out(stream, 0);
	http2_reset(stream->session, stream->id, error, early);
	http2_stream_close(stream);
}

static void
client_ended(struct exchange_client *client, enum exchange_end end)
{
	struct http2_stream *stream = stream_of(client);
	struct http2_session *session = stream->session;

	CHECK(stream->state == HTTP2_STREAM_RUNNING && stream->exchange != NULL, http2_stream_dump,
	    stream);
	connection_exchange_over(session->connection,
	    exchange_is_allowed(stream->exchange) && !exchange_is_public(stream->exchange));
	stream->exchange = NULL;
	if (stream->client_reset) {
		http2_stream_close(stream);
		return;
	}
	if (stream->error != H2_NO_ERROR) {
		cut(stream, stream->error, true, stream->error != H2_INTERNAL_ERROR);
		return;
	}
	switch (end) {
	case END_COMPLETE:
	case END_TOLD:
		stream->told = end == END_TOLD;
		if (stream->own == NULL) {
			finish(stream);
			return;
		}
		http2_stream_set_state(stream, HTTP2_STREAM_SENDING);
		http2_drop_content(stream);
		stream->due_ms =
		    session_now_ms(session) + session_options(session)->timeouts.answer;
		return;
	case END_CUT:
		/* A tunnel that is cut looks like a reset of TCP (RFC 8441 section 5). */
		cut(stream, stream->tunnel ? H2_CANCEL : H2_INTERNAL_ERROR, false, false);
		return;
	case END_REVOKED:
		cut(stream, H2_CANCEL, true, false);
		return;
	case END_ABANDONED:
		/* The budget of resets does not pay for a tunnel that is silent: it has caused no
		 * more work than others. */
		cut(stream, H2_CANCEL, true, !stream->tunnel);
		return;
	case END_UNPROCESSED:
		cut(stream, H2_REFUSED_STREAM, true, false);
		return;
	}
}

const struct exchange_client_ops http2_client_ops = {
    .allowed = client_allowed,
    .interim = client_interim,
    .answer = client_answer,
    .content = client_content,
    .reply_content = client_reply_content,
    .waits = client_waits,
    .last_words = client_last_words,
    .content_end = client_content_end,
    .progress = client_progress,
    .flush = client_flush,
    .send_now = http2_send_now,
    .judge_others = http2_judge_others,
    .pause = client_pause,
    .resume = client_resume,
    .take_back = client_take_back,
    .failed_auth = client_failed_auth,
    .ended = client_ended,
};
