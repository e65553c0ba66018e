/* upstream.h - the backend's end of an exchange, whatever protocol the backend speaks. */
#ifndef JOBGATE_UPSTREAM_UPSTREAM_H
#define JOBGATE_UPSTREAM_UPSTREAM_H

#include "jobgate/message.h"

/*
 * The counterpart of exchange_client in jobgate/exchange.h, and the only thing that an exchange
 * knows of its backend's end: one request and its answer, on a connection of its own (HTTP/1) or on
 * a stream of a shared one (HTTP/2).
 *
 * pool_acquire gives an upstream out. Once it is up, the exchange calls `begin`, pushes the
 * request's content, and has the answer pushed to it. The exchange ends it with exactly one
 * `release` or `cancel`, unless `failed` was called. Do not use it after any of these three.
 *
 * All slices and all values behind pointers are valid until the call returns; copy what you need
 * for longer. There are no error codes: what goes wrong ends in `failed`.
 */
struct upstream;
struct upstream_user;

/* Why an upstream failed its exchange. */
enum upstream_failure {
	UPSTREAM_NO_ADDRESS,	 /* its name does not resolve */
	UPSTREAM_NOT_ALLOWED,	 /* the guard refused every address */
	UPSTREAM_REFUSED,	 /* all of its addresses refused, for as long as a dial may wait */
	UPSTREAM_CONNECT_FAILED, /* none of its addresses took the connection */
	UPSTREAM_CONNECT_TIMEOUT,
	UPSTREAM_NOT_VERIFIED, /* its certificate is for another host, or from no authority that we
				* trust */
	UPSTREAM_CIRCUIT_OPEN, /* it has recently taken no connections: none is tried for a while */
	UPSTREAM_NO_SOCKET,    /* the gateway is short of descriptors, ports or memory */
	UPSTREAM_NOT_HTTP2,    /* its URL says that it speaks HTTP/2, and it does not */
	UPSTREAM_NEEDS_HTTP1,  /* the request needs HTTP/1, but the URL says HTTP/2 */
	UPSTREAM_WANTS_HTTP1,  /* the backend takes it only over HTTP/1, but the URL says HTTP/2 */
	UPSTREAM_BROKEN,       /* closed or reset before its answer was complete */
	UPSTREAM_BAD_ANSWER,   /* it broke the rules of its protocol */
};

/*
 * Whether a failed request may be sent again (RFC 9110 section 9.2.2). The backend's end decides,
 * because only it knows what was sent on which connection. A request is repeated at most once for
 * each reason.
 */
enum repeat {
	REPEAT_NOT,	    /* the backend may have acted on it, or will never take it */
	REPEAT_STALE,	    /* it went out on a kept connection that was at its end */
	REPEAT_BROKEN,	    /* it went out on a new one that broke before an answer began */
	REPEAT_UNPROCESSED, /* the backend says that it has not processed it: it may be sent again
			       whatever its method */
	REPEAT_OVER_HTTP1,  /* the same, and the backend takes it only over HTTP/1: the pool gives
			       out such a connection next */
};

/* What the exchange calls. Each of these may call back, `failed` included, except where said. */
struct upstream_ops {
	/*
	 * Send the request's head; once, before all others but `cancel`. Authority and path are as
	 * the backend is to see them. request->fields is not read: `lines` has each field as
	 * "Name: value\r\n" (see field_line_next), without those that belong to one connection
	 * (Host, Connection, Content-Length, Expect, TE, Upgrade), which the protocol makes from
	 * the other members. request->upgrade outlives the upstream. Calls nothing back.
	 */
	void (*begin)(struct upstream *upstream, const struct request *request, struct slice lines);

	/*
	 * Content of the request, or of a tunnel. Returns how many bytes were taken (sent or
	 * kept); `writable` follows when the rest may be pushed. Calls nothing back.
	 */
	size_t (*content)(struct upstream *upstream, struct slice data);

	/*
	 * The content has ended; trailers may be NULL. In a tunnel: the client has ended its side.
	 * Calls nothing back.
	 */
	void (*content_end)(struct upstream *upstream, const struct fields *trailers);

	/* Nothing more is pushed for now: send what was kept back. Calls nothing back. */
	void (*flush)(struct upstream *upstream);

	/* The exchange can take content of the answer again: push what is there. */
	void (*pump)(struct upstream *upstream);

	/* True while some of the pushed content is still to be sent; `writable` follows when all of
	 * it has been sent. */
	bool (*pending)(const struct upstream *upstream);

	/* True after `begin` as long as the backend can read nothing of the request: `cancel` takes
	 * back all of it. */
	bool (*unsent)(const struct upstream *upstream);

	/*
	 * The exchange is over, request and answer are complete: the connection may serve another
	 * one. Calls nothing back, from now on.
	 */
	void (*release)(struct upstream *upstream);

	/*
	 * The exchange is over before its time, or it was a tunnel: the backend learns that nothing
	 * more is wanted (HTTP/1 closes the connection). In any state, also before it is up. Calls
	 * nothing back, from now on.
	 */
	void (*cancel)(struct upstream *upstream);

	/* The backend can say that it has not processed a request (REPEAT_UNPROCESSED): keep the
	 * request's head until the answer's head comes. */
	bool says_unprocessed;
};

struct upstream {
	const struct upstream_ops *ops;
	struct upstream_user *user; /* NULL: none, or it has ended; for the backend's end alone */
};

/*
 * What the exchange is told. Each of these may call `release` or `cancel`, after which the
 * upstream calls nothing more; none is called from within pool_acquire.
 */
struct upstream_user_ops {
	/*
	 * Called before bytes of this user move, if catch_up (pool.h) returned true. True when the
	 * user has ended, so that none may move.
	 */
	bool (*judge_if_changed)(struct upstream_user *user);

	/*
	 * The connection is up: send the request, on `upstream`, which takes the place of the one
	 * that pool_acquire gave out.
	 */
	void (*connected)(struct upstream_user *user, struct upstream *upstream);

	/* An interim answer, 100 or 103. The user may change the response's fields. */
	void (*interim)(struct upstream_user *user, struct response *response);

	/*
	 * The final answer's head. With response->tunnel content without framing follows in both
	 * directions. The user may change the response's fields, which have room for
	 * HEAD_FIELDS_MAX.
	 */
	void (*head)(struct upstream_user *user, struct response *response);

	/*
	 * Content of the answer. Returns how many bytes were taken; the rest is pushed again after
	 * `pump`, and nothing more is read from the backend until then.
	 */
	size_t (*content)(struct upstream_user *user, struct slice data);

	/* The answer is complete; trailers may be NULL. In a tunnel: the backend has ended its
	 * side, and the other side may go on. */
	void (*content_end)(struct upstream_user *user, const struct fields *trailers);

	/* Nothing more comes for now: send what was kept back. */
	void (*flush)(struct upstream_user *user);

	/* Content of the request is taken again, or all of it has left (see `pending`). */
	void (*writable)(struct upstream_user *user);

	/* It failed, and is gone. */
	void (*failed)(
	    struct upstream_user *user, enum upstream_failure failure, enum repeat repeat);
};

struct upstream_user {
	const struct upstream_user_ops *ops;
	/*
	 * Until this time (monotonic, in milliseconds) it waits for a backend that refuses
	 * connections, even while its circuit is open; 0: as long as a dial may take.
	 */
	uint64_t hold_until_ms;
	/*
	 * While it waits for that, its dial fails at this time (same clock), so that it can go to
	 * another backend; 0: it has only this one.
	 */
	uint64_t leave_ms;
	/* It can go to another backend: fail at the first refusal, in place of waiting. */
	bool elsewhere;
};

#endif
