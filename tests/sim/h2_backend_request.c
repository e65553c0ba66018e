/* h2_backend_request.c - the requests that a backend that speaks HTTP/2 receives. */
#include <string.h>

#include "browser/session.h"
#include "h2_backend.h"
#include "http/h2_fields.h"
#include "trace.h"
#include "world.h"

static struct sim_exchange *
exchange_of(const struct h2_backend *connection, uint32_t mark)
{
	return exchanges_get(&connection->backend->world->exchanges, mark);
}

static void
think(struct h2_backend_stream *stream)
{
	const struct exchange_plan *plan = &exchange_of(stream->connection, stream->mark)->plan;

	stream->state = H2_BACKEND_THINKING;
	alarm_set(&stream->act, schedule_now_ns() + plan->think_ns);
}

void
h2_backend_request_is_whole(struct h2_backend_stream *stream)
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
		return h2_backend_is_bad(connection, mark, "a request without a mark");
	if (has_credential(block))
		h2_backend_violation(connection, mark, "a credential of ours");
	if (!head_is_right(block, &exchange->plan, mark))
		return h2_backend_is_bad(connection, mark, "a head that is not the request's");
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
		return h2_backend_is_bad(connection, mark, "more streams than its SETTINGS allow");
	stream = h2_backend_begin(connection, id, mark);
	if (connection->block_ends)
		h2_backend_request_is_whole(stream);
	else if (exchange->plan.tunnel ||
		 (exchange->plan.call && mark % 4 < 2)) /* it answers while it reads */
		think(stream);
	if (random_chance(&backend->random, 20))
		h2_backend_refuse(stream);
	if (connection->leaves_after > 0 && --connection->leaves_after == 0)
		h2_backend_leave(connection);
	return true;
}

bool
h2_backend_take_block(struct h2_backend *connection)
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
		return h2_backend_is_bad(connection, 0, "a field block that cannot be decoded");
	bytes_drop(&connection->block, connection->block.len);
	if (block.malformed || block.too_large || id % 2 == 0)
		return h2_backend_is_bad(connection, 0, "a head that is not HTTP");
	if (id > connection->last_id) {
		if (!take_request(connection, &block))
			return false;
	} else if (stream != NULL) {
		if (!connection->block_ends || field_of(&block, ":method").len > 0)
			return h2_backend_is_bad(
			    connection, stream->mark, "trailers that do not end the stream");
		h2_backend_request_is_whole(stream);
	}
	connection->block_stream = 0;
	return true;
}

bool
h2_backend_take_content(struct h2_backend *connection, const char *content, size_t len, uint64_t at)
{
	struct h2_backend_stream *stream = h2_backend_find(connection, connection->frame.stream);
	size_t good;

	if (stream == NULL)
		return true;
	good = stream->blank
		   ? 0
		   : content_before_blank(content, len, stream->mark, true, stream->received);
	if (good < len && !content_is_blank(content + good, len - good))
		return h2_backend_is_bad(
		    connection, stream->mark, "content that is not the request's");
	stream->blank = stream->blank || good < len;
	if (good > 0)
		judge_moved(connection->backend->world, stream->mark, connection->end->peer->owner,
		    end_stamp(connection->end->peer, at), "backend");
	stream->received += good;
	stream->credit += (uint32_t)len;
	return true;
}
