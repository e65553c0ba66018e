/* content.c - what follows a request's head: content for the exchange, or to be dropped. */
#include "downstream/http1/server_state.h"

/*
 * Bytes read and dropped while lingering: a client that never stops sending gets a reset. A client
 * that was authorized may still be uploading when its job dies, so it may send more.
 */
#define LINGER_BYTES (1024 * 1024)
#define LINGER_BYTES_AUTHENTICATED (256 * 1024 * 1024)

/* Lingering continues while the client sends, for at most this many times timeouts.linger. */
#define LINGER_TIMES 15

/* All content has been handed on. */
static void
http1_content_done(struct http1_server *server, const struct fields *trailers)
{
	server->content_ended = true;
	if (!server->tunnel)
		timer_stop(&server->connection.timer);
	exchange_content_end(server->exchange, trailers);
}

/*
 * A client has to send at a minimum rate (limits.body_rate_min), not only a piece now and then.
 * While the exchange waits for it, its deficit grows at that rate; what it sends reduces the
 * deficit, but not below 0. The deficit must not exceed what the rate brings in timeouts.body.
 */
static void
http1_count_deficit(struct http1_server *server)
{
	const struct downstream *downstream = server->connection.downstream;
	uint64_t deficit = server->body_deficit;

	if (server->awaits_since_ms == 0)
		return;
	deficit += (loop_now_ms(downstream->loop) - server->awaits_since_ms) *
		   downstream->options.limits.body_rate_min / 1000;
	server->body_deficit = deficit < UINT32_MAX ? (uint32_t)deficit : UINT32_MAX;
	server->awaits_since_ms = 0;
}

/* The client has sent n bytes: set the deadline for more. */
static void
http1_pay_deficit(struct http1_server *server, size_t n)
{
	const struct downstream_options *options = &server->connection.downstream->options;
	uint64_t left_ms = options->timeouts.body, deficit_ms = 0;

	server->body_deficit -= n < server->body_deficit ? (uint32_t)n : server->body_deficit;
	if (server->body_deficit > 0)
		deficit_ms = server->body_deficit * UINT64_C(1000) / options->limits.body_rate_min;
	connection_wait(&server->connection, deficit_ms < left_ms ? left_ms - deficit_ms : 0);
}

void
http1_pause_content(struct http1_server *server)
{
	if (!server->content_ended)
		http1_count_deficit(server);
}

void
http1_resume_content(struct http1_server *server)
{
	if (!server->content_ended && !server->tunnel && server->awaits_since_ms == 0)
		http1_pay_deficit(server, 0);
}

/* Read more content, or learn that none will come. */
static bool
http1_more_content(struct http1_server *server)
{
	switch (server->tunnel ? receiver_fill(&server->receiver)
			       : receiver_fill_on(&server->receiver)) {
	case IO_OK:
		if (server->tunnel)
			connection_wait(&server->connection, TUNNEL_LOOK_MS);
		else
			http1_count_deficit(server);
		return true;
	case IO_AGAIN:
		/* A client that waits for 100 is waiting for the backend. */
		if (server->awaits_since_ms == 0 && !server->tunnel && !server->expects)
			server->awaits_since_ms = loop_now_ms(server->connection.downstream->loop);
		return false;
	case IO_EOF:
		if (server->tunnel) {
			http1_content_done(server, NULL);
			return server->exchange == NULL; /* the other side had ended before */
		}
		break;
	case IO_ERROR:
		break;
	}
	connection_lost(&server->connection);
	return false;
}

/* Hand on a piece of content. True when there is more to do at once. */
static bool
http1_content(struct http1_server *server, size_t *budget)
{
	struct downstream *downstream = server->connection.downstream;
	struct fields trailers = {.items = downstream->scratch->trailers};
	struct slice data;
	size_t taken;
	enum body_status status = receiver_content(&server->receiver, &data);
	bool more = receiver_spend(&server->receiver, budget);

	if (!more)
		connection_defer(&server->connection);
	switch (status) {
	case BODY_DATA:
		taken = exchange_content(server->exchange, data);
		if (server->exchange == NULL)
			return true;
		receiver_taken(&server->receiver, taken);
		server->expects = false;
		if (taken > 0 && !server->tunnel)
			http1_pay_deficit(server, taken);
		return taken == data.len && more;
	case BODY_TRAILERS:
		if (!trailers_parse(data, downstream->options.limits.head.fields,
			server->connection.peer.trusted ? NULL : downstream->options.drop_fields,
			&trailers))
			break;
		http1_content_done(server, &trailers);
		return true;
	case BODY_END:
		http1_content_done(server, NULL);
		return true;
	case BODY_MORE:
		return more && http1_more_content(server);
	case BODY_BAD:
		break;
	}
	server->keep_alive = false;
	exchange_client_failed(server->exchange, CLIENT_BAD_CONTENT);
	return true;
}

/*
 * The client sends no more. It may have closed, or may still read: if it has closed, the answer or
 * the kernel's probes cause a reset. There is nothing more to read; true when the exchange has
 * ended because of that.
 */
static bool
http1_half_closed(struct http1_server *server)
{
	if (conn_failed(&server->connection.conn))
		connection_lost(&server->connection);
	else if (!server->half_closed)
		conn_probe(&server->connection.conn);
	server->half_closed = true;
	if (server->exchange != NULL)
		exchange_stop_holding(server->exchange);
	return server->exchange == NULL;
}

/*
 * The running exchange takes no content now. What comes is the next request (pipelined) or the
 * client's end; only a read can tell which.
 */
static bool
http1_watch_client(struct http1_server *server)
{
	struct receiver *receiver = &server->receiver;

	if (receiver->piece.len > 0)
		return false; /* content waits for the backend, so the client has to wait */
	if (server->half_closed)
		return http1_half_closed(server);
	switch (receiver_fill(receiver)) {
	case IO_OK:
		return true;
	case IO_AGAIN:
		return false;
	case IO_EOF:
		return http1_half_closed(server);
	case IO_ERROR:
		break;
	}
	/* The client has gone. Its request ends here, because the job's work for it may be costly.
	 */
	connection_lost(&server->connection);
	return false;
}

bool
http1_serve(struct http1_server *server, size_t *budget)
{
	CHECK(server->exchange != NULL, client_connection_dump, &server->connection);
	if (!server->content_ended && exchange_takes_content(server->exchange))
		return http1_content(server, budget);
	/* A client that has ended its side of a tunnel still reads the other one. */
	if (server->tunnel && server->content_ended)
		return false;
	return http1_watch_client(server);
}

bool
http1_skip(struct http1_server *server, size_t *budget)
{
	struct downstream *downstream = server->connection.downstream;
	struct slice data;
	enum body_status status = receiver_content(&server->receiver, &data);

	server->skipped += server->receiver.decoded;
	if (!receiver_spend(&server->receiver, budget))
		connection_defer(&server->connection);
	if (server->skipped > downstream->options.limits.drain_bytes && status != BODY_END) {
		http1_finish(server);
		return true;
	}
	switch (status) {
	case BODY_DATA:
		receiver_taken(&server->receiver, data.len);
		return *budget > 0;
	case BODY_TRAILERS:
		return true;
	case BODY_END:
		http1_await(server);
		return true;
	case BODY_MORE:
		if (*budget == 0)
			return false;
		break;
	case BODY_BAD:
		http1_finish(server);
		return true;
	}
	switch (receiver_fill(&server->receiver)) {
	case IO_OK:
		return true;
	case IO_AGAIN:
		return false;
	case IO_EOF:
		/* It has ended its upload early, but still gets the answer. */
		http1_finish(server);
		return true;
	case IO_ERROR:
		break;
	}
	connection_lost(&server->connection);
	return false;
}

bool
http1_reset_when_read(struct http1_server *server)
{
	struct downstream *downstream = server->connection.downstream;
	size_t unread;

	if (!http1_must_reset(server))
		return false;
	/* What conn_end_follows holds back would not be acknowledged. */
	CHECK(!server->connection.conn.ends, client_connection_dump, &server->connection);
	unread = conn_unacknowledged(&server->connection.conn);
	if (unread != server->unread)
		connection_touch(&server->connection);
	else if (unread == 0 ||
		 connection_idle_ms(&server->connection) >= downstream->options.timeouts.answer) {
		connection_close(&server->connection, true);
		return true;
	}
	server->unread = unread;
	connection_wait(&server->connection, loop_tick_ms(downstream->loop));
	return true;
}

/* All has been sent: close our sending side, unless a reset is needed. */
static void
http1_end_sending(struct http1_server *server)
{
	server->finished_sending = true;
	server->unread = UINT64_MAX;
	if (http1_reset_when_read(server))
		return;
	connection_wait(
	    &server->connection, server->connection.downstream->options.timeouts.linger);
	if (server->cut)
		conn_cut(&server->connection.conn);
	else
		conn_shutdown_write(&server->connection.conn);
	if (server->tunnel) /* our side may have ended before, and no event comes now */
		conn_ask_again(&server->connection.conn);
}

/* True when the client may still send, after this many dropped bytes. */
static bool
may_linger(struct http1_server *server, size_t n)
{
	struct downstream *downstream = server->connection.downstream;
	uint64_t linger_ms = downstream->options.timeouts.linger;

	server->skipped += n;
	if (server->skipped >
	    (server->connection.authenticated ? LINGER_BYTES_AUTHENTICATED : LINGER_BYTES))
		return false;
	if (server->connection.authenticated && !http1_must_reset(server) &&
	    connection_idle_ms(&server->connection) < LINGER_TIMES * linger_ms)
		connection_wait(&server->connection, linger_ms);
	return true;
}

/* Read and drop until the client has closed its side as well. */
static bool
http1_linger(struct http1_server *server, size_t *budget)
{
	struct receiver *receiver = &server->receiver;
	size_t n;

	receiver_clear(receiver);
	switch (receiver_fill_on(receiver)) {
	case IO_OK:
		n = buffer_len(receiver->in);
		if (!may_linger(server, n))
			break;
		*budget -= n < *budget ? n : *budget;
		if (*budget == 0)
			connection_defer(&server->connection);
		return *budget > 0;
	case IO_AGAIN:
		return false;
	case IO_EOF:
		if (http1_must_reset(server) && !conn_failed(&server->connection.conn))
			return false;
		break;
	case IO_ERROR:
		break;
	}
	connection_close(&server->connection, http1_must_reset(server));
	return false;
}

/* True when the client has sent no more than what was read. */
static bool
nothing_unread(struct http1_server *server)
{
	struct conn *conn = &server->connection.conn;
	enum io io;

	if (conn->watched || conn->readable || buffer_len(server->receiver.in) > 0)
		return !conn->readable && buffer_len(server->receiver.in) == 0;
	conn_ask_again(conn); /* the loop does not say */
	io = receiver_fill(&server->receiver);
	return io == IO_AGAIN || io == IO_EOF;
}

/*
 * Send what is left, end our side, and read until the client has closed, too. Closing with unread
 * bytes would reset the connection, and the client might lose the answer (RFC 9112 section 9.6).
 */
bool
http1_closing(struct http1_server *server, size_t *budget)
{
	if (sender_pending(&server->sender)) {
		if (!server->finished_sending && server->read_before == UINT64_MAX)
			server->read_before = http1_acknowledged(server);
		return false;
	}
	if (server->client_closes && server->content_ended && !server->cut &&
	    nothing_unread(server)) {
		/* It announced that this is its only request, and has sent no more: nothing can be
		 * unread. (After several requests, another one may be on its way.) */
		conn_farewell(&server->connection.conn);
		connection_close(&server->connection, false);
		return false;
	}
	if (!server->finished_sending)
		http1_end_sending(server);
	return server->state == HTTP1_CLOSING && http1_linger(server, budget);
}
