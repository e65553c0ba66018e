/* exchange_state.h - one exchange, for the files that make it up; no other file includes it. */
#ifndef JOBGATE_EXCHANGE_EXCHANGE_STATE_H
#define JOBGATE_EXCHANGE_EXCHANGE_STATE_H

#include "exchange/context_state.h"
#include "exchange/credential_mistake.h"
#include "exchange/grpc_call.h"
#include "exchange/kept_content.h"
#include "exchange/kept_request.h"
#include "exchange/local_reply.h"
#include "exchange/route.h"
#include "exchange/suspended.h"
#include "exchange/trace.h"
#include "http/websocket.h"
#include "jobgate/container_of.h"
#include "jobgate/dump.h"
#include "jobgate/exchange.h"
#include "jobgate/local_handler.h"
#include "upstream/pool.h"
#include "upstream/upstream.h"

/*
 * The files that make up an exchange. exchange_verdict.h declares what those up to the verdict
 * share, exchange_forward.h those that forward an allowed request, exchange_local.h the others.
 *
 * exchange_state.c  its states, and its dump
 * exchange.c        its beginning, its end, and what ends it early
 * reply.c           local replies
 * cut.c             ends it before its time, with last words where its protocol has any
 * running.c         lists sessions for operators, and ends them (running_session.c,
 * running_watch.c) local.c           runs local handlers: requests that the gateway answers itself
 * authorize.c       the steps from the request's head to the verdict
 * credential.c      the request's claim: which token it says it has
 * lookup.c          looks up the records of a verdict, and decides
 * lookup_port.c     the same for a port, which shares its host's name with another job
 * judge_again.c     watches these records, and judges again when one changes
 * token_limits.c    counts the requests of tokens that have limits
 * hold.c            holds a request until its job is up
 * allow.c           prepares an allowed request for its job
 * call.c            calls of the control API, and requests of monitoring
 * ask.c             asks the control process for a local handler
 * replica.c         chooses among the URLs of a job with several
 * affinity.c        keeps a browser at one of them
 * send.c            sends it: the connection to its backend, its head, repeats
 * request_content.c its content
 * relay.c           the answer
 */
enum exchange_state {
	EXCHANGE_AUTHORIZING, /* waits for the records of the token and of the job, or for the job's
				 URL */
	EXCHANGE_LOCAL,	      /* a local handler reads the content, then may wait for a record */
	EXCHANGE_CONNECTING,  /* allowed; waits for a connection to the backend */
	EXCHANGE_AWAITING,    /* the request is being sent; waits for the head of its answer */
	EXCHANGE_RELAYING,    /* the answer's head has gone to the client; its content follows */
	EXCHANGE_TUNNEL,      /* both ends speak a protocol of their own */
	EXCHANGE_ENDED,	      /* waits for the end of the turn to be freed */
};

/*
 * What the access log tells of a request is copied, cut at these lengths: a tunnel holds no buffer.
 */
#define LOG_METHOD_MAX 16
#define LOG_HOST_MAX 80
#define LOG_PATH_MAX 160

/* To which slots the beginning of a session was told (running_watch.c). */
struct told {
	uint16_t slots, names; /* a bit for each; names: also which token it has */
	uint32_t orders;       /* how many orders to watch the worker had then */
};

/*
 * Invariants: `suspended` is set while the request waits for the store or is held, and only then.
 * `held` is set in AUTHORIZING only, and both watches are linked then. `handler` is
 * set in LOCAL; `kept` from CONNECTING until the request cannot be sent again; `upstream` from
 * AWAITING on, and in CONNECTING once a connection is being made. Both watches are linked from the
 * verdict that allows a request for a job, or a sign-in, until the end; so is label_watch, if the
 * request is for a port. With is_public only the job is watched.
 */
struct exchange {
	struct exchange_context *context;
	struct exchange_client *client;
	const struct exchange_peer *peer;
	enum exchange_state state;
	struct running running; /* until it has ended */
	uint64_t serial;	/* larger than those of the context's earlier exchanges */

	struct directory_waiter waiter; /* AUTHORIZING: for the record that is missing */
	struct suspended *suspended;	/* the request, while it waits for that record */
	struct directory_watch token_watch, job_watch; /* from the verdict to the end */
	struct directory_watch sign_in_watch; /* the same, if a sign-in host's sign-in allowed it */
	struct directory_watch label_watch; /* by_port: of the job that its host would be, if any */
	uint64_t changes_seen; /* jg_directory_changes at its last exchange_judge_if_changed */
	struct token_edition allowed;
	struct permit permit;	  /* of its token's concurrency; all zero: it has none */
	uint64_t no_permit_for;	  /* the concurrency for which no permit was left; or 0 */
	struct in6_addr address;  /* the client's, with has_address */
	uint64_t target;	  /* hash of the job's URL that the request goes to */
	bool job_moved;		  /* its job no longer has the URL that the request goes to */
	bool sticky;		  /* its answer names its replica to the browser, unless */
	uint64_t sticks_to;	  /* its cookie did so: the hash of that URL */
	bool connect_timed_out;	  /* one of the job's replicas took too long to connect */
	uint16_t failed;	  /* a bit for each replica at which it failed for good (`tried`) */
	struct timer timer;	  /* the deadline of the state, or `ends_ms` if that is earlier */
	uint64_t session_ends_ms; /* monotonic; with CARRIER_SIGN_IN */
	uint64_t ends_ms;	/* monotonic: it ends then, even while data moves; 0: it has no such
				 * time */
	struct task connect;	/* CONNECTING: gets a connection from the pool at the end of the
				 * turn; `held`: runs the steps again */
	uint64_t hold_until_ms; /* monotonic: until then it may wait for a job that is not up; 0: it
				 * may not, or its connection is up */
	bool held;		/* it waits for its job's URL */
	bool was_held;		/* the same, now or before */
	bool no_hold;		/* its client sends no more, so it is not held */
	bool counted;		/* it was counted against its token's rate when it was held */
	unsigned short hold_share; /* with hold_until_ms: its token's place in `held_of` */
	uint16_t tried;		   /* a bit for each replica of the job that was tried; 0: the job
				    * has one URL; all ones: the job's record has changed, so no
				    * other replica is tried */
	LIST_ENTRY(exchange) hold_link; /* with hold_until_ms: of all of the worker */
	struct task free_task;

	struct route route;
	bool by_port;	       /* it is for the port that the route names */
	bool session_of_owner; /* with CARRIER_SIGN_IN and a port: it is bound to the port's job */
	struct backend *backend;
	struct upstream *upstream; /* from CONNECTING on, until it has failed */
	struct upstream_user upstream_user;
	struct open_place *open_place;	     /* with open_call, from the end of its content on */
	const struct local_handler *handler; /* LOCAL: whose request it is */
	struct buffer *content;		     /* LOCAL: what has arrived of it */
	struct kept_request *kept; /* the request as it is sent, until it cannot be sent again */
	struct kept_content kept_content; /* what was sent of its content, for that case */
	enum method_id method_id;
	enum http_version version; /* in which the request came */
	struct slice upgrade; /* one of the configured protocols that the request asks for, or empty
			       */
	struct websocket_frames frames; /* TUNNEL: those that were sent to the client */
	struct grpc_call grpc;
	bool content_ended; /* all of the request's content has been taken */
	bool content_taken; /* some of it has been taken */
	bool answer_begun;  /* the head of an answer was sent to the client */
	bool answer_ended;  /* the backend's answer is complete; in a tunnel: its side has ended */
	bool client_full;   /* the client took only part of the answer's last content */
	unsigned char repeated; /* a bit for each enum repeat for which it was sent again */
	bool has_address;	/* the client's address is known (client_address.h) */
	bool html;		/* the client prefers a page to JSON */
	bool tunnel_only;	/* the client takes any answer of 2xx for an open tunnel */
	bool control;		/* it is for the control API */
	bool asks; /* its backend is the control process, which a local handler asks (ask.c) */
	bool offers_subprotocol; /* rewrite.h */
	bool open_call;		 /* and needs no token (exchange_call_open) */

	/* For the log. */
	int64_t started_us;
	uint64_t started_monotonic_us;
	uint64_t bytes_in, bytes_out;
	uint64_t progress; /* of the client, when it became full or at the last deadline */
	uint64_t phase_us; /* monotonic: when the part that is being timed began */
	uint32_t decision_us, connect_us, first_byte_us; /* durations; 0: not reached */
	unsigned status;
	enum verdict verdict;
	unsigned char request_id_len, method_len, host_len, path_len;
	bool decided;			     /* verdict is set */
	bool is_public;			     /* no token counts: its job lets everyone in */
	bool authenticated;		     /* the token's id is set */
	bool claims_token;		     /* the token's id is set, but its value is not valid */
	const char *cors_origin;	     /* whose page may read the answer (cors.h), or NULL */
	enum carrier carrier;		     /* of the credential that counts */
	enum credential_mistake mistake : 8; /* in the credential of a request that is refused */
	bool by_basic;			     /* the credential has the scheme Basic */
	bool offers_basic;		     /* a refusal may offer that scheme */
	bool ours_in_authorization; /* Authorization holds a credential of ours, whatever counts */
	bool traced;		    /* trace is set */
	char request_id[REQUEST_ID_MAX];
	char token_id[TOKEN_ID_LEN];
	char method[LOG_METHOD_MAX], host[LOG_HOST_MAX], path[LOG_PATH_MAX];
	struct trace trace;
	struct told told; /* set only while a slot is watched */
};

/* Room for records that are not in the cache in the form that is needed. */
struct lookup_room {
	struct token token; /* jg_directory_token */
	struct job job;	    /* with another URL (jg_effective_job, exchange_job_at_port) */
};

/*
 * The records on which a verdict rests, and their entries, to be watched if it allows. They are
 * valid until control returns to the event loop: after a wait both are looked up again.
 */
struct lookup {
	struct evidence evidence;
	bool proved; /* the evidence proves the token (jg_evidence_proves) */
	struct lookup_room *room;
	struct directory_entry *token_entry, *job_entry;
	struct directory_entry *sign_in_entry; /* NULL: the credential is no such sign-in */
	struct directory_entry *label_entry;   /* with a port: of the job that its host would be */
};

/* The client's address, as struct evidence has it. */
static inline const struct in6_addr *
exchange_address(const struct exchange *exchange)
{
	return exchange->has_address ? &exchange->address : NULL;
}

static inline struct slice
exchange_id(const struct exchange *exchange)
{
	return (struct slice){exchange->request_id, exchange->request_id_len};
}

/* True when answers have to say which origins may read them. */
static inline bool
exchange_does_cors(const struct exchange *exchange)
{
	const char *const *origins = exchange->context->options.forwarding.cors_origins;

	return origins != NULL && *origins != NULL && exchange->peer->purpose == FOR_JOBS &&
	       !exchange->control && !exchange->route.names_sign_in;
}

/* In which form its client gets a local reply. */
static inline struct reply_form
exchange_form(const struct exchange *exchange)
{
	return (struct reply_form){
	    .request_id = exchange_id(exchange),
	    .job = exchange->route.names_job ? route_job(&exchange->route) : (struct slice){0},
	    .frame_policy = exchange->route.names_job && exchange->route.own_host &&
				    !exchange->route.names_sign_in
				? exchange->context->frame_policy
				: (struct slice){0},
	    .html = exchange->html && !exchange->control,
	    .head = exchange->method_id == METHOD_HEAD,
	};
}

/* True when a browser's sign-in took the place of the token. */
static inline bool
exchange_by_session(const struct exchange *exchange)
{
	return exchange->carrier == CARRIER_SIGN_IN;
}

/* True when the job may see the Authorization field. */
static inline bool
exchange_keeps_authorization(const struct exchange *exchange)
{
	return !exchange->ours_in_authorization ||
	       (exchange->carrier == CARRIER_AUTHORIZATION && !exchange->is_public &&
		   exchange->context->options.forwarding.forward_token);
}

/* ---- exchange_state.c ---- */

/* The one place that assigns a state. CHECKs the transition. */
void exchange_set_state(struct exchange *exchange, enum exchange_state to);

/* ---- running_watch.c: with context->watch ---- */

/* A request may pass to its job, or is held until it may; and it ends, still watching its records.
 */
void running_begun(struct exchange *exchange) __attribute__((cold));
void running_ended(const struct exchange *exchange, enum outcome outcome) __attribute__((cold));

/* ---- exchange.c ---- */

/* Microseconds since it began. */
uint64_t exchange_age_us(const struct exchange *exchange);

/* The one place where an exchange ends. */
void exchange_end(struct exchange *exchange, enum outcome outcome, enum exchange_end end);

/*
 * A timed part of the exchange ends, and the next one begins. Counts the time of the part that
 * ended and returns it, in microseconds, at least 1.
 */
uint32_t exchange_timed(struct exchange *exchange, enum timed timed);

/*
 * Set the deadline: the exchange expires after this many milliseconds, or at `ends_ms` if that is
 * earlier.
 */
void exchange_start_deadline(struct exchange *exchange, uint64_t ms);

/* From AWAITING on: something moved, so the time of the state begins again. */
void exchange_restart_deadline(struct exchange *exchange);

/* ends_ms has passed, because its session has expired or its gRPC call's deadline is over: end
 * it. */
void exchange_time_over(struct exchange *exchange);

/* It ends at this time at the latest. */
static inline void
exchange_end_by(struct exchange *exchange, uint64_t ends_ms)
{
	if (exchange->ends_ms == 0 || ends_ms < exchange->ends_ms)
		exchange->ends_ms = ends_ms;
}

#endif
