/* server_state.h - what the files that make up an HTTP/1 server share; no other file includes it.
 */
#ifndef JOBGATE_HTTP1_SERVER_STATE_H
#define JOBGATE_HTTP1_SERVER_STATE_H

#include "downstream/http1/server.h"
#include "http/framing.h"
#include "http/request.h"
#include "http/write.h"
#include "http1/receiver.h"
#include "http1/sender.h"
#include "jobgate/container_of.h"
#include "jobgate/exchange.h"

/*
 * server.c        called by the connection (bytes, time-outs, drain); from one request to the next
 * server_state.c  its states, what a dump shows of it, when the loop watches its client
 * request.c       from bytes to the request that an exchange begins with
 * content.c       what follows a request's head: for the exchange, or to be dropped
 * answer.c        sends what the exchange has for the client
 */
enum http1_state {
	HTTP1_HEAD,	/* waits for a request's head, or the rest of it */
	HTTP1_EXCHANGE, /* an exchange runs */
	HTTP1_SKIPPING, /* answered early: drops the rest of the request's content */
	HTTP1_CLOSING,	/* serves nothing more: sends what is left, then lingers */
	HTTP1_CLOSED,	/* the connection has closed */
};

/* Invariant: `exchange` is set in EXCHANGE and in no other state, except during the calls that end
 * it. */
struct http1_server {
	struct connection connection;  /* first: see connection_protocol.size */
	struct exchange_client client; /* the end that exchanges see */
	struct exchange *exchange;
	struct receiver receiver;
	struct sender sender;
	union {
		uint64_t skipped;   /* SKIPPING, CLOSING: content dropped of this request */
		uint64_t answer_at; /* EXCHANGE: where its answer begins, counted as sender.sent */
	};
	union {
		uint64_t read_before; /* HEAD, CLOSING: http1_acknowledged when the timer was last
					 started */
		uint64_t unread;      /* CLOSING with reset: bytes that the client's TCP had not
					 acknowledged at the last look */
		uint64_t awaits_since_ms; /* EXCHANGE: waits for content since then; 0: does not */
	};
	uint32_t body_deficit; /* EXCHANGE: bytes of content by which the client lags behind */
	enum http1_state state : 8;
	enum http_version version : 8; /* of the request */
	bool working;		       /* http1_work is running, further up the stack */
	bool keep_alive : 1;	       /* after this exchange the connection may serve another */
	bool expects : 1;	       /* the client waits for 100 and has sent no content yet */
	bool content_ended : 1;	       /* the request's content has been handed on whole */
	bool client_closes : 1;	       /* its first request does not keep the connection */
	bool tunnel : 1;
	bool http2 : 1;	      /* what has come is HTTP/2's preface, or its beginning */
	bool served : 1;      /* there was a request before this one */
	bool tunnel_shut : 1; /* the backend has ended its side, ours ends after what is pending */
	bool half_closed : 1; /* the client has closed its sending side */
	bool cut : 1;	      /* CLOSING: the last answer is not complete */
	bool finished_sending : 1; /* CLOSING: our side of the stream has been ended */
};

/* The server that a connection, or the client's end of an exchange, is part of. */
static inline struct http1_server *
server_of(struct connection *connection)
{
	return container_of(connection, struct http1_server, connection);
}

static inline struct http1_server *
server_of_client(struct exchange_client *client)
{
	return container_of(client, struct http1_server, client);
}

/* ---- server_state.c ---- */

void http1_server_set_state(struct http1_server *server, enum http1_state to);

/* Write its present state; of its messages only how many bytes there are. */
void http1_server_dump(const struct http1_server *server, struct dump *dump);

/*
 * Before control goes back to the loop: have the loop watch the client, unless the connection waits
 * only for its exchange. Then a timer has it watched one or two ticks later, so that a client
 * that has gone is noticed. False when that closed the connection.
 */
bool http1_watch(struct http1_server *server);

/* ---- server.c ---- */

/* Do what can be done now. Only this function reads requests. */
void http1_work(struct http1_server *server);

/*
 * Bytes sent on this connection that the client's TCP has acknowledged: a number that changes
 * whenever the client reads. One system call.
 */
uint64_t http1_acknowledged(const struct http1_server *server);

/* Wait for the next request. */
void http1_await(struct http1_server *server);

/* Serve no more requests; close once the client has read what was sent. */
void http1_finish(struct http1_server *server);

/* ---- request.c ---- */

/* A whole head has come: begin its exchange, or refuse it. */
void http1_begin(struct http1_server *server, struct slice head);

/* Refuse what is not a request that we serve, and the rest of the connection with it. */
void http1_reject(struct http1_server *server, const struct request *request, unsigned status,
    struct slice title, struct slice detail);
void http1_reject_head(struct http1_server *server, enum head_status status);

/*
 * Read a head into scratch. NULL when it is refused: by *status or *framing_error, or else by
 * *error.
 */
struct request *http1_read_head(struct http1_server *server, struct slice bytes,
    struct request_framing *framing, enum head_status *status, enum framing_error *framing_error,
    enum request_error *error);

/* ---- content.c: each is true when there is more to do at once ---- */

/* EXCHANGE: hand on content as long as the exchange takes it, else watch for the client's end. */
bool http1_serve(struct http1_server *server, size_t *budget);

/* EXCHANGE: the exchange takes no content for a time, which is not the client's; it takes it
 * again. */
void http1_pause_content(struct http1_server *server);
void http1_resume_content(struct http1_server *server);

/* SKIPPING: read content and drop it. */
bool http1_skip(struct http1_server *server, size_t *budget);

/* CLOSING: send what is left, end our side, and read until the client has closed as well. */
bool http1_closing(struct http1_server *server, size_t *budget);

/* True when the end of the connection ends the answer: then only a reset shows that it is cut. */
static inline bool
http1_must_reset(const struct http1_server *server)
{
	return server->cut && server->sender.framing == BODY_UNTIL_CLOSE;
}

/*
 * CLOSING, with all sent. If only a reset can show that the answer is cut: reset once the client's
 * TCP has acknowledged all bytes (a reset destroys unread ones), else wait.
 */
bool http1_reset_when_read(struct http1_server *server);

/* ---- answer.c ---- */

extern const struct exchange_client_ops http1_client_ops;

/* In a tunnel whose backend has ended: end our side once all is sent. */
void http1_shut_if_drained(struct http1_server *server);

#endif
