/* downstream.c - the gateway as an HTTP/1 server of one client connection. */
#include "gateway/downstream.h"

#include <netinet/tcp.h>
#include <unistd.h>

#include "gateway/receiver.h"
#include "gateway/sender.h"
#include "gateway/upstream.h"
#include "http/framing.h"
#include "http/target.h"

enum downstream_state {
	DOWNSTREAM_HEAD,     /* waits for a request's head, or the rest of it */
	DOWNSTREAM_EXCHANGE, /* an exchange runs */
	DOWNSTREAM_SKIPPING, /* answered early: reads the rest of the request's content and drops it
			      */
	DOWNSTREAM_CLOSING,  /* nothing more is served: sends what is left, then lingers until the
				client closes */
	DOWNSTREAM_CLOSED,   /* waits for the end of the turn to be freed */
};

/* Bytes of content, and requests, that one connection may take of a turn. */
#define TURN_BYTES (512 * 1024)
#define TURN_REQUESTS 32

/* Content that is read and dropped in one turn while skipping or lingering. */
#define SKIP_BYTES (256 * 1024)

/* And while lingering in all: a client that only ever sends has lost its right to a gentle end. */
#define LINGER_BYTES (1024 * 1024)

struct downstream {
	struct exchange_client client; /* the end that exchanges see */
	struct conn conn;
	struct gateway *gateway;
	enum downstream_state state;
	struct exchange *exchange; /* EXCHANGE only */
	struct receiver receiver;
	struct sender sender;
	struct timer timer; /* of the state: head, idle, content, linger */
	struct task
	    carry_on; /* goes on in the next turn, or after an exchange that ended elsewhere */
	struct task burial;
	LIST_ENTRY(downstream) link;
	struct exchange_peer peer;
	uint32_t head_len;   /* of the head that begins `in`, kept until the exchange has read it */
	uint64_t skipped;    /* content dropped of this request */
	unsigned char minor; /* of the request's version */
	bool keep_alive;     /* after this exchange the connection may serve another */
	bool expects;	     /* the client waits for 100 and has sent no content yet */
	bool content_ended;  /* the request's content has been handed on whole */
	bool tunnel;
	bool tunnel_shut;      /* the backend has ended its side, ours ends after what is pending */
	bool working;	       /* further up the stack, downstream_work runs */
	bool finished_sending; /* CLOSING: our side of the stream has been ended */
};

#define OWNER(member, at) ((struct downstream *)((char *)(at)-offsetof(struct downstream, member)))

static void downstream_work(struct downstream *downstream);

size_t
downstream_size(void)
{
	return sizeof(struct downstream);
}

struct downstream *
downstream_next(struct downstream *downstream)
{
	return LIST_NEXT(downstream, link);
}

static void
downstream_bury(struct task *task)
{
	struct downstream *downstream = OWNER(burial, task);

	slab_give(&downstream->gateway->downstreams, downstream, SLAB_KEEP);
}

/* The one place where a connection closes; an exchange that ran on it has ended before. */
static void
downstream_close(struct downstream *downstream, bool reset)
{
	struct gateway *gateway = downstream->gateway;

	if (downstream->state == DOWNSTREAM_CLOSED)
		return;
	downstream->state = DOWNSTREAM_CLOSED;
	timer_remove(&downstream->timer);
	loop_cancel(gateway->loop, &downstream->carry_on);
	receiver_clear(&downstream->receiver);
	sender_clear(&downstream->sender);
	if (reset)
		conn_reset(&downstream->conn);
	else
		conn_close(&downstream->conn);
	LIST_REMOVE(downstream, link);
	gateway->connection_count--;
	counter_set(&gateway->stats->connections, gateway->connection_count);
	loop_defer(gateway->loop, &downstream->burial);
}

/* The connection is lost, or its client gone. */
static void
downstream_lost(struct downstream *downstream)
{
	struct exchange *exchange = downstream->exchange;

	if (exchange != NULL)
		exchange_client_failed(exchange, CLIENT_CLOSED);
	downstream_close(downstream, false);
}

/* Serve nothing more; the client is to read what it has been sent before the connection goes. */
static void
downstream_finish(struct downstream *downstream)
{
	downstream->state = DOWNSTREAM_CLOSING;
	downstream->skipped = 0;
	timer_start(downstream->gateway->loop, &downstream->timer,
	    downstream->gateway->options.timeouts.linger);
}

/* ---- requests ---- */

static void
downstream_await(struct downstream *downstream)
{
	struct gateway *gateway = downstream->gateway;

	downstream->state = DOWNSTREAM_HEAD;
	downstream->receiver.scanned = 0;
	downstream->head_len = 0;
	timer_start(gateway->loop, &downstream->timer, gateway->options.timeouts.keep_alive);
}

/* An exchange for what came; false when there is no memory, and the connection closes. */
static bool
downstream_open_exchange(struct downstream *downstream)
{
	downstream->exchange =
	    exchange_new(downstream->gateway, &downstream->client, &downstream->peer);
	if (downstream->exchange == NULL) {
		downstream_close(downstream, false);
		return false;
	}
	downstream->state = DOWNSTREAM_EXCHANGE;
	downstream->content_ended = true;
	downstream->keep_alive = false;
	downstream->expects = downstream->tunnel = downstream->tunnel_shut = false;
	timer_stop(&downstream->timer);
	return true;
}

/* Refuse what is not a request that we serve, and the rest of the connection with it. */
static void
downstream_reject(struct downstream *downstream, const struct request *request, unsigned status,
    struct slice title, struct slice detail)
{
	if (downstream->exchange == NULL && !downstream_open_exchange(downstream))
		return;
	downstream->keep_alive = false;
	exchange_reject(downstream->exchange, request, status, title, detail);
}

static void
downstream_reject_head(struct downstream *downstream, enum head_status status)
{
	switch (status) {
	case HEAD_BAD_VERSION:
		downstream_reject(downstream, NULL, 505, SLICE("HTTP version not supported"),
		    SLICE("This gateway speaks HTTP/1.1 and HTTP/1.0."));
		return;
	case HEAD_TARGET_TOO_LONG:
		downstream_reject(downstream, NULL, 414, SLICE("URI too long"),
		    SLICE("The request's target is longer than this gateway lets through."));
		return;
	case HEAD_TOO_LARGE:
		downstream_reject(downstream, NULL, 431, SLICE("Head too large"),
		    SLICE("The request's head has more bytes or fields than this gateway lets "
			  "through."));
		return;
	case HEAD_COMPLETE:
	case HEAD_INCOMPLETE:
	case HEAD_BAD:
		break;
	}
	downstream_reject(downstream, NULL, 400, SLICE("Bad request"),
	    SLICE("The request's head is not valid HTTP/1.1."));
}

static void
downstream_reject_framing(struct downstream *downstream, enum framing_error error)
{
	struct slice title = SLICE("Bad request");

	switch (error) {
	case FRAMING_BAD_LENGTH:
		downstream_reject(downstream, NULL, 400, title,
		    SLICE("Content-Length must be one decimal number."));
		return;
	case FRAMING_BAD_CODING:
		downstream_reject(downstream, NULL, 400, title,
		    SLICE("Transfer-Encoding must be chunked and nothing else, in HTTP/1.1."));
		return;
	case FRAMING_CONFLICT:
		downstream_reject(downstream, NULL, 400, title,
		    SLICE("Content-Length and Transfer-Encoding must not come together."));
		return;
	case FRAMING_BAD_HOST:
		downstream_reject(downstream, NULL, 400, title,
		    SLICE("One Host field with a valid host name is needed."));
		return;
	case FRAMING_BAD_EXPECT:
		downstream_reject(downstream, NULL, 417, SLICE("Expectation failed"),
		    SLICE("The only expectation known is 100-continue."));
		return;
	case FRAMING_OK:
	case FRAMING_BAD_CONNECTION:
	case FRAMING_BAD_UPGRADE:
		break;
	}
	downstream_reject(
	    downstream, NULL, 400, title, SLICE("The Connection field is not valid."));
}

/* The authority of a request: of its target, if it has one there, which must not disagree with
 * Host. */
static bool
authority_of(const struct target *target, const struct request_framing *framing, struct slice *out)
{
	struct authority from_target, from_host;

	*out = framing->host;
	if (target->form != TARGET_ABSOLUTE && target->form != TARGET_AUTHORITY)
		return true;
	if (!authority_parse(target->authority, &from_target))
		return false;
	*out = target->authority;
	return framing->host.len == 0 ||
	       (authority_parse(framing->host, &from_host) &&
		   authority_same(&from_target, &from_host,
		       slice_equal_nocase(target->scheme, SLICE("https")) ? 443 : 80));
}

/* The path as it is routed and sent on: dot segments resolved. */
static bool
path_of(struct gateway *gateway, const struct target *target, struct slice *out)
{
	size_t len;

	*out = target->path;
	if (target->form == TARGET_ASTERISK) {
		*out = SLICE("*");
		return true;
	}
	switch (path_resolve(target->path, gateway->scratch.path, &len)) {
	case PATH_CLEAN:
		return true;
	case PATH_RESOLVED:
		*out = (struct slice){gateway->scratch.path, len};
		return true;
	case PATH_BAD:
		break;
	}
	return false;
}

/* The request as a value, from its parsed head; *error tells what is wrong when it is NULL. */
static struct request *
downstream_describe(struct downstream *downstream, struct request_head *head,
    const struct request_framing *framing, const char **error)
{
	struct gateway *gateway = downstream->gateway;
	struct request *request = &gateway->scratch.request;
	struct target target;

	*request = (struct request){
	    .method = head->method,
	    .method_id = head->method_id,
	    .fields = {head->fields, head->field_count},
	    .length = framing->length,
	    .expect_continue = framing->expect_continue,
	    .upgrade = framing->upgrade,
	    .minor = head->minor,
	};
	request->content = framing->body == BODY_CHUNKED  ? CONTENT_UNKNOWN
			   : framing->body == BODY_LENGTH ? CONTENT_LENGTH
							  : CONTENT_NONE;
	*error = "The request's target is not valid.";
	if (target_parse(head->target, &target) == TARGET_BAD ||
	    (target.form == TARGET_ASTERISK && head->method_id != METHOD_OPTIONS) ||
	    (target.form == TARGET_AUTHORITY) != (head->method_id == METHOD_CONNECT))
		return NULL;
	request->query = target.query;
	*error = "The request's target and its Host field disagree.";
	if (!authority_of(&target, framing, &request->authority))
		return NULL;
	*error = "The path of the request's target hides dot segments.";
	if (target.form != TARGET_AUTHORITY && !path_of(gateway, &target, &request->path))
		return NULL;
	return request;
}

/*
 * Read the head at the beginning of `in` into scratch. It was valid when it came
 * in, so reading it again (once authorization has waited for the store) succeeds.
 */
static struct request *
downstream_read_head(struct downstream *downstream, struct request_framing *framing,
    enum head_status *status, enum framing_error *framing_error, const char **error)
{
	struct gateway *gateway = downstream->gateway;
	struct request_head *head = &gateway->scratch.request_head;
	struct slice bytes = {
	    downstream->receiver.in->bytes + downstream->receiver.in->start, downstream->head_len};

	*framing_error = FRAMING_OK;
	*error = NULL;
	*status = head_parse_request(bytes, &gateway->options.head_limits, head);
	if (*status != HEAD_COMPLETE)
		return NULL;
	*framing_error = request_framing(head, framing);
	if (*framing_error != FRAMING_OK)
		return NULL;
	return downstream_describe(downstream, head, framing, error);
}

/* The head has served: what follows it is content. */
static void
downstream_drop_head(struct downstream *downstream)
{
	if (downstream->head_len > 0)
		downstream->receiver.in->start += downstream->head_len;
	downstream->head_len = 0;
}

/* A head is complete: begin its exchange. */
static void
downstream_begin(struct downstream *downstream)
{
	struct gateway *gateway = downstream->gateway;
	struct request_framing framing;
	enum framing_error framing_error;
	enum head_status status;
	const char *error;
	struct request *request =
	    downstream_read_head(downstream, &framing, &status, &framing_error, &error);

	downstream->minor = status == HEAD_COMPLETE ? gateway->scratch.request_head.minor : 1;
	if (status != HEAD_COMPLETE) {
		downstream_reject_head(downstream, status);
		return;
	}
	if (framing_error != FRAMING_OK) {
		downstream_reject_framing(downstream, framing_error);
		return;
	}
	if (request == NULL) {
		downstream_reject(downstream, NULL, 400, SLICE("Bad request"), slice_of(error));
		return;
	}
	if (!downstream_open_exchange(downstream))
		return;
	body_decoder_init(&downstream->receiver.body, framing.body, framing.length, TRAILER_MAX);
	downstream->skipped = 0;
	downstream->content_ended = body_ended(&downstream->receiver.body);
	if (request->method_id == METHOD_CONNECT || request->method_id == METHOD_TRACE) {
		downstream_reject(downstream, request, 405, SLICE("Method not allowed"),
		    SLICE("CONNECT and TRACE are not served."));
		return;
	}
	downstream->keep_alive = framing.keep_alive && !gateway->draining;
	downstream->expects = framing.expect_continue && !downstream->content_ended;
	if (!downstream->content_ended)
		timer_start(gateway->loop, &downstream->timer, gateway->options.timeouts.body);
	exchange_authorize(downstream->exchange, request);
	if (downstream->exchange != NULL && !exchange_needs_request(downstream->exchange))
		downstream_drop_head(downstream);
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
		    bytes, true, &gateway->options.head_limits, &receiver->scanned, &start, &end);
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
	case IO_ERROR:
		break;
	}
	downstream_lost(downstream);
	return false;
}

/* ---- the request's content ---- */

/* All content has been handed on. */
static void
downstream_content_done(struct downstream *downstream, const struct fields *trailers)
{
	downstream->content_ended = true;
	if (!downstream->tunnel)
		timer_stop(&downstream->timer);
	exchange_content_end(downstream->exchange, trailers);
}

/* Read more content, or learn that none will come. */
static bool
downstream_more_content(struct downstream *downstream)
{
	switch (receiver_fill_on(&downstream->receiver)) {
	case IO_OK:
		return true;
	case IO_AGAIN:
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

	switch (receiver_content(&downstream->receiver, &data)) {
	case BODY_DATA:
		taken = exchange_content(downstream->exchange, data);
		if (downstream->exchange == NULL)
			return true;
		receiver_taken(&downstream->receiver, taken);
		downstream->expects = false;
		if (taken > 0 && !downstream->tunnel)
			timer_start(
			    gateway->loop, &downstream->timer, gateway->options.timeouts.body);
		*budget -= taken < *budget ? taken : *budget;
		if (*budget == 0)
			loop_defer(gateway->loop, &downstream->carry_on);
		return taken == data.len && *budget > 0;
	case BODY_TRAILERS:
		allowed = trailers_take(gateway, data, &trailers);
		if (allowed == NULL)
			break;
		downstream_content_done(downstream, allowed);
		return true;
	case BODY_END:
		downstream_content_done(downstream, NULL);
		return true;
	case BODY_MORE:
		return downstream_more_content(downstream);
	case BODY_BAD:
		break;
	}
	downstream->keep_alive = false;
	exchange_client_failed(downstream->exchange, CLIENT_BAD_CONTENT);
	return true;
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
		return false; /* content waits for the backend already: the client has to wait, too
			       */
	switch (receiver_fill(receiver)) {
	case IO_OK:
		return true;
	case IO_AGAIN:
		return false;
	case IO_EOF:
	case IO_ERROR:
		break;
	}
	/* A client that has gone wants no answer any more; a job's work may be costly. */
	downstream_lost(downstream);
	return false;
}

static bool
downstream_serve(struct downstream *downstream, size_t *budget)
{
	if (!downstream->content_ended && exchange_takes_content(downstream->exchange)) {
		downstream_drop_head(downstream);
		return downstream_content(downstream, budget);
	}
	return downstream_listen(downstream);
}

/* ---- after the exchange ---- */

/* Read content that nobody wants. True when there is more to do at once. */
static bool
downstream_skip(struct downstream *downstream, size_t *budget)
{
	struct gateway *gateway = downstream->gateway;
	struct slice data;

	switch (receiver_content(&downstream->receiver, &data)) {
	case BODY_DATA:
		receiver_taken(&downstream->receiver, data.len);
		downstream->skipped += data.len;
		if (downstream->skipped > gateway->options.drain_bytes_max) {
			downstream_finish(downstream);
			return true;
		}
		*budget -= data.len < *budget ? data.len : *budget;
		if (*budget == 0)
			loop_defer(gateway->loop, &downstream->carry_on);
		return *budget > 0;
	case BODY_TRAILERS:
		return true;
	case BODY_END:
		downstream_await(downstream);
		return true;
	case BODY_MORE:
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
	case IO_ERROR:
		break;
	}
	downstream_lost(downstream);
	return false;
}

/*
 * Send what is left, end our side, and read until the client has closed as well:
 * closing with unread bytes would reset the connection and might take the
 * answer away from the client (RFC 9112 section 9.6).
 */
static bool
downstream_closing(struct downstream *downstream, size_t *budget)
{
	struct receiver *receiver = &downstream->receiver;
	enum io io;

	if (sender_pending(&downstream->sender))
		return false;
	if (!downstream->finished_sending) {
		downstream->finished_sending = true;
		conn_shutdown_write(&downstream->conn);
	}
	receiver_clear(receiver);
	io = receiver_fill(receiver);
	if (io == IO_OK) {
		size_t n = buffer_len(receiver->in);

		downstream->skipped += n;
		if (downstream->skipped > LINGER_BYTES) {
			downstream_close(downstream, false);
			return false;
		}
		*budget -= n < *budget ? n : *budget;
		if (*budget == 0)
			loop_defer(downstream->gateway->loop, &downstream->carry_on);
		return *budget > 0;
	}
	if (io != IO_AGAIN)
		downstream_close(downstream, false);
	return false;
}

/* Do whatever can be done now; the one place from which requests are read. */
static void
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
		case DOWNSTREAM_HEAD:
			/* A client that does not read its answers gets no more of them. */
			more = !sender_pending(&downstream->sender) || downstream->conn.writable;
			if (more && requests++ == TURN_REQUESTS) {
				loop_defer(downstream->gateway->loop, &downstream->carry_on);
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

/* ---- what the exchange tells us ---- */

static struct request *
client_request(struct exchange_client *client)
{
	struct downstream *downstream = OWNER(client, client);
	struct request_framing framing;
	enum framing_error framing_error;
	enum head_status status;
	const char *error;

	return downstream_read_head(downstream, &framing, &status, &framing_error, &error);
}

static void
client_interim(struct exchange_client *client, const struct response *response)
{
	struct downstream *downstream = OWNER(client, client);
	struct gateway *gateway = downstream->gateway;
	struct writer writer = writer_of(gateway->scratch.wire, sizeof(gateway->scratch.wire));

	if (response->status == 100)
		downstream->expects = false;
	if (downstream->minor == 0)
		return; /* RFC 9110 section 15.2: a 1.0 client knows of none */
	write_status_line(&writer, response->status, response->reason);
	write_fields(&writer, &response->fields);
	write_literal(&writer, "\r\n");
	if (!writer.full)
		sender_append(
		    &downstream->sender, (struct slice){gateway->scratch.wire,
					     (size_t)(writer.at - gateway->scratch.wire)});
}

/* How the content of an answer is framed for this client, and whether the connection outlives it.
 */
static enum body_kind
answer_framing(struct downstream *downstream, const struct response *response)
{
	switch (response->content) {
	case CONTENT_NONE:
		return BODY_NONE;
	case CONTENT_LENGTH:
		return BODY_LENGTH;
	case CONTENT_UNKNOWN:
		break;
	}
	if (downstream->minor > 0)
		return BODY_CHUNKED;
	downstream->keep_alive = false;
	return BODY_UNTIL_CLOSE;
}

/* May the rest of the request's content be read and dropped, to keep the connection? */
static bool
content_is_skippable(const struct downstream *downstream)
{
	const struct body_decoder *body = &downstream->receiver.body;

	if (downstream->content_ended)
		return true;
	/* A client that waits for 100 may or may not send its content now: nobody can tell where it
	 * ends. */
	if (downstream->expects)
		return false;
	return body->kind == BODY_CHUNKED ||
	       body->left <= downstream->gateway->options.drain_bytes_max;
}

static void
client_answer(struct exchange_client *client, const struct response *response)
{
	struct downstream *downstream = OWNER(client, client);
	struct gateway *gateway = downstream->gateway;
	struct writer writer = writer_of(gateway->scratch.wire, sizeof(gateway->scratch.wire));
	enum body_kind framing = answer_framing(downstream, response);

	downstream->tunnel = response->status == 101;
	if (downstream->tunnel || gateway->draining || !content_is_skippable(downstream))
		downstream->keep_alive = false;
	write_status_line(&writer, response->status, response->reason);
	write_fields(&writer, &response->fields);
	if (framing == BODY_CHUNKED) {
		write_literal(&writer, "Transfer-Encoding: chunked\r\n");
	} else if (framing == BODY_LENGTH || response->length_known) {
		write_literal(&writer, "Content-Length: ");
		write_number(&writer, response->length);
		write_literal(&writer, "\r\n");
	}
	if (downstream->tunnel) {
		write_literal(&writer, "Connection: Upgrade\r\n");
		write_field(&writer, SLICE("Upgrade"), response->upgrade);
		framing = BODY_UNTIL_CLOSE;
		body_decoder_init(&downstream->receiver.body, BODY_UNTIL_CLOSE, 0, 0);
		downstream->content_ended = false;
		downstream_drop_head(downstream);
	} else if (!downstream->keep_alive) {
		write_literal(&writer, "Connection: close\r\n");
	} else if (downstream->minor == 0) {
		write_literal(&writer, "Connection: keep-alive\r\n");
	}
	write_literal(&writer, "\r\n");
	downstream->sender.framing = framing;
	downstream->sender.chunk_left = 0;
	if (writer.full ||
	    !sender_append(&downstream->sender,
		(struct slice){gateway->scratch.wire, (size_t)(writer.at - gateway->scratch.wire)}))
		downstream->sender.failed = true;
}

static size_t
client_content(struct exchange_client *client, struct slice data)
{
	struct downstream *downstream = OWNER(client, client);

	return sender_content(&downstream->sender, data);
}

static void
downstream_shut_if_drained(struct downstream *downstream)
{
	if (downstream->tunnel_shut && !sender_pending(&downstream->sender))
		conn_shutdown_write(&downstream->conn);
}

static void
client_content_end(struct exchange_client *client, const struct fields *trailers)
{
	struct downstream *downstream = OWNER(client, client);

	if (downstream->tunnel) {
		downstream->tunnel_shut = true;
		sender_flush(&downstream->sender);
		downstream_shut_if_drained(downstream);
	} else if (!sender_end(&downstream->sender, trailers)) {
		downstream->sender.failed = true;
	}
}

static void
client_flush(struct exchange_client *client)
{
	struct downstream *downstream = OWNER(client, client);

	if (downstream->working)
		return; /* it flushes at its end */
	sender_flush(&downstream->sender);
	if (downstream->sender.failed) {
		downstream_lost(downstream);
		return;
	}
	downstream_shut_if_drained(downstream);
	sender_settle(&downstream->sender);
}

static void
client_resume(struct exchange_client *client)
{
	downstream_work(OWNER(client, client));
}

static void
client_ended(struct exchange_client *client, bool cut)
{
	struct downstream *downstream = OWNER(client, client);

	downstream->exchange = NULL;
	if (downstream->state != DOWNSTREAM_EXCHANGE)
		return;
	if (cut) {
		/* Reset, so that an answer framed by the close does not look complete. */
		downstream_close(downstream, true);
		return;
	}
	downstream_drop_head(downstream);
	if (!downstream->keep_alive) {
		downstream_finish(downstream);
	} else if (!downstream->content_ended) {
		downstream->state = DOWNSTREAM_SKIPPING;
		timer_start(downstream->gateway->loop, &downstream->timer,
		    downstream->gateway->options.timeouts.body);
	} else {
		downstream_await(downstream);
	}
	if (downstream->working)
		return;
	/*
	 * Most often nothing is left to do than to send the answer's end: the next
	 * request has not come. What has come is taken up at the end of the turn.
	 */
	if (downstream->state == DOWNSTREAM_HEAD && downstream->receiver.in == NULL &&
	    !downstream->conn.readable)
		client_flush(client);
	else
		loop_defer(downstream->gateway->loop, &downstream->carry_on);
}

static const struct exchange_client_ops downstream_ops = {
    .request = client_request,
    .interim = client_interim,
    .answer = client_answer,
    .content = client_content,
    .content_end = client_content_end,
    .flush = client_flush,
    .resume = client_resume,
    .ended = client_ended,
};

/* ---- what the loop tells us ---- */

static void
downstream_carry_on(struct task *task)
{
	downstream_work(OWNER(carry_on, task));
}

static void
downstream_ready(struct conn *conn)
{
	struct downstream *downstream = OWNER(conn, conn);

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

static void
downstream_expired(struct timer *timer)
{
	struct downstream *downstream = OWNER(timer, timer);

	switch (downstream->state) {
	case DOWNSTREAM_HEAD:
		if (buffer_len(downstream->receiver.in) == 0) {
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
	case DOWNSTREAM_CLOSING:
		downstream_close(downstream, false);
		return;
	case DOWNSTREAM_CLOSED:
		return;
	}
}

static bool
peer_is_trusted(const struct gateway *gateway, const struct sockaddr *peer)
{
	for (size_t i = 0; i < gateway->options.trusted_count; i++)
		if (guard_range_contains(&gateway->options.trusted[i], peer))
			return true;
	return false;
}

static void
peer_describe(const struct gateway *gateway, const struct sockaddr *peer, struct exchange_peer *out)
{
	char text[ADDRESS_TEXT_MAX];

	address_format_host(peer, text);
	out->len = (unsigned char)strnlen(text, sizeof(out->address));
	memcpy(out->address, text, out->len);
	out->local = peer->sa_family == AF_UNIX;
	out->trusted = peer_is_trusted(gateway, peer);
}

void
downstream_accept(struct gateway *gateway, int fd, const struct sockaddr *peer)
{
	struct downstream *downstream = NULL;
	int on = 1;

	if (gateway->connection_count < gateway->options.connections_max)
		downstream = slab_take(&gateway->downstreams);
	if (downstream == NULL ||
	    !conn_open(&downstream->conn, gateway->loop, fd, downstream_ready)) {
		if (downstream != NULL)
			slab_give(&gateway->downstreams, downstream, SLAB_KEEP);
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
	downstream->carry_on.run = downstream_carry_on;
	downstream->burial.run = downstream_bury;
	peer_describe(gateway, peer, &downstream->peer);
	LIST_INSERT_HEAD(&gateway->connections, downstream, link);
	gateway->connection_count++;
	counter_set(&gateway->stats->connections, gateway->connection_count);
	counter_add(&gateway->stats->connections_total, 1);
	downstream->state = DOWNSTREAM_HEAD;
	timer_start(gateway->loop, &downstream->timer, gateway->options.timeouts.head);
	downstream_work(downstream);
}

void
downstream_drain(struct downstream *downstream)
{
	downstream->keep_alive = false;
	if (downstream->state == DOWNSTREAM_HEAD && buffer_len(downstream->receiver.in) == 0 &&
	    !sender_pending(&downstream->sender))
		downstream_close(downstream, false);
}

void
downstream_shutdown(struct downstream *downstream)
{
	if (downstream->exchange != NULL)
		exchange_shutdown(downstream->exchange);
	downstream_close(downstream, false);
}
