/* downstream_content.c - what follows a request's head: content for the exchange, or for nobody. */
#include "gateway/downstream_state.h"
#include "gateway/trailers.h"

/*
 * Bytes read and dropped while lingering: a client that never stops sending gets a reset. A client
 * that was authorized may still be uploading when its job dies, so it may send more.
 */
#define LINGER_BYTES (1024 * 1024)
#define LINGER_BYTES_KNOWN (256 * 1024 * 1024)

/* As long as it sends, lingering goes on, but for no longer than this many timeouts.linger. */
#define LINGER_TIMES 15

/* All content has been handed on. */
static void
downstream_content_done(struct downstream *downstream, const struct fields *trailers)
{
	downstream->content_ended = true;
	if (!downstream->tunnel)
		timer_stop(&downstream->timer);
	exchange_content_end(downstream->exchange, trailers);
}

/*
 * The least that a client has to send is a rate, not a piece now and then: for the time in which it
 * is waited for it owes content, and it must not owe more than timeouts.body would bring. What
 * was sent beyond that counts for nothing later on.
 */
static void
downstream_owes(struct downstream *downstream)
{
	const struct gateway *gateway = downstream->gateway;
	uint64_t owed = downstream->owed;

	if (downstream->awaits_since_ms == 0)
		return;
	owed += (loop_now_ms(gateway->loop) - downstream->awaits_since_ms) *
		gateway->options.limits.body_rate_min / 1000;
	downstream->owed = owed < UINT32_MAX ? (uint32_t)owed : UINT32_MAX;
	downstream->awaits_since_ms = 0;
}

/* It has sent so much: how long until it has to send more? */
static void
downstream_pays(struct downstream *downstream, size_t n)
{
	const struct gateway_options *options = &downstream->gateway->options;
	uint64_t left_ms = options->timeouts.body, owed_ms = 0;

	downstream->owed -= n < downstream->owed ? (uint32_t)n : downstream->owed;
	if (downstream->owed > 0)
		owed_ms = downstream->owed * UINT64_C(1000) / options->limits.body_rate_min;
	timer_start(downstream->gateway->loop, &downstream->timer,
	    owed_ms < left_ms ? left_ms - owed_ms : 0);
}

/* Read more content, or learn that none will come. */
static bool
downstream_more_content(struct downstream *downstream)
{
	switch (downstream->tunnel ? receiver_fill(&downstream->receiver)
				   : receiver_fill_on(&downstream->receiver)) {
	case IO_OK:
		downstream_owes(downstream);
		return true;
	case IO_AGAIN:
		/* Who waits for 100 is waiting for the backend. */
		if (downstream->awaits_since_ms == 0 && !downstream->tunnel && !downstream->expects)
			downstream->awaits_since_ms = loop_now_ms(downstream->gateway->loop);
		return false;
	case IO_EOF:
		if (downstream->tunnel) {
			downstream_content_done(downstream, NULL);
			return false;
		}
		break;
	case IO_ERROR:
		break;
	}
	downstream_lost(downstream);
	return false;
}

/* Hand on a piece of content. True when there is more to do at once. */
static bool
downstream_content(struct downstream *downstream, size_t *budget)
{
	struct gateway *gateway = downstream->gateway;
	struct fields trailers;
	const struct fields *allowed;
	struct slice data;
	size_t taken;
	enum body_status status = receiver_content(&downstream->receiver, &data);
	bool more = receiver_spend(&downstream->receiver, budget);

	if (!more)
		loop_defer(gateway->loop, &downstream->task);
	switch (status) {
	case BODY_DATA:
		taken = exchange_content(downstream->exchange, data);
		if (downstream->exchange == NULL)
			return true;
		receiver_taken(&downstream->receiver, taken);
		downstream->expects = false;
		if (taken > 0 && !downstream->tunnel)
			downstream_pays(downstream, taken);
		return taken == data.len && more;
	case BODY_TRAILERS:
		allowed = trailers_take(gateway, data,
		    downstream->peer.trusted ? NULL : gateway->options.forwarding.drop_fields,
		    &trailers);
		if (allowed == NULL)
			break;
		downstream_content_done(downstream, allowed);
		return true;
	case BODY_END:
		downstream_content_done(downstream, NULL);
		return true;
	case BODY_MORE:
		return more && downstream_more_content(downstream);
	case BODY_BAD:
		break;
	}
	downstream->keep_alive = false;
	exchange_client_failed(downstream->exchange, CLIENT_BAD_CONTENT);
	return true;
}

/*
 * The client sends no more. It may have closed or may still read: the kernel finds out by a reset
 * in response to the answer, or by probing. There is never more to read now.
 */
static bool
downstream_half_closed(struct downstream *downstream)
{
	if (conn_failed(&downstream->conn))
		downstream_lost(downstream);
	else if (!downstream->half_closed)
		conn_probe(&downstream->conn);
	downstream->half_closed = true;
	return false;
}

/*
 * An exchange runs that takes no content just now. What comes is the next
 * request (pipelined) or the client's end: only by reading is that told apart.
 */
static bool
downstream_listen(struct downstream *downstream)
{
	struct receiver *receiver = &downstream->receiver;

	if (receiver->piece.len > 0)
		return false; /* content waits for the backend: so has the client to wait */
	if (downstream->half_closed)
		return downstream_half_closed(downstream);
	switch (receiver_fill(receiver)) {
	case IO_OK:
		return true;
	case IO_AGAIN:
		return false;
	case IO_EOF:
		return downstream_half_closed(downstream);
	case IO_ERROR:
		break;
	}
	/* A client that has gone wants no answer any more; a job's work may be costly. */
	downstream_lost(downstream);
	return false;
}

bool
downstream_serve(struct downstream *downstream, size_t *budget)
{
	if (!downstream->content_ended && exchange_takes_content(downstream->exchange)) {
		downstream_drop_head(downstream);
		return downstream_content(downstream, budget);
	}
	/* A client that has ended its side of a tunnel still reads the other one. */
	if (downstream->tunnel && downstream->content_ended)
		return false;
	return downstream_listen(downstream);
}

/* Read content that nobody wants. True when there is more to do at once. */
bool
downstream_skip(struct downstream *downstream, size_t *budget)
{
	struct gateway *gateway = downstream->gateway;
	struct slice data;
	enum body_status status = receiver_content(&downstream->receiver, &data);

	downstream->skipped += downstream->receiver.decoded;
	if (!receiver_spend(&downstream->receiver, budget))
		loop_defer(gateway->loop, &downstream->task);
	if (downstream->skipped > gateway->options.limits.drain_bytes && status != BODY_END) {
		downstream_finish(downstream);
		return true;
	}
	switch (status) {
	case BODY_DATA:
		receiver_taken(&downstream->receiver, data.len);
		return *budget > 0;
	case BODY_TRAILERS:
		return true;
	case BODY_END:
		downstream_await(downstream);
		return true;
	case BODY_MORE:
		if (*budget == 0)
			return false;
		break;
	case BODY_BAD:
		downstream_finish(downstream);
		return true;
	}
	switch (receiver_fill(&downstream->receiver)) {
	case IO_OK:
		return true;
	case IO_AGAIN:
		return false;
	case IO_EOF:
		/* It gave up its upload, but still gets the answer. */
		downstream_finish(downstream);
		return true;
	case IO_ERROR:
		break;
	}
	downstream_lost(downstream);
	return false;
}

bool
downstream_reset_when_read(struct downstream *downstream)
{
	struct gateway *gateway = downstream->gateway;
	uint32_t now_ms = (uint32_t)loop_now_ms(gateway->loop);
	size_t unread;

	if (!downstream_must_reset(downstream))
		return false;
	unread = conn_unacknowledged(&downstream->conn);
	if (unread != downstream->unread)
		downstream->idle_since_ms = now_ms;
	else if (unread == 0 ||
		 now_ms - downstream->idle_since_ms >= gateway->options.timeouts.answer) {
		downstream_close(downstream, true);
		return true;
	}
	downstream->unread = unread;
	timer_start(gateway->loop, &downstream->timer, jg_tuning.loop.tick_ms);
	return true;
}

/* All is sent: close our sending side, unless a reset is needed. */
static void
downstream_end_sending(struct downstream *downstream)
{
	downstream->finished_sending = true;
	downstream->unread = UINT64_MAX;
	if (downstream_reset_when_read(downstream))
		return;
	timer_start(downstream->gateway->loop, &downstream->timer,
	    downstream->gateway->options.timeouts.linger);
	if (downstream->cut)
		conn_cut(&downstream->conn);
	else
		conn_shutdown_write(&downstream->conn);
}

/* True when the client may still send, after this many dropped bytes. */
static bool
may_linger(struct downstream *downstream, size_t n)
{
	struct gateway *gateway = downstream->gateway;
	uint64_t linger_ms = gateway->options.timeouts.linger;
	uint32_t lingered_ms = (uint32_t)loop_now_ms(gateway->loop) - downstream->idle_since_ms;

	downstream->skipped += n;
	if (downstream->skipped > (downstream->known ? LINGER_BYTES_KNOWN : LINGER_BYTES))
		return false;
	if (downstream->known && !downstream_must_reset(downstream) &&
	    lingered_ms < LINGER_TIMES * linger_ms)
		timer_start(gateway->loop, &downstream->timer, linger_ms);
	return true;
}

/* Read and drop until the client has closed its side as well. */
static bool
downstream_linger(struct downstream *downstream, size_t *budget)
{
	struct receiver *receiver = &downstream->receiver;
	size_t n;

	receiver_clear(receiver);
	switch (receiver_fill(receiver)) {
	case IO_OK:
		n = buffer_len(receiver->in);
		if (!may_linger(downstream, n))
			break;
		*budget -= n < *budget ? n : *budget;
		if (*budget == 0)
			loop_defer(downstream->gateway->loop, &downstream->task);
		return *budget > 0;
	case IO_AGAIN:
		return false;
	case IO_EOF:
		if (downstream_must_reset(downstream) && !conn_failed(&downstream->conn))
			return false;
		break;
	case IO_ERROR:
		break;
	}
	downstream_close(downstream, downstream_must_reset(downstream));
	return false;
}

/*
 * Send what is left, end our side, and read until the client has closed as well:
 * closing with unread bytes would reset the connection and might take the
 * answer away from the client (RFC 9112 section 9.6).
 */
bool
downstream_closing(struct downstream *downstream, size_t *budget)
{
	if (sender_pending(&downstream->sender))
		return false;
	if (downstream->client_closes && downstream->content_ended && !downstream->cut &&
	    !downstream->conn.readable && buffer_len(downstream->receiver.in) == 0) {
		/* It has said that it sends no more, and it did not: nothing can be unread. Who has
		 * sent several requests may have sent one behind its last. */
		conn_farewell(&downstream->conn);
		downstream_close(downstream, false);
		return false;
	}
	if (!downstream->finished_sending)
		downstream_end_sending(downstream);
	return downstream->state == DOWNSTREAM_CLOSING && downstream_linger(downstream, budget);
}
