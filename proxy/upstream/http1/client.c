/* client.c - the HTTP/1 client of one backend connection: what it sends, and its beginning and
 * end. */
#include "upstream/http1/client_state.h"

#include "jobgate/container_of.h"

static struct http1_client *
client_of(const struct upstream *upstream)
{
	return container_of(upstream, struct http1_client, upstream);
}

static struct http1_client *
client_on(struct backend_conn *connection)
{
	return container_of(connection, struct http1_client, connection);
}

/* Close at once, in any state, without telling the user; freed at the end of the turn. */
static void
client_close(struct http1_client *client)
{
	struct loop *loop = client->connection.options->loop;

	if (client->state == HTTP1_CLIENT_CLOSED)
		return;
	if (client->state == HTTP1_CLIENT_IDLE)
		pool_unkeep(&client->connection);
	client->upstream.user = NULL;
	http1_client_set_state(client, HTTP1_CLIENT_CLOSED);
	timer_remove(&client->timer);
	loop_cancel(loop, &client->resume_task);
	receiver_clear(&client->receiver);
	sender_clear(&client->sender);
	backend_conn_close(&client->connection);
}

/* ---- what it sends ---- */

static void
client_begin(struct upstream *upstream, const struct request *request, struct slice lines)
{
	struct http1_client *client = client_of(upstream);
	struct http1_client_scratch *scratch = http1_client_scratch(client);
	struct writer writer = writer_of(scratch->wire, sizeof(scratch->wire));

	CHECK(client->state == HTTP1_CLIENT_WAITING && upstream->user != NULL, http1_client_dump,
	    client);
	client->method = request->method_id;
	client->upgrade_asked = request->upgrade;
	client->no_reuse = request->exclusive || request->upgrade.len > 0;
	client->request_ended = request->content == CONTENT_NONE ||
				(request->content == CONTENT_LENGTH && request->length == 0);
	client->tunnel = client->tunnel_shut = client->tunnel_ended = false;
	client->answer_begun = false;
	client->interims = 0;
	client->keep_alive = false;
	client->sender.framing = request->content == CONTENT_UNKNOWN ? BODY_CHUNKED : BODY_LENGTH;
	client->sender.chunk_left = 0;
	client->sender.sent = 0;
	client->receiver.scanned = 0;
	client->own_key = request_is_extended_connect(request);
	if (client->own_key && !websocket_make_key(client->websocket_key)) {
		client->sender.failed = true;
		return;
	}
	http1_write_request(&writer, request, lines,
	    (struct slice){client->websocket_key, client->own_key ? WEBSOCKET_KEY_LEN : 0});
	if (writer.full || !sender_append(&client->sender,
			       (struct slice){scratch->wire, (size_t)(writer.at - scratch->wire)}))
		client->sender.failed = true;
}

static size_t
client_content(struct upstream *upstream, struct slice data)
{
	return sender_content(&client_of(upstream)->sender, data);
}

/*
 * When a tunnel's client has ended its side and all its bytes have been sent, end our side to the
 * backend.
 */
static void
shut_if_drained(struct http1_client *client)
{
	if (client->tunnel_shut && !sender_pending(&client->sender))
		conn_shutdown_write(&client->connection.conn);
}

static void
client_content_end(struct upstream *upstream, const struct fields *trailers)
{
	struct http1_client *client = client_of(upstream);

	/*
	 * Some servers (aiohttp 3.8) add trailers to the fields of the next request, which may be
	 * another client's.
	 */
	client->no_reuse = client->no_reuse || fields_are_any(trailers);
	client->request_ended = true;
	if (client->tunnel)
		client->tunnel_shut = true;
	else if (!sender_end(&client->sender, trailers))
		client->sender.failed = true;
}

static void
http1_client_flush(struct http1_client *client)
{
	/*
	 * A backend that refuses a request early may close its reading side: the
	 * answer is still to be read, so an error of writing ends nothing by itself.
	 */
	if (sender_flush(&client->sender) == IO_ERROR)
		client->connection.conn.readable = true;
	shut_if_drained(client);
	sender_settle(&client->sender);
	if (client->sender.failed)
		loop_defer(client->connection.options->loop, &client->resume_task);
}

static void
client_flush(struct upstream *upstream)
{
	http1_client_flush(client_of(upstream));
}

static bool
client_pending(const struct upstream *upstream)
{
	return sender_pending(&client_of(upstream)->sender);
}

static bool
client_unsent(const struct upstream *upstream)
{
	return sender_is_unseen(&client_of(upstream)->sender);
}

/* ---- events ---- */

static void
client_pump(struct upstream *upstream)
{
	http1_client_pump(client_of(upstream));
}

/* Before bytes move: see pool_options. The client may be closed within the call. */
static void
catch_up(struct http1_client *client)
{
	const struct pool_options *options = client->connection.options;

	struct upstream_user *user;

	if (__builtin_expect(!options->catch_up(options->ctx), true))
		return;
	user = client->upstream.user;
	if (user != NULL)
		user->ops->judge_if_changed(user);
}

static void
client_resume(struct task *task)
{
	struct http1_client *client = container_of(task, struct http1_client, resume_task);

	catch_up(client);
	if (client->state == HTTP1_CLIENT_CLOSED)
		return;
	/* A backend that has ended its side of a tunnel and takes no more bytes has gone. */
	if (client->tunnel_ended && client->sender.failed)
		http1_client_fail(client, UPSTREAM_BROKEN);
	else
		http1_client_pump(client);
}

static bool
client_still_idle(struct backend_conn *connection)
{
	struct conn *conn = &connection->conn;
	char byte;
	size_t n;

	/* An idle backend must not send anything. */
	conn_ask_again(conn);
	if (conn_read(conn, &byte, 1, &n) == IO_AGAIN)
		return true;
	client_close(client_on(connection));
	return false;
}

static void
client_ready(struct conn *conn)
{
	struct http1_client *client = container_of(conn, struct http1_client, connection.conn);
	struct upstream *upstream = &client->upstream;

	catch_up(client);
	if (client->state == HTTP1_CLIENT_CLOSED)
		return;
	conn_send_unsent(conn);
	if (client->state == HTTP1_CLIENT_IDLE) {
		if (conn->readable) /* and not only writable again */
			client_still_idle(&client->connection);
		return;
	}
	if (conn->writable && sender_pending(&client->sender)) {
		http1_client_flush(client);
		if (upstream->user != NULL && !sender_pending(&client->sender))
			upstream->user->ops->writable(upstream->user);
	} else if (conn->writable && upstream->user != NULL) {
		shut_if_drained(client); /* TLS has sent what it held back by itself */
		upstream->user->ops->writable(upstream->user);
	}
	if (upstream->user != NULL)
		http1_client_pump(client);
}

/* It has been in the pool for too long; or nothing has come through its tunnel for a while. */
static void
client_expired(struct timer *timer)
{
	struct http1_client *client = container_of(timer, struct http1_client, timer);

	if (client->state == HTTP1_CLIENT_IDLE) {
		client_close(client);
		return;
	}
	catch_up(client);
	if (client->upstream.user != NULL) {
		conn_look_again(&client->connection.conn);
		http1_client_pump(client);
	}
}

/* ---- its beginning and end ---- */

/* True when another request may follow the one that is over, and nothing is left of that one. */
static bool
is_reusable(struct http1_client *client)
{
	char byte;
	size_t n;

	return client->keep_alive && !client->no_reuse && client->request_ended &&
	       !client->sender.failed && !sender_pending(&client->sender) &&
	       body_ended(&client->receiver.body) && buffer_len(client->receiver.in) == 0 &&
	       conn_read(&client->connection.conn, &byte, 1, &n) == IO_AGAIN;
}

static void
client_release(struct upstream *upstream)
{
	struct http1_client *client = client_of(upstream);
	const struct pool_options *options = client->connection.options;

	upstream->user = NULL;
	if (!is_reusable(client)) {
		client_close(client);
		return;
	}
	loop_cancel(options->loop, &client->resume_task);
	receiver_clear(&client->receiver);
	client->reused = true;
	if (!pool_keep(&client->connection)) {
		client_close(client);
		return;
	}
	http1_client_set_state(client, HTTP1_CLIENT_IDLE);
	timer_start(options->loop, &client->timer,
	    client->keep_ms < options->settings.idle_ms ? client->keep_ms
							: options->settings.idle_ms);
}

static void
client_cancel(struct upstream *upstream)
{
	client_close(client_of(upstream));
}

static const struct upstream_ops client_ops = {
    .begin = client_begin,
    .content = client_content,
    .content_end = client_content_end,
    .flush = client_flush,
    .pump = client_pump,
    .pending = client_pending,
    .unsent = client_unsent,
    .release = client_release,
    .cancel = client_cancel,
};

static void
client_opened(struct backend_conn *connection, struct upstream_user *user)
{
	struct http1_client *client = client_on(connection);
	struct buffer_pool *buffers = connection->options->buffers;

	CHECK(client->state == HTTP1_CLIENT_WAITING && connection->conn.fd >= 0, http1_client_dump,
	    client);
	CHECK(connection->dial == NULL && user != NULL, http1_client_dump, client);
	client->upstream = (struct upstream){&client_ops, user};
	client->receiver.conn = client->sender.conn = &connection->conn;
	client->receiver.buffers = client->sender.buffers = buffers;
	client->timer.expired = client_expired;
	client->resume_task.run = client_resume;
	connection->conn.ready = client_ready;
	user->ops->connected(user, &client->upstream);
	/*
	 * A backend may have sent bytes, or closed, before the request: the loop does not report
	 * that again.
	 */
	if (client->upstream.user != NULL && connection->conn.readable)
		http1_client_pump(client);
}

static struct upstream *
client_serve(struct backend_conn *connection, struct upstream_user *user)
{
	struct http1_client *client = client_on(connection);

	pool_unkeep(connection);
	timer_stop(&client->timer);
	client->upstream.user = user;
	http1_client_set_state(client, HTTP1_CLIENT_WAITING);
	return &client->upstream;
}

static void
client_close_idle(struct backend_conn *connection)
{
	client_close(client_on(connection));
}

static void
client_dump(const struct backend_conn *connection, struct dump *dump)
{
	http1_client_dump((const struct http1_client *)connection, dump);
}

const struct upstream_protocol http1_client_protocol = {
    .size = sizeof(struct http1_client),
    .scratch_size = sizeof(struct http1_client_scratch),
    .opened = client_opened,
    .serve = client_serve,
    .still_idle = client_still_idle,
    .close = client_close_idle,
    .dump = client_dump,
};

void
http1_client_fail(struct http1_client *client, enum upstream_failure failure)
{
	struct upstream_user *user = client->upstream.user;
	enum repeat repeat = REPEAT_NOT;

	/* Only an idempotent request, or one that was never sent. */
	if (!client->answer_begun &&
	    (method_is_idempotent(client->method) || sender_is_unseen(&client->sender)))
		repeat = client->reused ? REPEAT_STALE : REPEAT_BROKEN;
	if (repeat == REPEAT_BROKEN)
		pool_avoid(&client->connection);
	client_close(client);
	if (user != NULL)
		user->ops->failed(user, failure, repeat);
}
