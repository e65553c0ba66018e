/* exchange.h - one request and its answer, independent of any protocol's wire form. */
#ifndef JOBGATE_EXCHANGE_H
#define JOBGATE_EXCHANGE_H

#include "jobgate/decision.h"
#include "jobgate/dump.h"
#include "jobgate/message.h"
#include "jobgate/purpose.h"

/*
 * An exchange stands between the client's end (proxy/downstream) and the backend's end
 * (proxy/upstream); each speaks the protocol of its peer. Heads are values (message.h). Content is
 * pushed as slices and may be taken in part: the side that pushes keeps the rest, and pushes it
 * again when it is told to resume. So nothing here buffers a body, and a slow reader slows the
 * writer down.
 *
 * The client's end is an interface. It has two implementations in proxy/downstream: http1, and
 * http2 with many exchanges on one connection.
 */
struct exchange;
struct exchange_context;

/* The client, and the purpose of the listener that it connected to; a plain value. */
struct exchange_peer {
	unsigned char address[16]; /* IPv6, or IPv4 mapped into it (RFC 4291 section 2.5.5.2) */
	bool local;		   /* a Unix socket: there is no address */
	bool trusted;		   /* a proxy whose X-Forwarded-* and X-Request-Id count */
	bool unnamed;		   /* a proxy whose PROXY header names no client */
	bool tls;		   /* the connection is TLS */
	bool forward_auth;	   /* another proxy, which asks whether requests may pass */
	bool redirect;		   /* its listener redirects all requests to https */
	enum purpose purpose : 8;
};

struct exchange_client {
	const struct exchange_client_ops *ops;
};

/*
 * How an exchange ends for its client. What each end sends on the wire:
 *
 * event           end          to an HTTP/1 client               to an HTTP/2 client
 * --------------- ------------ --------------------------------- ---------------------------------
 * answer complete COMPLETE     the end of its framing; then the  END_STREAM; RST_STREAM NO_ERROR
 *                              connection is kept, or ends its   some time behind it where the
 *                              side and lingers (RFC 9112 9.6)   request has not ended (RFC 9113
 *                                                                section 8.1)
 * tunnel ended by COMPLETE     FIN each way, as each side ends   END_STREAM each way
 * both sides
 * backend gone,   COMPLETE     a local reply (502, 503, 504)     the same; to gRPC trailers with
 * no byte sent                                                   grpc-status 14
 * backend gone,   CUT          what has come; then FIN, without  what has come, then RST_STREAM
 * answer begun                 close_notify, where the framing   INTERNAL_ERROR
 *                              shows the cut, else RST once the
 *                              client has acknowledged all
 * content broken, COMPLETE     a local reply (400, 408, 413)     the same; then RST_STREAM NO_ERROR
 * late, too large
 * the same,       CUT          as above                          as above
 * answer begun
 * revoked, before COMPLETE     a local reply (401, 403, 404)     the same
 * the answer
 * revoked,        REVOKED      RST at once; what waits is        RST_STREAM CANCEL at once; what
 * answer begun                 dropped                           waits is dropped
 * revoked,        TOLD         WebSocket's close 1008, then FIN  close 1008, then RST_STREAM
 * WebSocket between frames     and lingering                     NO_ERROR; gRPC between messages:
 *                                                                trailers 16 or 7, then the same
 * client gone, or ABANDONED    RST                               RST_STREAM CANCEL; it counts in
 * reads nothing,                                                 the connection's budget of resets,
 * or a tunnel is silent                                          unless it is a tunnel
 * drain           -            no new request once the running   GOAWAY(2^31-1), then
 *                              one is answered: Connection:      GOAWAY(last); running streams
 *                              close, where its head comes later go on
 * drain time over CUT          as CUT above; WebSocket's close   as CUT; RST_STREAM NO_ERROR
 *                              1001 where it stands between      behind 1001
 *                              frames (TOLD)
 * drain time over UNPROCESSED  as CUT, with nothing sent         RST_STREAM REFUSED_STREAM: the
 * before a byte has gone                                         client may send it again
 * to a backend
 *
 * gRPC: a local reply to a call is all in its head (status 200, grpc-status, grpc-message),
 * whatever HTTP its client speaks. Over HTTP/2 an answer that has begun, and that stands between
 * two messages, is not cut but ended (TOLD): with trailers of 16 (token) or 7 (job) when access is
 * revoked, 14 when its backend has gone or the drain time is over, 4 at the call's deadline. Then
 * its stream is reset at once.
 *
 * A browser's session that expires ends an exchange as revoked access does.
 *
 * The backend's end: a connection of HTTP/1 is kept after COMPLETE where both messages came to
 * their end and its head allows; in all other cases it closes. A stream of HTTP/2 ends with
 * COMPLETE; in all other cases it gets RST_STREAM CANCEL, once its head has begun to leave. Its
 * connection lives on. Where the client broke off the content, the request must not look complete
 * to the backend, over either protocol.
 */
enum exchange_end {
	END_COMPLETE,	 /* the answer is complete */
	END_TOLD,	 /* ended before its time, and the client was told why, in the form that its
			    protocol has for that: nothing more is wanted of it. After access was
			    revoked only where no content waits, since that would be sent first */
	END_CUT,	 /* the answer is incomplete: what has come of it is sent, then the client
			    must see that the rest is missing */
	END_REVOKED,	 /* access was revoked: nothing more is sent, not even what waits */
	END_ABANDONED,	 /* the client has gone or does not read: nothing more is sent */
	END_UNPROCESSED, /* there is no answer, and no backend has seen any of the request */
};

/*
 * What an exchange calls. All slices and fields are valid until the call returns. From within
 * `flush` and `resume` the client's end may call the exchange, which may end then; from within the
 * others it must not.
 */
struct exchange_client_ops {
	/*
	 * The request has passed authorization (which takes some time when the store is read),
	 * with a token or without one (exchange_is_public). NULL when this end does not need it.
	 * Must not call back.
	 */
	void (*allowed)(struct exchange_client *client);

	/* Send an interim answer (100, 103). */
	void (*interim)(struct exchange_client *client, const struct response *response);

	/*
	 * Send the head of the final answer. With response->tunnel, content follows without framing
	 * in both directions; the client's end writes what its protocol has for that (HTTP/1: 101
	 * with Connection and Upgrade). It also writes the fields that concern only one connection.
	 */
	void (*answer)(struct exchange_client *client, const struct response *response);

	/* Content of the answer: returns how many bytes were taken (sent or kept). */
	size_t (*content)(struct exchange_client *client, struct slice data);

	/* Content of a local reply, some KiB: all of it is taken. Trailers may follow it over
	 * HTTP/2 alone. */
	void (*reply_content)(struct exchange_client *client, struct slice data);

	/*
	 * True when the answer, or some of its content, waits at the client's end: it has not been
	 * handed to the socket.
	 */
	bool (*waits)(struct exchange_client *client);

	/*
	 * The last bytes of a tunnel, such as a close frame; `ended` follows. False: the client
	 * does not read, so it will not get them; a part of them may have been taken.
	 */
	bool (*last_words)(struct exchange_client *client, struct slice data);

	/* The content has ended; trailers may be NULL. In a tunnel: the backend ended its side. */
	void (*content_end)(struct exchange_client *client, const struct fields *trailers);

	/*
	 * A number that changes whenever the client reads what was sent to it, long before content
	 * is taken again (a socket is writable only when a third of its buffer is free).
	 */
	uint64_t (*progress)(struct exchange_client *client);

	/* Nothing more is pushed for now: send what was held back to be merged. */
	void (*flush)(struct exchange_client *client);

	/*
	 * Send what waits before this returns, as far as the socket takes it, even in the middle of
	 * the client's turn. A failure shows later. Must not call back.
	 */
	void (*send_now)(struct exchange_client *client);

	/*
	 * Before `send_now`: call exchange_judge_if_changed for each other exchange whose bytes
	 * that would send. NULL: there is none.
	 */
	void (*judge_others)(struct exchange_client *client);

	/*
	 * The request is sent once more: exchange_content takes no content until `resume`. The
	 * client is not slow because of that. Must not call back.
	 */
	void (*pause)(struct exchange_client *client);

	/* exchange_content will take content again. */
	void (*resume)(struct exchange_client *client);

	/*
	 * Take back the answer whose head was passed on, if it has no content yet. False when part
	 * of the answer has been sent; then it stays.
	 */
	bool (*take_back)(struct exchange_client *client);

	/*
	 * The request's credential is not valid. Returns 0 when the client may be told. Otherwise
	 * its address has recently sent too many invalid credentials, and the result is the seconds
	 * (1 or more) to wait. For a client behind a trusted proxy, `address` is counted, never
	 * the proxy's own; NULL: nothing is counted.
	 */
	unsigned (*failed_auth)(struct exchange_client *client, const struct in6_addr *address);

	/* The exchange is over: it makes no more calls, and must not be called. */
	void (*ended)(struct exchange_client *client, enum exchange_end end);
};

/* Why the client's end cannot continue an exchange. */
enum client_failure {
	CLIENT_CLOSED,	     /* the client is gone */
	CLIENT_BAD_CONTENT,  /* 400: its framing is broken, in chunks (HTTP/1) or frames (HTTP/2) */
	CLIENT_TOO_LARGE,    /* 413 */
	CLIENT_BODY_TIMEOUT, /* 408 */
};

/* The size of an exchange, for the slab. */
size_t exchange_size(void);

/*
 * Start an exchange for a request that is being received. peer outlives it. NULL when
 * memory is short (nothing has been sent then).
 */
struct exchange *exchange_new(struct exchange_context *context, struct exchange_client *client,
    const struct exchange_peer *peer);

/*
 * Answer the request here (see local_handler.h), or authorize it and send it to its backend, or
 * refuse it. Any of the client's ops may be called before this returns, `ended` included. Its
 * slices need not outlive the call. Called once.
 */
void exchange_authorize(struct exchange *exchange, struct request *request);

/*
 * Refuse a request that the client's end does not understand or does not serve. request is NULL
 * when its head could not be read. `ended` is called before this returns.
 */
void exchange_reject(struct exchange *exchange, const struct request *request, unsigned status,
    struct slice title, struct slice detail);

/* True while content of the request may be pushed: from `resume` until the exchange ends. */
bool exchange_takes_content(const struct exchange *exchange);

/* Content of the request: returns how many bytes were taken; push the rest after `resume`. */
size_t exchange_content(struct exchange *exchange, struct slice data);

/* The request's content has ended; trailers may be NULL. In a tunnel: the client ended its side. */
void exchange_content_end(struct exchange *exchange, const struct fields *trailers);

/*
 * What was pushed by exchange_content may be sent on. True: the request's head may leave with it,
 * so the clock was read. That may have ended this exchange, and any other one.
 */
bool exchange_content_flush(struct exchange *exchange);

/* The client's end can take content again. */
void exchange_client_ready(struct exchange *exchange);

/*
 * The client sends no more. It may be gone, so a request that is held gets its answer at once, and
 * is not held later. `ended` may be called before this returns.
 */
void exchange_stop_holding(struct exchange *exchange);

/* The client's end has failed; `ended` is called before this returns. */
void exchange_client_failed(struct exchange *exchange, enum client_failure failure);

/*
 * Before bytes of it move: judge it again if one of its records has changed and it may not have
 * been told yet. Cheap otherwise. True when it has ended.
 */
bool exchange_judge_if_changed(struct exchange *exchange);

/* True once the exchange has become a tunnel. */
bool exchange_is_tunnel(const struct exchange *exchange);

/* True when the request was allowed to pass, and still is. */
bool exchange_is_allowed(const struct exchange *exchange);

/* True when no token counts for the request: it may pass because its job lets everyone in. */
bool exchange_is_public(const struct exchange *exchange);

/*
 * True when the exchange waits for content from a client that must not keep a place meanwhile:
 * content for a local handler, whose client has shown no token, or any content at a listener with
 * few places.
 */
bool exchange_awaits_content(const struct exchange *exchange);

/*
 * True for a gRPC call over HTTP/2: its streams may be silent, so its content may pause for any
 * time. Ask only while it takes content: it was allowed then.
 */
bool exchange_may_be_silent(const struct exchange *exchange);

/* Milliseconds since it began. */
uint64_t exchange_age_ms(const struct exchange *exchange);

/* End it at once: the drain time is over. */
void exchange_shutdown(struct exchange *exchange);

/* Write its present state, without anything that its client or its backend sent. */
void exchange_dump(const struct exchange *exchange, struct dump *dump);

#endif
