/* exchange.h - one request and its answer, free of any protocol's wire form. */
#ifndef JOBGATE_EXCHANGE_H
#define JOBGATE_EXCHANGE_H

#include "jobgate/decision.h"
#include "jobgate/message.h"
#include "jobgate/purpose.h"

/*
 * An exchange stands between a client's end, which speaks whatever protocol the
 * client chose, and an upstream connection. Heads are values (message.h); content
 * is pushed as slices and may be taken in part: whoever pushes keeps the rest and
 * pushes again when told to resume. So nothing here buffers a body, and a slow
 * reader slows the writer down.
 *
 * The client's end is an interface, because a second protocol (HTTP/2, many
 * exchanges on one connection) will be another implementation of it.
 */
struct exchange;
struct gateway;

/* Who is at the client's end; a plain value. */
struct exchange_peer {
	unsigned char address[16]; /* IPv6, or IPv4 mapped into it (RFC 4291 section 2.5.5.2) */
	bool local;		   /* a Unix socket: there is no address */
	bool trusted;		   /* a proxy whose X-Forwarded-* and X-Request-Id count */
	bool secure;		   /* the connection is TLS */
	bool asks;		   /* another proxy, which asks for decisions and nothing else */
	enum purpose purpose : 8;  /* of the listener it came in at */
};

struct exchange_client {
	const struct exchange_client_ops *ops;
};

/* How the answer ends for the client. */
enum ending {
	ENDING_WHOLE,	/* the answer is complete */
	ENDING_SHORT,	/* it is incomplete: what has come of it is sent, then the client must see
			   that the rest is missing */
	ENDING_AT_ONCE, /* it is incomplete, and nothing more is sent: the client must not have
			   it, or does not read it */
};

struct exchange_client_ops {
	/*
	 * The request's head, read again from what the client's end has kept of it.
	 * Asked for when authorization had to wait for the store; the value is
	 * good until control returns to the event loop.
	 */
	struct request *(*request)(struct exchange_client *client);

	/* An interim answer (100, 103) is to be sent. */
	void (*interim)(struct exchange_client *client, const struct response *response);

	/*
	 * The head of the final answer; 101 turns the rest into a tunnel: content without framing.
	 */
	void (*answer)(struct exchange_client *client, const struct response *response);

	/* Content of the answer: returns how many bytes were taken (sent or kept). */
	size_t (*content)(struct exchange_client *client, struct slice data);

	/* Content of an answer of the gateway's own, some KiB: all of it is taken. */
	void (*whole)(struct exchange_client *client, struct slice data);

	/* The content has ended; trailers may be NULL. In a tunnel: the backend ended its side. */
	void (*content_end)(struct exchange_client *client, const struct fields *trailers);

	/* Nothing more is pushed for now: send what was kept back to be merged. */
	void (*flush)(struct exchange_client *client);

	/* exchange_content would take something again. */
	void (*resume)(struct exchange_client *client);

	/* Nothing has come for a while: look whether the client is lost (see conn_look_again). */
	void (*look)(struct exchange_client *client);

	/*
	 * Take back the answer whose head was handed over, without content so far. False when some
	 * of it has left: then it stays.
	 */
	bool (*take_back)(struct exchange_client *client);

	/*
	 * The request's credential is not valid. Returns 0 when the client may be told so, else the
	 * seconds (1 or more) after which it may try again: too many were not valid of late.
	 */
	unsigned (*failed_auth)(struct exchange_client *client);

	/* The exchange is over and will not be heard of again. */
	void (*ended)(struct exchange_client *client, enum ending ending);
};

/* Why a client's end gives up on an exchange. */
enum client_failure {
	CLIENT_CLOSED,	     /* it went away */
	CLIENT_BAD_CONTENT,  /* 400: chunk framing broken */
	CLIENT_TOO_LARGE,    /* 413 */
	CLIENT_BODY_TIMEOUT, /* 408 */
};

/* Bytes of one exchange's state, for the slab. */
size_t exchange_size(void);

/*
 * Start an exchange for a request that is being received. peer outlives it. NULL when
 * memory is short (nothing has been sent then).
 */
struct exchange *exchange_new(
    struct gateway *gateway, struct exchange_client *client, const struct exchange_peer *peer);

/*
 * Decide on the request and set out on the way to its backend, or refuse it.
 * Any of the client's ops may be called before this returns, `ended` included.
 * The request's slices need not outlive the call.
 */
void exchange_authorize(struct exchange *exchange, struct request *request);

/*
 * Refuse a request that the client's end could not understand or will not serve.
 * request may be NULL when its head could not be read. `ended` is called within.
 */
void exchange_reject(struct exchange *exchange, const struct request *request, unsigned status,
    struct slice title, struct slice detail);

/*
 * Send the client on to another URL, with 308. Nothing of the request is judged but that it is
 * well-formed. `ended` is called within.
 */
void exchange_redirect(
    struct exchange *exchange, const struct request *request, struct slice location);

/* True while the client's end must be able to read the request's head again. */
bool exchange_needs_request(const struct exchange *exchange);

/* True while content of the request may be pushed: from `resume` until the exchange ends. */
bool exchange_takes_content(const struct exchange *exchange);

/* Content of the request: returns how many bytes were taken; push the rest after `resume`. */
size_t exchange_content(struct exchange *exchange, struct slice data);

/* The request's content has ended; trailers may be NULL. In a tunnel: the client ended its side. */
void exchange_content_end(struct exchange *exchange, const struct fields *trailers);

/* What was pushed by exchange_content may be sent on. */
void exchange_content_flush(struct exchange *exchange);

/* The client's end can take content again. */
void exchange_client_ready(struct exchange *exchange);

/* The client's end has failed; `ended` follows within this call. */
void exchange_client_failed(struct exchange *exchange, enum client_failure failure);

/* True once the exchange has become a tunnel. */
bool exchange_is_tunnel(const struct exchange *exchange);

/* True when whoever asked was allowed to, and still is. */
bool exchange_is_allowed(const struct exchange *exchange);

/*
 * True when it waits for its client in a way that must not hold a place: for the form of a person
 * who signs in, and so is unknown, or, where places are few, for any content.
 */
bool exchange_awaits_content(const struct exchange *exchange);

/* Milliseconds since it began. */
uint64_t exchange_age_ms(const struct exchange *exchange);

/* End it at once: the drain time is over. */
void exchange_shutdown(struct exchange *exchange);

#endif
