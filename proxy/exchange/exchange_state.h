/* exchange_state.h - what the files that make up an exchange share; no other file includes it. */
#ifndef JOBGATE_EXCHANGE_EXCHANGE_STATE_H
#define JOBGATE_EXCHANGE_EXCHANGE_STATE_H

#include "exchange/context_state.h"
#include "exchange/kept_request.h"
#include "exchange/local_reply.h"
#include "exchange/route.h"
#include "exchange/suspended.h"
#include "exchange/trace.h"
#include "http/websocket.h"
#include "jobgate/dump.h"
#include "jobgate/exchange.h"
#include "jobgate/local_handler.h"
#include "upstream/pool.h"
#include "upstream/upstream.h"

/*
 * exchange_state.c  its states, and its dump
 * exchange.c    its beginning, its end, and every local reply
 * local.c       runs local handlers: requests that the gateway answers itself
 * authorize.c   the steps from the request's head to the verdict
 * credential.c  whom the request says it is from
 * lookup.c      the records that a verdict rests on, and each later change of them
 * allow.c       what follows when a request for a job may pass
 * call.c        calls for the control process, and what monitoring asks
 * relay.c       from the verdict on: connect, send, relay
 */
enum exchange_state {
	EXCHANGE_AUTHORIZING, /* waits for the store to tell of the token or the job */
	EXCHANGE_LOCAL, /* a local handler reads the content; then it may wait for the store as well
			 */
	EXCHANGE_CONNECTING, /* allowed; waits for a connection to the backend */
	EXCHANGE_AWAITING,   /* the request is being sent; waits for the head of its answer */
	EXCHANGE_RELAYING,   /* the answer's head has gone to the client; its content follows */
	EXCHANGE_TUNNEL,     /* both ends speak a protocol of their own */
	EXCHANGE_ENDED,	     /* waits for the end of the turn to be freed */
};

/*
 * What the access log tells of a request is copied, cut at these lengths: a tunnel holds no buffer.
 */
#define LOG_METHOD_MAX 16
#define LOG_HOST_MAX 80
#define LOG_PATH_MAX 160

/*
 * Invariants: `suspended` is set while the request waits for the store, and only then. `handler` is
 * set in LOCAL; `kept` from CONNECTING until the request cannot be sent again; `upstream` from
 * AWAITING on, and in CONNECTING once a connection is being made. Both watches are linked from the
 * verdict that allows a request for a job until the end.
 */
struct exchange {
	struct exchange_context *context;
	struct exchange_client *client;
	const struct exchange_peer *peer;
	enum exchange_state state;

	struct directory_waiter waiter; /* AUTHORIZING: for the record that is missing */
	struct suspended *suspended;	/* the request, while it waits for that */
	struct directory_watch token_watch, job_watch; /* from the verdict to the end */
	struct token_edition allowed;
	uint64_t target;	  /* hash of the job's URL, to which the request goes */
	bool moved;		  /* the job has another URL by now */
	struct timer timer;	  /* of the state, or of the session where that ends sooner */
	uint64_t session_ends_ms; /* monotonic; with by_session */
	struct task connect;	  /* CONNECTING: takes a connection at the end of the turn */
	struct task free_task;

	struct route route;
	struct backend *backend;
	struct upstream *upstream; /* from CONNECTING on, until it has failed */
	struct upstream_user upstream_user;
	const struct local_handler *handler; /* LOCAL: whose request it is */
	struct buffer *content;		     /* LOCAL: what has come of it */
	struct kept_request *kept; /* the request as it is sent, until it cannot be needed again */
	enum method_id method_id;
	struct slice upgrade; /* one of the configured protocols that the request asks for, or empty
			       */
	struct websocket_frames frames; /* TUNNEL: those that the client has been sent */
	bool content_ended;		/* all of the request's content has been taken */
	bool content_taken;		/* some of it has: the request cannot be repeated */
	bool answer_begun;		/* the client has been sent the head of an answer */
	bool answer_ended;		/* in a tunnel: the backend ended its side */
	bool client_full;		/* the client took only part of the answer's last content */
	unsigned char repeated;		/* a bit for each enum repeat that has counted */
	bool html;			/* the client would rather see a page than JSON */
	bool control;			/* it is for the control API */

	/* For the log. */
	int64_t started_us;
	uint64_t started_monotonic_us;
	uint64_t bytes_in, bytes_out;
	uint64_t progress; /* of the client, when it became full or at its last deadline */
	uint64_t phase_us; /* monotonic: when the part that is timed next began */
	uint32_t decision_us, connect_us, first_byte_us; /* what parts took; 0: not reached */
	unsigned status;
	enum verdict verdict;
	unsigned char request_id_len, method_len, host_len, path_len;
	bool decided;	    /* verdict is one */
	bool authenticated; /* the token's id is set */
	bool by_session;    /* a cookie of ours stood for the token */
	bool traced;	    /* trace is set */
	char request_id[REQUEST_ID_MAX];
	char token_id[TOKEN_ID_LEN];
	char method[LOG_METHOD_MAX], host[LOG_HOST_MAX], path[LOG_PATH_MAX];
	struct trace trace;
};

/*
 * The records that a verdict rests on, and the entries to watch if it allows. They are good until
 * control returns to the event loop: a request that waited looks both up again.
 */
struct lookup {
	struct evidence evidence;
	struct job room; /* for the sidecar's job */
	struct directory_entry *token_entry, *job_entry;
};

static inline struct slice
exchange_id(const struct exchange *exchange)
{
	return (struct slice){exchange->request_id, exchange->request_id_len};
}

/* ---- exchange_state.c ---- */

/* The one place that assigns a state. CHECKs the transition. */
void exchange_set_state(struct exchange *exchange, enum exchange_state to);

/* ---- exchange.c ---- */

/* The one place where an exchange ends. */
void exchange_end(struct exchange *exchange, enum outcome outcome, enum exchange_end end);

/*
 * One part of the exchange is over, the next one begins. Counts its time, and returns it: 1 us or
 * more.
 */
uint32_t exchange_timed(struct exchange *exchange, enum timed timed);

/*
 * From CONNECTING on: something has to move within this many milliseconds, and before the session
 * ends.
 */
void exchange_wait(struct exchange *exchange, uint64_t ms);

/* End with a local reply, or cut the job's answer if some of it has been sent. */
void exchange_fail(struct exchange *exchange, enum outcome outcome, unsigned status,
    struct slice title, struct slice detail);

/* The same, and the client may try again after retry_s seconds (429, 503). */
void exchange_fail_retry_later(struct exchange *exchange, enum outcome outcome, unsigned status,
    struct slice title, struct slice detail, unsigned retry_s);

/* A hash of where a job's URL leads. */
uint64_t exchange_target_hash(const struct job_url *url);

/* Answer with a verdict that does not allow, or cut what runs. */
void exchange_refuse(struct exchange *exchange, enum verdict verdict);

/* Send a local reply, with a Date (RFC 9110 section 6.6.1). */
void exchange_send(struct exchange *exchange, struct local_reply *reply, enum outcome outcome);

/*
 * Seconds that the client has to wait, because too many of its tokens were not valid lately. 0:
 * none.
 */
unsigned exchange_failed_auth(const struct exchange *exchange, enum verdict verdict);

/* Forward auth: tell the other proxy that the request it holds may pass. */
void exchange_grant(struct exchange *exchange, struct slice job, const struct token *token);

/* ---- authorize.c ---- */

/* The record that was waited for has come, or cannot be read: go on. */
void exchange_answered(struct directory_waiter *waiter);

/* LOCAL, with all of the content: judge the credential that is in it. */
void exchange_authorize_content(struct exchange *exchange);

/* Remember what the log and local replies tell of a request. */
void exchange_describe(struct exchange *exchange, const struct request *request);

/* ---- lookup.c ---- */

void exchange_token_changed(struct directory_watch *watch);
void exchange_job_changed(struct directory_watch *watch);

/* Look both records up, in this turn. False when the store has to be waited for. */
bool exchange_look_up(struct exchange *exchange, const struct claim *claim, struct lookup *lookup);

/* The verdict. Also notes what the log and the metrics tell of it. */
enum verdict exchange_decide(
    struct exchange *exchange, const struct claim *claim, const struct lookup *lookup);

/* ---- allow.c ---- */

/*
 * The verdict allows: from here on each change of either record is noticed, and the request sets
 * out for the backend.
 */
void exchange_allow(
    struct exchange *exchange, struct request *request, const struct lookup *lookup);

/* ---- credential.c ---- */

/* Whom the request says it is from, by its Authorization field or by a browser's session. */
void exchange_claim(struct exchange *exchange, const struct request *request, struct claim *claim);

/* The same by one value of an Authorization field. */
void exchange_claim_field(struct exchange *exchange, struct slice field, struct claim *claim);

/*
 * After a wait: the claim as it counts now, by the clock and by the key of minted values. request
 * is the one that it was read from. The claim still points into no cache, because it may have to
 * wait again.
 */
void exchange_confirm_claim(
    struct exchange *exchange, const struct request *request, struct claim *claim);

/*
 * True when the job gets a credential in Authorization that counts for all of the connection, as
 * NTLM and, with some servers, Negotiate (RFC 4559 section 6): no other client's request may
 * follow.
 */
bool authenticates_connection(const struct request *request);

/*
 * Browsers send a session's cookie whichever page caused the request. So what changes something,
 * or opens a connection that may, has to come from the job's own pages. To SameSite all jobs of a
 * domain are one site, so another job's page may lead here, but not embed.
 */
bool exchange_session_may(const struct exchange *exchange, const struct request *request);

/* Does the client speak TLS, as far as we are told? */
bool exchange_uses_tls(const struct exchange *exchange, const struct request *request);

/* ---- local.c ---- */

/* When local handlers are asked whether a request is theirs. */
enum local_stage {
	LOCAL_EARLY,   /* at once: neither its job nor its credential has been looked at */
	LOCAL_ROUTED,  /* its job has a host of its own; its credential has not been read */
	LOCAL_ALLOWED, /* it may pass to its job */
};

/* Have the handler answer whose request it is. False: no handler's. */
bool exchange_handle(
    struct exchange *exchange, enum local_stage stage, const struct request *request);

/*
 * True when the host that the request came to has sessions. Only in the host form: each job is a
 * browser origin of its own there.
 */
bool exchange_has_sessions(const struct exchange *exchange);

/* Refuse with a page for a person. False, and nothing is done, when the plain refusal is right. */
bool exchange_refuse_person(
    struct exchange *exchange, const struct request *request, enum verdict verdict);

/* LOCAL: the content, as it comes; its end; and wipe what was kept of it. */
size_t exchange_local_content(struct exchange *exchange, struct slice data);
void exchange_local_content_end(struct exchange *exchange);
void exchange_local_wipe(struct exchange *exchange);

/* LOCAL: whom the content says it is from. */
void exchange_claim_content(struct exchange *exchange, struct claim *claim);

/* LOCAL: the verdict on that; token is the one that was found, with VERDICT_ALLOW and
 * VERDICT_NO_URL. */
void exchange_local_decided(
    struct exchange *exchange, enum verdict verdict, const struct token *token);

/* ---- call.c ---- */

/*
 * Forward an allowed call of the control API to the control process. token NULL: a call at
 * control.metrics.
 */
void exchange_call_control(
    struct exchange *exchange, struct request *request, const struct token *token);

/* A request at control.metrics: answer it here, or forward it to the control process. */
void exchange_observe(struct exchange *exchange, struct request *request);

/* The control process did not answer, and will not: answer 503. */
void exchange_call_failed(struct exchange *exchange, enum upstream_failure failure);

/* The largest content that the request may have, in bytes; 0: no limit. */
static inline uint64_t
exchange_content_max(const struct exchange *exchange)
{
	return exchange->control ? CONTROL_BODY_MAX : exchange->context->options.limits.body_bytes;
}

/* ---- relay.c ---- */

/* What the backend's end is to call. */
extern const struct upstream_user_ops exchange_upstream_ops;

/*
 * Keep the request as the backend of this target is to see it, with these fields added. False when
 * it does not fit.
 */
bool exchange_keep(struct exchange *exchange, struct request *request, const struct fields *extra,
    const struct job_url *target);

/* CONNECTING: runs at the end of the turn. */
void exchange_connect(struct task *task);

#endif
