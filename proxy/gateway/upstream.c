/* upstream.c - the gateway as an HTTP/1 client of one backend connection: what it sends, and the
 * connection's beginning and end. */
#include "gateway/upstream.h"

#include "gateway/answer.h"
#include "gateway/pool.h"
#include "http/framing.h"

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

static void
upstream_carry_on(struct task *task)
{
	struct upstream *upstream =
	    (struct upstream *)((char *)task - offsetof(struct upstream, carry_on));

	gateway_catch_up(upstream->gateway);
	if (upstream->state == UPSTREAM_CLOSED)
		return;
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
	upstream->last = request->last;
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

/* Does any of the trailers travel on? */
static bool
has_trailers(const struct fields *trailers)
{
	for (size_t i = 0; trailers != NULL && i < trailers->count; i++)
		if (!trailers->items[i].dropped)
			return true;
	return false;
}

void
upstream_content_end(struct upstream *upstream, const struct fields *trailers)
{
	/* Some servers add what stands in trailers to the fields of the next request (aiohttp 3.8
	 * does), which may be somebody else's. */
	upstream->last = upstream->last || has_trailers(trailers);
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

void
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

	gateway_catch_up(upstream->gateway);
	if (upstream->state == UPSTREAM_CLOSED)
		return;
	conn_send_unsent(conn);
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
		upstream_shut_if_drained(upstream); /* TLS has sent what it held back by itself */
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
	if (reusable && upstream->keep_alive && !upstream->last && !upstream->sender.failed &&
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
