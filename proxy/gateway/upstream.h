/* upstream.h - one connection to a job's backend, speaking HTTP/1. */
#ifndef JOBGATE_UPSTREAM_H
#define JOBGATE_UPSTREAM_H

#include "gateway/receiver.h"
#include "gateway/sender.h"
#include "gateway/state.h"

struct backend;
struct rival;

/* One of a backend's addresses, as long as these have not changed. */
struct address_place {
	uint32_t version;
	unsigned char index;
};

enum upstream_state {
	UPSTREAM_QUEUED, /* the backend refuses connections; waits until it takes them, or for its
			    turn to try */
	UPSTREAM_RESOLVING,  /* waits for the addresses of the backend's name */
	UPSTREAM_CONNECTING, /* waits for connect(2) to some of them */
	UPSTREAM_SECURING,   /* waits for the TLS handshake */
	UPSTREAM_WAITING,    /* serves an exchange; waits for the head of its answer */
	UPSTREAM_RELAYING,   /* serves an exchange; the content of the answer is coming */
	UPSTREAM_IDLE,	     /* in the pool; waits for the next exchange, or for its end */
	UPSTREAM_FAILED,     /* no address is left; waits for the end of the turn to say so */
	UPSTREAM_CLOSED,     /* waits for the end of the turn to be freed */
};

/* Why a connection to a backend failed its exchange. */
enum upstream_failure {
	UPSTREAM_NO_ADDRESS,	 /* its name does not resolve */
	UPSTREAM_NOT_ALLOWED,	 /* the guard refused every address */
	UPSTREAM_REFUSED,	 /* all of its addresses did so, for as long as can be waited */
	UPSTREAM_CONNECT_FAILED, /* none of its addresses took the connection */
	UPSTREAM_CONNECT_TIMEOUT,
	UPSTREAM_NOT_VERIFIED, /* its certificate is not one of this host, of an authority we trust
				*/
	UPSTREAM_CIRCUIT_OPEN, /* it took no connections of late, and is left alone for a while */
	UPSTREAM_NO_SOCKET,    /* the gateway is short of descriptors, ports or memory */
	UPSTREAM_BROKEN,       /* closed or reset before its answer was complete */
	UPSTREAM_BAD_ANSWER,   /* not HTTP as we understand it */
};

struct upstream {
	struct conn conn;
	struct gateway *gateway;
	struct backend *backend;
	struct exchange *exchange; /* NULL unless it serves one */
	enum upstream_state state;
	struct receiver receiver;
	struct sender sender;
	struct timer timer;   /* connecting, or idle */
	struct task burial;   /* frees it */
	struct task carry_on; /* goes on with an answer whose share of this turn was used up */
	TAILQ_ENTRY(upstream) link; /* in the list of idle, queued, resolving or failed ones */

	/* Connecting: addresses are raced, the first in `conn`, others beside it. */
	LIST_HEAD(, rival) rivals;
	uint64_t connect_by_ms;	    /* all of it together */
	uint32_t tried;		    /* a bit for each address, of */
	uint32_t tried_version;	    /* this version of them */
	struct address_place place; /* where `conn` leads */
	bool probe;		    /* the backend's circuit waits to hear how it ends */

	uint64_t keep_ms;	/* the backend keeps it idle for no longer */
	bool reused;		/* has served an exchange before this one */
	bool keep_alive;	/* the answer lets the connection live on */
	bool last;		/* no other request may follow this one */
	bool answer_begun;	/* bytes of an answer have come for this exchange */
	unsigned char interims; /* answers of 1xx that came before the final one */
	bool tunnel;
	bool tunnel_shut;	       /* our side of the tunnel is to end, after what is pending */
	bool tunnel_ended;	       /* the backend has ended its side of the tunnel */
	enum method_id method;	       /* of the request, which decides on the answer's framing */
	struct slice upgrade_asked;    /* one of the configured protocols, or empty */
	enum upstream_failure failure; /* why none of its addresses would do */
};

/*
 * Write a request's head as the backend is to see it into scratch->wire:
 * request line under the job's base, Host, the fields not dropped, the extra
 * ones, and framing. Returns its length, 0 when it does not fit.
 */
size_t upstream_write_head(struct gateway *gateway, const struct request *request,
    const struct fields *extra, const struct job_url *target);

/* What must be known of a request to send its content and to read its answer. */
struct upstream_request {
	enum method_id method_id;
	enum content content;
	struct slice upgrade; /* one of the configured protocols, or empty */
	bool last;	      /* it may mean more to its connection than the request itself */
};

/*
 * Serve an exchange on a connection that is up: take the head to be sent.
 * Content may follow; upstream_flush sends.
 */
void upstream_begin(
    struct upstream *upstream, struct slice head, const struct upstream_request *request);

/* Content of the request. Returns how many bytes were taken. */
size_t upstream_content(struct upstream *upstream, struct slice data);
void upstream_content_end(struct upstream *upstream, const struct fields *trailers);
void upstream_flush(struct upstream *upstream);

/* Go on with the answer: the client's end can take content again. */
void upstream_pump(struct upstream *upstream);

/* Nothing has come for a while: look whether the connection is lost (see conn_look_again). */
void upstream_look(struct upstream *upstream);

/*
 * Look at an idle connection once more, in case its end, or what nobody asked for, has come
 * and the loop has not said so yet. False: it is closed.
 */
bool upstream_still_idle(struct upstream *upstream);

/* The exchange is over: back to the pool if the connection may be used again, else closed. */
void upstream_release(struct upstream *upstream, bool reusable);

/*
 * Parse a trailer section into scratch, marking what may not travel on as
 * dropped, and what is listed (see name_is_listed). *out, or NULL when it breaks the rules.
 */
const struct fields *trailers_take(
    struct gateway *gateway, struct slice section, const char *const *listed, struct fields *out);

/* Close, as it cannot bring its answer to an end, and have the exchange know. */
void upstream_fail(struct upstream *upstream, enum upstream_failure failure);

/* Close at once; freed at the end of the turn. */
void upstream_close(struct upstream *upstream);

#endif
