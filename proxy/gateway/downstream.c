/* downstream.c - one client's connection: accept, read, wait, close. */
#include <netinet/tcp.h>
#include <unistd.h>

#include "gateway/downstream_state.h"

/* Bytes of content, and requests, that one connection may take of a turn. */
#define TURN_BYTES (512 * 1024)
#define TURN_REQUESTS 32

/* Bytes of answers that wait to leave together with the next one. */
#define ANSWERS_TOGETHER 4096

/* Content that is read and dropped in one turn while skipping or lingering. */
#define SKIP_BYTES (256 * 1024)

size_t
downstream_size(void)
{
	return sizeof(struct downstream);
}

struct downstream *
downstream_next(struct downstream *downstream)
{
	return TAILQ_NEXT(downstream, link);
}

/* Those who look after the gateway are no clients of it. */
static void
count_connections(struct gateway *gateway)
{
	counter_set(&gateway->stats->connections,
	    gateway->places[FOR_JOBS].count + gateway->places[FOR_CONTROL].count);
}

static void
downstream_bury(struct task *task)
{
	struct downstream *downstream = OWNER(task, task);

	slab_give(&downstream->gateway->downstreams, downstream, SLAB_KEEP);
}

void
downstream_close(struct downstream *downstream, bool reset)
{
	struct gateway *gateway = downstream->gateway;

	if (downstream->state == DOWNSTREAM_CLOSED)
		return;
	if (downstream->state == DOWNSTREAM_SECURING)
		downstream_secured(downstream);
	downstream->state = DOWNSTREAM_CLOSED;
	timer_remove(&downstream->timer);
	loop_cancel(gateway->loop, &downstream->task);
	receiver_clear(&downstream->receiver);
	sender_clear(&downstream->sender);
	if (reset)
		conn_reset(&downstream->conn);
	else
		conn_close(&downstream->conn);
	TAILQ_REMOVE(&downstream_places(downstream)->connections, downstream, link);
	if (downstream->peer.client != NULL)
		clients_leave(gateway->clients, downstream->peer.client,
		    downstream->entrance.purpose, loop_now_ms(gateway->loop));
	downstream_places(downstream)->count--;
	count_connections(gateway);
	downstream->task.run = downstream_bury;
	loop_defer(gateway->loop, &downstream->task);
}

void
downstream_lost(struct downstream *downstream)
{
	struct exchange *exchange = downstream->exchange;

	if (exchange != NULL)
		exchange_client_failed(exchange, CLIENT_CLOSED);
	downstream_close(downstream, false);
}

void
downstream_finish(struct downstream *downstream)
{
	downstream->state = DOWNSTREAM_CLOSING;
	downstream->skipped = 0;
	downstream->sent_before = downstream->sender.sent;
	/* As long as the client reads it may take its time; lingering begins when all is sent. */
	timer_start(downstream->gateway->loop, &downstream->timer,
	    downstream->gateway->options.timeouts.answer);
}

void
downstream_await(struct downstream *downstream)
{
	struct gateway *gateway = downstream->gateway;

	downstream->state = DOWNSTREAM_HEAD;
	downstream->receiver.scanned = 0;
	downstream->head_len = 0;
	downstream->sent_before = UINT64_MAX; /* not looked at yet */
	/* A part of a head that has come behind the last request has to hurry already. */
	timer_start(gateway->loop, &downstream->timer,
	    buffer_len(downstream->receiver.in) > 0 ? gateway->options.timeouts.head
						    : gateway->options.timeouts.keep_alive);
}

/* Look for a head. True when there is more to do at once. */
static bool
downstream_head(struct downstream *downstream)
{
	struct gateway *gateway = downstream->gateway;
	struct receiver *receiver = &downstream->receiver;
	struct slice bytes = {0};
	size_t start, end;
	enum head_status status = HEAD_INCOMPLETE;

	if (receiver->in != NULL)
		bytes = buffer_bytes(receiver->in);
	if (bytes.len > 0)
		status = head_find(
		    bytes, true, &gateway->options.limits.head, &receiver->scanned, &start, &end);
	if (status == HEAD_COMPLETE) {
		receiver->in->start += (uint32_t)start;
		downstream->head_len = (uint32_t)(end - start);
		receiver->scanned = 0;
		downstream_begin(downstream);
		return true;
	}
	if (status != HEAD_INCOMPLETE) {
		downstream_reject_head(downstream, status);
		return true;
	}
	switch (bytes.len > 0 ? receiver_fill_on(receiver) : receiver_fill(receiver)) {
	case IO_OK:
		if (bytes.len == 0) /* the first bytes of a head: from now on it has to hurry */
			timer_start(
			    gateway->loop, &downstream->timer, gateway->options.timeouts.head);
		return true;
	case IO_AGAIN:
		return false;
	case IO_EOF:
		if (!sender_pending(&downstream->sender) && !downstream->half_closed)
			break;
		/* It sends no more, but still reads its answers. */
		downstream_finish(downstream);
		return true;
	case IO_ERROR:
		break;
	}
	downstream_lost(downstream);
	return false;
}

/*
 * May the next request be looked for? Answers of a few KiB wait for each other, to leave
 * together; a client that does not read its answers gets no more of them.
 */
static bool
may_ask(struct downstream *downstream)
{
	struct sender *sender = &downstream->sender;

	if (!sender_pending(sender))
		return true;
	if (!downstream->conn.writable)
		return false;
	return buffer_len(sender->out) <= ANSWERS_TOGETHER || sender_flush(sender) != IO_AGAIN;
}

void
downstream_work(struct downstream *downstream)
{
	size_t budget = TURN_BYTES, skip_budget = SKIP_BYTES;
	unsigned requests = 0;
	bool more = true;

	if (downstream->working)
		return; /* the loop below goes on with it */
	downstream->working = true;
	while (more) {
		switch (downstream->state) {
		case DOWNSTREAM_PROXY:
			more = downstream_proxy(downstream);
			break;
		case DOWNSTREAM_SECURING:
			more = downstream_handshake(downstream);
			break;
		case DOWNSTREAM_HEAD:
			more = may_ask(downstream);
			if (more && requests++ == TURN_REQUESTS) {
				loop_defer(downstream->gateway->loop, &downstream->task);
				more = false;
			}
			more = more && downstream_head(downstream);
			break;
		case DOWNSTREAM_EXCHANGE:
			more = downstream_serve(downstream, &budget);
			break;
		case DOWNSTREAM_SKIPPING:
			more = downstream_skip(downstream, &skip_budget);
			break;
		case DOWNSTREAM_CLOSING:
			if (sender_flush(&downstream->sender) == IO_ERROR) {
				downstream_close(downstream, false);
				more = false;
				break;
			}
			more = downstream_closing(downstream, &skip_budget);
			break;
		case DOWNSTREAM_CLOSED:
			more = false;
			break;
		}
	}
	downstream->working = false;
	if (downstream->exchange != NULL)
		exchange_content_flush(downstream->exchange);
	if (downstream->state == DOWNSTREAM_CLOSED)
		return;
	if (sender_flush(&downstream->sender) == IO_ERROR) {
		downstream_lost(downstream);
		return;
	}
	receiver_settle(&downstream->receiver);
	sender_settle(&downstream->sender);
}

/* ---- what the loop tells us ---- */

static void
downstream_carry_on(struct task *task)
{
	struct downstream *downstream = OWNER(task, task);

	gateway_catch_up(downstream->gateway);
	downstream_work(downstream);
}

static void
downstream_ready(struct conn *conn)
{
	struct downstream *downstream = OWNER(conn, conn);

	gateway_catch_up(downstream->gateway);
	if (downstream->state == DOWNSTREAM_CLOSED)
		return;
	conn_send_unsent(conn);
	if (conn->writable && sender_pending(&downstream->sender)) {
		if (sender_flush(&downstream->sender) == IO_ERROR) {
			downstream_lost(downstream);
			return;
		}
		downstream_shut_if_drained(downstream);
	}
	if (conn->writable && downstream->exchange != NULL)
		exchange_client_ready(downstream->exchange);
	if (downstream->state != DOWNSTREAM_CLOSED)
		downstream_work(downstream);
}

/*
 * It is time for a client that has not read all that it has been sent. As long as it reads it may
 * take its time; then a reset tells it that what it has is not whole.
 */
static void
downstream_expired_unread(struct downstream *downstream)
{
	if (downstream->sender.sent == downstream->sent_before) {
		downstream_close(downstream, true);
		return;
	}
	downstream->sent_before = downstream->sender.sent;
	timer_start(downstream->gateway->loop, &downstream->timer,
	    downstream->gateway->options.timeouts.answer);
}

static void
downstream_expired(struct timer *timer)
{
	struct downstream *downstream = OWNER(timer, timer);

	switch (downstream->state) {
	case DOWNSTREAM_PROXY:
		downstream_not_introduced(downstream);
		return;
	case DOWNSTREAM_SECURING:
		downstream_not_secured(downstream, "it took too long");
		return;
	case DOWNSTREAM_HEAD:
		if (sender_pending(&downstream->sender)) {
			downstream_expired_unread(downstream);
			return;
		}
		if (buffer_len(downstream->receiver.in) == 0) {
			conn_farewell(&downstream->conn);
			downstream_close(downstream, false);
			return;
		}
		downstream->minor = 1;
		downstream_reject(downstream, NULL, 408, SLICE("Request timeout"),
		    SLICE("The request's head did not come in time."));
		if (downstream->state != DOWNSTREAM_CLOSED)
			downstream_work(downstream);
		return;
	case DOWNSTREAM_EXCHANGE:
		if (downstream->content_ended)
			return;
		if (downstream->receiver.piece.len > 0 || downstream->expects ||
		    !exchange_takes_content(downstream->exchange)) {
			/* The backend keeps the client waiting, not the other way round. */
			timer_start(downstream->gateway->loop, timer,
			    downstream->gateway->options.timeouts.body);
			return;
		}
		downstream->keep_alive = false;
		exchange_client_failed(downstream->exchange, CLIENT_BODY_TIMEOUT);
		return;
	case DOWNSTREAM_SKIPPING:
		downstream_close(downstream, false);
		return;
	case DOWNSTREAM_CLOSING:
		if (sender_pending(&downstream->sender))
			downstream_expired_unread(downstream);
		else if (!downstream_reset_when_read(downstream))
			downstream_close(downstream, false);
		return;
	case DOWNSTREAM_CLOSED:
		return;
	}
}

void
downstream_accept(
    struct gateway *gateway, int fd, const struct sockaddr *peer, const struct entrance *entrance)
{
	struct exchange_peer described = {0};
	struct downstream *downstream = NULL;
	int on = 1;

	if (downstream_admit(gateway, peer, entrance, &described))
		downstream = slab_take(&gateway->downstreams);
	if (downstream == NULL ||
	    !conn_open(&downstream->conn, gateway->loop, fd, downstream_ready)) {
		if (downstream != NULL)
			slab_give(&gateway->downstreams, downstream, SLAB_KEEP);
		if (described.client != NULL)
			clients_leave(gateway->clients, described.client, entrance->purpose,
			    loop_now_ms(gateway->loop));
		close(fd);
		return;
	}
	if (peer->sa_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	downstream->client.ops = &downstream_ops;
	downstream->gateway = gateway;
	downstream->receiver.conn = downstream->sender.conn = &downstream->conn;
	downstream->receiver.buffers = downstream->sender.buffers = gateway->buffers;
	downstream->timer.expired = downstream_expired;
	downstream->task.run = downstream_carry_on;
	downstream->peer = described;
	downstream->peer.asks = entrance->asks;
	downstream->idle_since_ms = (uint32_t)loop_now_ms(gateway->loop);
	downstream->known = described.client == NULL;
	downstream->entrance = *entrance;
	TAILQ_INSERT_TAIL(&downstream_places(downstream)->connections, downstream, link);
	downstream_places(downstream)->count++;
	count_connections(gateway);
	if (entrance->purpose != FOR_METRICS)
		counter_add(&gateway->stats->connections_total, 1);
	downstream->state = DOWNSTREAM_PROXY;
	if (!entrance->proxied)
		downstream_enter(downstream);
	else
		timer_start(gateway->loop, &downstream->timer, gateway->options.timeouts.head);
	downstream_work(downstream);
}

void
downstream_drain(struct downstream *downstream, bool gently)
{
	/* Who has been told that the connection stays may send one more request. */
	if (gently)
		return;
	downstream->keep_alive = false;
	if (downstream->state == DOWNSTREAM_HEAD && buffer_len(downstream->receiver.in) == 0 &&
	    !sender_pending(&downstream->sender)) {
		conn_farewell(&downstream->conn);
		downstream_close(downstream, false);
	}
}

void
downstream_shutdown(struct downstream *downstream)
{
	if (downstream->exchange != NULL)
		exchange_shutdown(downstream->exchange);
	sender_flush(&downstream->sender);
	downstream_close(downstream, downstream_must_reset(downstream));
}
