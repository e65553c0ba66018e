/* upstream.c - the gateway as an HTTP/1 client of one backend connection. */
#include "gateway/upstream.h"

#include "gateway/answer.h"
#include "gateway/pool.h"
#include "http/framing.h"

/*
 * Bytes of one answer relayed in one turn of the loop: a fast backend must not starve the others.
 */
#define TURN_BYTES (512 * 1024)

/* Answers of 1xx before the final one; whoever sends more does not mean to answer. */
#define INTERIMS_MAX 64

/* Of a backend's word on how long it keeps a connection. */
#define KEEP_MARGIN_MS 500
#define KEEP_SECONDS_MAX 86400

static void
write_host(struct writer *writer, const struct gateway *gateway, const struct request *request,
    const struct job_url *target)
{
	bool preserve = gateway->options.preserve_host && request->authority.len > 0;
	bool bracket =
	    target->host.len > 0 && memchr(target->host.at, ':', target->host.len) != NULL;
	uint16_t usual = target->scheme == JOB_URL_HTTPS ? 443 : 80;

	write_literal(writer, "Host: ");
	if (preserve) {
		write_slice(writer, request->authority);
	} else if (target->scheme == JOB_URL_UNIX) {
		write_literal(writer, "localhost");
	} else {
		write_slice(writer, bracket ? SLICE("[") : (struct slice){0});
		write_slice(writer, target->host);
		write_slice(writer, bracket ? SLICE("]") : (struct slice){0});
		if (target->port != usual) {
			write_literal(writer, ":");
			write_number(writer, target->port);
		}
	}
	write_literal(writer, "\r\n");
}

size_t
upstream_write_head(struct gateway *gateway, const struct request *request,
    const struct fields *extra, const struct job_url *target)
{
	struct writer writer = writer_of(gateway->scratch.wire, sizeof(gateway->scratch.wire));
	struct slice base = target->base;

	if (slice_equal(request->path, SLICE("*")))
		base.len = 0;
	write_request_line(&writer, request->method, base, request->path, request->query);
	write_host(&writer, gateway, request, target);
	write_fields(&writer, &request->fields);
	write_fields(&writer, extra);
	switch (request->content) {
	case CONTENT_NONE:
		break;
	case CONTENT_LENGTH:
		write_literal(&writer, "Content-Length: ");
		write_number(&writer, request->length);
		write_literal(&writer, "\r\n");
		break;
	case CONTENT_UNKNOWN:
		write_literal(&writer, "Transfer-Encoding: chunked\r\n");
		break;
	}
	if (request->expect_continue)
		write_literal(&writer, "Expect: 100-continue\r\n");
	if (request->upgrade.len > 0) {
		write_literal(&writer, "Connection: Upgrade\r\n");
		write_field(&writer, SLICE("Upgrade"), request->upgrade);
	}
	write_literal(&writer, "\r\n");
	return writer.full ? 0 : (size_t)(writer.at - gateway->scratch.wire);
}

static void upstream_ready(struct conn *conn);
static void upstream_fail(struct upstream *upstream, enum upstream_failure failure);

static void
upstream_carry_on(struct task *task)
{
	struct upstream *upstream =
	    (struct upstream *)((char *)task - offsetof(struct upstream, carry_on));

	/* A tunnel whose backend has ended both its sides has nobody left to speak to. */
	if (upstream->tunnel_ended && upstream->sender.failed)
		upstream_fail(upstream, UPSTREAM_BROKEN);
	else
		upstream_pump(upstream);
}

void
upstream_begin(struct upstream *upstream, struct slice head, const struct upstream_request *request)
{
	upstream->state = UPSTREAM_WAITING;
	upstream->conn.ready = upstream_ready;
	upstream->carry_on.run = upstream_carry_on;
	upstream->method = request->method_id;
	upstream->upgrade_asked = request->upgrade;
	upstream->tunnel = upstream->tunnel_shut = upstream->tunnel_ended = false;
	upstream->answer_begun = false;
	upstream->interims = 0;
	upstream->keep_alive = false;
	upstream->sender.framing = request->content == CONTENT_UNKNOWN ? BODY_CHUNKED : BODY_LENGTH;
	upstream->sender.chunk_left = 0;
	upstream->sender.sent = 0;
	upstream->receiver.scanned = 0;
	if (!sender_append(&upstream->sender, head))
		upstream->sender.failed = true;
}

size_t
upstream_content(struct upstream *upstream, struct slice data)
{
	return sender_content(&upstream->sender, data);
}

/* Once a tunnel's client has ended and all it sent has left, the backend learns of the end. */
static void
upstream_shut_if_drained(struct upstream *upstream)
{
	if (upstream->tunnel_shut && !sender_pending(&upstream->sender))
		conn_shutdown_write(&upstream->conn);
}

void
upstream_content_end(struct upstream *upstream, const struct fields *trailers)
{
	if (upstream->tunnel)
		upstream->tunnel_shut = true;
	else if (!sender_end(&upstream->sender, trailers))
		upstream->sender.failed = true;
}

void
upstream_flush(struct upstream *upstream)
{
	/*
	 * A backend that refuses a request early may close its reading side: the
	 * answer is still to be read, so an error of writing ends nothing by itself.
	 */
	if (sender_flush(&upstream->sender) == IO_ERROR)
		upstream->conn.readable = true;
	upstream_shut_if_drained(upstream);
	sender_settle(&upstream->sender);
	if (upstream->sender.failed)
		loop_defer(upstream->gateway->loop, &upstream->carry_on);
}

/* The connection cannot bring its answer to an end. */
static void
upstream_fail(struct upstream *upstream, enum upstream_failure failure)
{
	struct exchange *exchange = upstream->exchange;
	enum repeat repeat = REPEAT_NOT;

	/* Only what is idempotent, or what was never sent at all. */
	if (!upstream->answer_begun &&
	    (method_is_idempotent(upstream->method) || upstream->sender.sent == 0))
		repeat = upstream->reused ? REPEAT_STALE : REPEAT_BROKEN;
	if (repeat == REPEAT_BROKEN)
		pool_avoid(upstream);
	upstream_close(upstream);
	if (exchange != NULL)
		exchange_upstream_failed(exchange, failure, repeat);
}

/* Read more of a head; true when there is something new to look at. */
static bool
upstream_fill(struct upstream *upstream)
{
	struct receiver *receiver = &upstream->receiver;

	switch (
	    buffer_len(receiver->in) > 0 ? receiver_fill_on(receiver) : receiver_fill(receiver)) {
	case IO_OK:
		upstream->answer_begun = true;
		return true;
	case IO_AGAIN:
		return false;
	case IO_EOF:
	case IO_ERROR:
		break;
	}
	upstream_fail(upstream, UPSTREAM_BROKEN);
	return false;
}

/* Does an answer of 101 switch to what was asked for? */
static bool
upgrade_agreed(const struct upstream *upstream, const struct response_framing *framing)
{
	return upstream->upgrade_asked.len > 0 &&
	       slice_equal_nocase(framing->upgrade, upstream->upgrade_asked);
}

/*
 * How long the backend says it keeps a connection that is idle (Keep-Alive: timeout=SECONDS), less
 * a margin, so that we are the first to let go of it: a request that meets its end on the way
 * may not be one that can be sent again. UINT64_MAX when it does not say.
 */
static uint64_t
keep_hint_ms(const struct response_head *head)
{
	struct slice name = SLICE("timeout="), list, member;
	uint64_t seconds;

	for (size_t i = 0; i < head->field_count; i++) {
		if (head->fields[i].id != FIELD_KEEP_ALIVE)
			continue;
		list = head->fields[i].value;
		while (list_next(&list, &member)) {
			if (member.len <= name.len ||
			    !slice_equal_nocase((struct slice){member.at, name.len}, name))
				continue;
			seconds = 0;
			for (size_t at = name.len; at < member.len && seconds < KEEP_SECONDS_MAX &&
						   member.at[at] >= '0' && member.at[at] <= '9';
			     at++)
				seconds = seconds * 10 + (uint64_t)(member.at[at] - '0');
			return seconds > 0 ? seconds * 1000 - KEEP_MARGIN_MS : 0;
		}
	}
	return UINT64_MAX;
}

/* A complete head: hand it on. False when the answer is not one that can be understood. */
static bool
upstream_take_head(struct upstream *upstream, const struct response_head *head,
    const struct response_framing *framing)
{
	struct response response = {
	    .status = head->status,
	    .reason = head->reason,
	    .fields = {(struct field *)head->fields, head->field_count},
	    .length = framing->length,
	    .length_known = framing->length_known,
	    .upgrade = framing->upgrade,
	};

	if (head->status == 101 && !upgrade_agreed(upstream, framing))
		return false;
	if (head->status < 200 && head->status != 101) {
		if (++upstream->interims > INTERIMS_MAX)
			return false;
		if (head->status == 100 || head->status == 103)
			exchange_interim(upstream->exchange, &response);
		return true;
	}
	switch (framing->body) {
	case BODY_NONE:
		response.content = CONTENT_NONE;
		break;
	case BODY_LENGTH:
		response.content = CONTENT_LENGTH;
		break;
	case BODY_CHUNKED:
	case BODY_UNTIL_CLOSE:
		response.content = CONTENT_UNKNOWN;
		break;
	}
	upstream->tunnel = head->status == 101;
	upstream->keep_ms = keep_hint_ms(head);
	upstream->keep_alive = framing->keep_alive && !upstream->tunnel && upstream->keep_ms > 0;
	body_decoder_init(&upstream->receiver.body,
	    upstream->tunnel ? BODY_UNTIL_CLOSE : framing->body, framing->length, TRAILER_MAX);
	upstream->state = UPSTREAM_RELAYING;
	exchange_answer(upstream->exchange, &response);
	return true;
}

/* Look for the head of an answer. True when there is more to do at once. */
static bool
upstream_head(struct upstream *upstream)
{
	struct gateway *gateway = upstream->gateway;
	struct response_head *head = &gateway->scratch.response_head;
	struct receiver *receiver = &upstream->receiver;
	struct response_framing framing;
	struct slice bytes = {0};
	size_t start, end;

	if (receiver->in != NULL)
		bytes = buffer_bytes(receiver->in);
	if (bytes.len == 0)
		return upstream_fill(upstream);
	switch (head_find(
	    bytes, false, &gateway->options.head_limits, &receiver->scanned, &start, &end)) {
	case HEAD_COMPLETE:
		break;
	case HEAD_INCOMPLETE:
		return upstream_fill(upstream);
	case HEAD_BAD:
	case HEAD_BAD_VERSION:
	case HEAD_TARGET_TOO_LONG:
	case HEAD_TOO_LARGE:
		upstream_fail(upstream, UPSTREAM_BAD_ANSWER);
		return false;
	}
	bytes.len = end;
	if (head_parse_response(bytes, &gateway->options.head_limits, head) != HEAD_COMPLETE ||
	    response_framing(head, upstream->method, &framing) != FRAMING_OK) {
		upstream_fail(upstream, UPSTREAM_BAD_ANSWER);
		return false;
	}
	/* The bytes stay where they are until the next fill: the head's slices point there. */
	receiver->in->start += (uint32_t)end;
	receiver->scanned = 0;
	if (!upstream_take_head(upstream, head, &framing)) {
		upstream_fail(upstream, UPSTREAM_BAD_ANSWER);
		return false;
	}
	return true;
}

/* The trailer fields that may travel on, in scratch; NULL when they break the rules. */
const struct fields *
trailers_take(struct gateway *gateway, struct slice section, struct fields *out)
{
	*out = (struct fields){gateway->scratch.trailers, 0};
	if (fields_parse(section, out->items, gateway->options.head_limits.fields, &out->count) !=
	    HEAD_COMPLETE)
		return NULL;
	for (size_t i = 0; i < out->count; i++)
		out->items[i].dropped =
		    !field_allowed_in_trailer(out->items[i].id, out->items[i].name);
	return out;
}

/* The answer has come to its end. */
static void
upstream_complete(struct upstream *upstream, const struct fields *trailers)
{
	if (upstream->tunnel)
		upstream->tunnel_ended = true;
	exchange_answer_end(upstream->exchange, trailers);
}

/* Content comes to a stop for now: read more, or learn that it has ended. */
static bool
upstream_more(struct upstream *upstream)
{
	switch (upstream->tunnel ? receiver_fill(&upstream->receiver)
				 : receiver_fill_on(&upstream->receiver)) {
	case IO_OK:
		return true;
	case IO_AGAIN:
		return false;
	case IO_EOF:
		if (upstream->receiver.body.kind == BODY_UNTIL_CLOSE) {
			upstream_complete(upstream, NULL);
			return false;
		}
		break;
	case IO_ERROR:
		break;
	}
	upstream_fail(upstream, UPSTREAM_BROKEN);
	return false;
}

/* Hand on a piece of content. True when there is more to do at once. */
static bool
upstream_relay(struct upstream *upstream, size_t *budget)
{
	struct fields trailers;
	const struct fields *allowed;
	struct slice data;
	size_t taken;
	enum body_status status = receiver_content(&upstream->receiver, &data);
	bool more = receiver_spend(&upstream->receiver, budget);

	if (!more)
		loop_defer(upstream->gateway->loop, &upstream->carry_on);
	switch (status) {
	case BODY_DATA:
		taken = exchange_answer_content(upstream->exchange, data);
		if (upstream->exchange == NULL)
			return false;
		receiver_taken(&upstream->receiver, taken);
		return taken == data.len && more;
	case BODY_TRAILERS:
		allowed = trailers_take(upstream->gateway, data, &trailers);
		if (allowed == NULL)
			break;
		upstream_complete(upstream, allowed);
		return false;
	case BODY_END:
		upstream_complete(upstream, NULL);
		return false;
	case BODY_MORE:
		return more && upstream_more(upstream);
	case BODY_BAD:
		break;
	}
	upstream_fail(upstream, UPSTREAM_BAD_ANSWER);
	return false;
}

void
upstream_pump(struct upstream *upstream)
{
	size_t budget = TURN_BYTES;
	bool more = true;

	while (more && upstream->exchange != NULL && !upstream->tunnel_ended) {
		if (upstream->state == UPSTREAM_WAITING)
			more = upstream_head(upstream);
		else if (upstream->state == UPSTREAM_RELAYING)
			more = upstream_relay(upstream, &budget);
		else
			break;
	}
	if (upstream->exchange != NULL)
		exchange_answer_flush(upstream->exchange);
	if (upstream->state != UPSTREAM_CLOSED)
		receiver_settle(&upstream->receiver);
}

void
upstream_look(struct upstream *upstream)
{
	conn_look_again(&upstream->conn);
	upstream_pump(upstream);
}

bool
upstream_still_idle(struct upstream *upstream)
{
	char byte;
	size_t n;

	/* Nothing that may come is welcome. */
	upstream->conn.readable = true;
	if (conn_read(&upstream->conn, &byte, 1, &n) == IO_AGAIN)
		return true;
	upstream_close(upstream);
	return false;
}

static void
upstream_ready(struct conn *conn)
{
	struct upstream *upstream =
	    (struct upstream *)((char *)conn - offsetof(struct upstream, conn));

	if (upstream->state == UPSTREAM_IDLE) {
		if (conn->readable) /* and not only writable again */
			upstream_still_idle(upstream);
		return;
	}
	if (conn->writable && sender_pending(&upstream->sender)) {
		upstream_flush(upstream);
		if (upstream->exchange != NULL && !sender_pending(&upstream->sender))
			exchange_upstream_ready(upstream->exchange);
	} else if (conn->writable && upstream->exchange != NULL) {
		exchange_upstream_ready(upstream->exchange);
	}
	if (upstream->exchange != NULL)
		upstream_pump(upstream);
}

void
upstream_release(struct upstream *upstream, bool reusable)
{
	char byte;
	size_t n;

	upstream->exchange = NULL;
	if (reusable && upstream->keep_alive && !upstream->sender.failed &&
	    !sender_pending(&upstream->sender) && body_ended(&upstream->receiver.body) &&
	    buffer_len(upstream->receiver.in) == 0 &&
	    conn_read(&upstream->conn, &byte, 1, &n) == IO_AGAIN) {
		loop_cancel(upstream->gateway->loop, &upstream->carry_on);
		receiver_clear(&upstream->receiver);
		upstream->reused = true;
		if (pool_keep(upstream))
			return;
	}
	upstream_close(upstream);
}

static void
upstream_bury(struct task *task)
{
	struct upstream *upstream =
	    (struct upstream *)((char *)task - offsetof(struct upstream, burial));

	slab_give(&upstream->gateway->upstreams, upstream, SLAB_KEEP);
}

void
upstream_close(struct upstream *upstream)
{
	struct gateway *gateway = upstream->gateway;

	if (upstream->state == UPSTREAM_CLOSED)
		return;
	pool_forget(upstream);
	upstream->state = UPSTREAM_CLOSED;
	upstream->exchange = NULL;
	timer_remove(&upstream->timer);
	loop_cancel(gateway->loop, &upstream->carry_on);
	receiver_clear(&upstream->receiver);
	sender_clear(&upstream->sender);
	conn_close(&upstream->conn);
	upstream->burial.run = upstream_bury;
	loop_defer(gateway->loop, &upstream->burial);
}
