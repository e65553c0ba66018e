/* exchange_state.h - what the files that make up an exchange share; no other file includes it. */
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
 * exchange_state.c  its states, and its dump
 * exchange.c        its beginning, its end, and what ends it early
 * reply.c           local replies
 * cut.c             ends it before its time, with last words where its protocol has any
 * running.c         lists sessions for operators, and ends them
 * local.c           runs local handlers: requests that the gateway answers itself
 * authorize.c       the steps from the request's head to the verdict
 * credential.c      the request's claim: which token it says it has
 * lookup.c          the records of a verdict, and each later change of them
 * lookup_port.c     the same for a port, which shares its host's name with another job
 * token_limits.c    counts the requests of tokens that have limits
 * hold.c            holds a request until its job is up
 * allow.c           prepares an allowed request for its job
 * call.c            calls of the control API, and requests of monitoring
 * ask.c             asks the control process for a local handler
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

/*
 * Invariants: `suspended` is set while the request waits for the store or is held, and only then.
 * `held` is set in AUTHORIZING only, and both watches are linked then. `handler` is
 * set in LOCAL; `kept` from CONNECTING until the request cannot be sent again; `upstream` from
 * AWAITING on, and in CONNECTING once a connection is being made. Both watches are linked from the
 * verdict that allows a request for a job, or a sign-in, until the end; so is label_watch, if the
 * request is for a port.
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
	struct token_edition allowed;
	struct permit permit;	  /* of its token's concurrency; all zero: it has none */
	uint64_t no_permit_for;	  /* the concurrency for which no permit was left; or 0 */
	struct in6_addr address;  /* the client's, with has_address */
	uint64_t target;	  /* hash of the job's URL that the request goes to */
	bool job_moved;		  /* the job has got another URL since then */
	struct timer timer;	  /* the deadline of the state, or `ends_ms` if that is earlier */
	uint64_t session_ends_ms; /* monotonic; with CARRIER_SIGN_IN */
	uint64_t ends_ms;	/* monotonic: it ends then, even while data moves; 0: it has no such
				 * time */
	struct task connect;	/* CONNECTING: gets a connection from the pool at the end of the
				 * turn; `held`: runs the steps again */
	uint64_t hold_until_ms; /* monotonic: until then it may wait for a job that is not up; 0: it
				 * may not, or its connection is up */
	bool held;		/* it waits for its job's URL */
	bool no_hold;		/* its client sends no more, so it is not held */
	bool counted;		/* it was counted against its token's rate when it was held */
	unsigned short hold_share;	/* with hold_until_ms: its token's place in `held_of` */
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
};

/*
 * The records on which a verdict rests, and their entries, to be watched if it allows. They are
 * valid until control returns to the event loop: after a wait both are looked up again.
 */
struct lookup {
	struct evidence evidence;
	bool proved;	 /* the evidence proves the token (jg_evidence_proves) */
	struct job room; /* for a job with another URL (jg_effective_job, exchange_job_at_port) */
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
	       (exchange->carrier == CARRIER_AUTHORIZATION &&
		   exchange->context->options.forwarding.forward_token);
}

/* ---- exchange_state.c ---- */

/* The one place that assigns a state. CHECKs the transition. */
void exchange_set_state(struct exchange *exchange, enum exchange_state to);

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

/* ---- reply.c ---- */

/* End with a local reply, or cut the job's answer if some of it has been sent. */
void exchange_fail(struct exchange *exchange, enum outcome outcome, unsigned status,
    struct slice title, struct slice detail);

/* The same, and the client may try again after retry_s seconds (429, 503). */
void exchange_fail_retry_later(struct exchange *exchange, enum outcome outcome, unsigned status,
    struct slice title, struct slice detail, unsigned retry_s);

/* Answer with a verdict that does not allow, or cut the answer that has begun. */
void exchange_refuse(struct exchange *exchange, enum verdict verdict);

/* The job is not up: 503, with a page for people that checks again by itself. */
void exchange_fail_starting(struct exchange *exchange, enum outcome outcome, struct slice title,
    struct slice detail, unsigned retry_s);

/* Refuse a request that only a tunnel would answer, and that may have none. */
void exchange_refuse_tunnel(struct exchange *exchange);

/*
 * Send a local reply, with a Date (RFC 9110 section 6.6.1). If it is no error and the records of a
 * verdict are watched, the reply grants what that verdict allows: it is sent at once if the verdict
 * still holds, and a refusal in its place if not.
 */
void exchange_send_reply(
    struct exchange *exchange, struct local_reply *reply, enum outcome outcome);

/* Send a gRPC call's one message and the status OK. */
void exchange_send_message(struct exchange *exchange, struct slice message, enum outcome outcome);

/*
 * The seconds that the client has to wait, because its address has recently sent too many invalid
 * tokens. 0: it may be told the verdict.
 */
unsigned exchange_failed_auth(const struct exchange *exchange, enum verdict verdict);

/*
 * Answer a preflight, whether its job exists or not. False, with nothing done, when the request is
 * no preflight or has a credential, or when its origin is not listed.
 */
bool exchange_answer_preflight(
    struct exchange *exchange, const struct request *request, const struct claim *claim);

/* Forward auth: tell the other proxy that the request it holds may pass. */
void exchange_grant(
    struct exchange *exchange, const struct request *request, const struct lookup *lookup);

/* ---- cut.c ---- */

/* Why an exchange is cut: for a client whose protocol has a form for that. */
struct cut_reason {
	unsigned websocket; /* code of a close frame; 0: this reason has none */
	enum grpc_status grpc;
	struct slice text;
};

/*
 * End it without a complete answer. It ends as `end` says, or as END_TOLD if the client could be
 * told the reason.
 */
void exchange_cut(struct exchange *exchange, enum outcome outcome, enum exchange_end end,
    const struct cut_reason *reason);

/* ---- authorize.c ---- */

/* The record that the request waits for has come, or cannot be read: run the steps again. */
void exchange_record_came(struct directory_waiter *waiter);

/* LOCAL, all content has come: judge the credential in it. */
void exchange_authorize_content(struct exchange *exchange);

/* Remember what the log and local replies tell of a request. */
void exchange_describe(struct exchange *exchange, const struct request *request);

/* ---- lookup.c ---- */

/* The verdict rests on these records: watch them from now on. */
void exchange_watch(struct exchange *exchange, const struct lookup *lookup);

/*
 * Read the clock and judge again, by what is known now of the watched records. False: that refuses
 * the exchange, and it has ended.
 */
bool exchange_still_holds(struct exchange *exchange);

/*
 * True when the backend has seen nothing of the request. A connection may take seconds; then the
 * head may wait for the backend's SETTINGS, or for a socket that takes nothing.
 */
bool exchange_is_unsent(const struct exchange *exchange);

/* The selector because of which it is refused, for its line in the log; empty: none is noted. */
struct slice exchange_unmatched(const struct exchange *exchange);

void exchange_token_changed(struct directory_watch *watch);
void exchange_job_changed(struct directory_watch *watch);
void exchange_sign_in_changed(struct directory_watch *watch);
void exchange_label_changed(struct directory_watch *watch);

/* Stop to watch the records. */
static inline void
exchange_unwatch(struct exchange *exchange)
{
	jg_directory_unwatch(&exchange->token_watch);
	jg_directory_unwatch(&exchange->job_watch);
	if (exchange->sign_in_watch.entry != NULL)
		jg_directory_unwatch(&exchange->sign_in_watch);
	if (exchange->label_watch.entry != NULL)
		jg_directory_unwatch(&exchange->label_watch);
}

/* ---- lookup_port.c ---- */

/*
 * As exchange_look_up, for a route with a port: find which of the two jobs the request is for, and
 * that job. False when the request has to wait for a record.
 */
bool exchange_look_up_port(struct exchange *exchange, uint64_t now_ms, struct lookup *lookup)
    __attribute__((cold));

/* The records of both jobs will be needed: start to read the one that was not looked up yet. */
void exchange_read_port_early(struct exchange *exchange, uint64_t now_ms) __attribute__((cold));

/*
 * A session is bound to one of the two jobs. If that one is not served here, or not any more, a
 * person has to sign in again, whichever of both has gone: the answer is the same as without a
 * session.
 */
enum verdict exchange_port_verdict(const struct exchange *exchange, enum verdict verdict)
    __attribute__((cold));

/*
 * by_port: the job counts as absent once it has no such port, or another job, even one with a
 * broken record, has its host. answer is what is known of its record, and *job the job in it or
 * NULL, which is replaced by the job with the port's URL, in room.
 */
void exchange_judge_port(struct exchange *exchange, uint64_t now_ms,
    struct directory_answer *answer, const struct job **job, struct job *room);

/* A hash of where a job's URL leads. */
uint64_t exchange_target_hash(const struct job_url *url);

/* Look up both records, in this turn. False when the request has to wait for the store. */
bool exchange_look_up(struct exchange *exchange, const struct claim *claim, struct lookup *lookup);

/* Decide. Also notes what the log and the metrics show of the verdict. */
enum verdict exchange_decide(
    struct exchange *exchange, const struct claim *claim, const struct lookup *lookup);

/* ---- token_limits.c ---- */

/*
 * Count an allowed request against its token's limits. False when it is over one: it has been
 * refused then, and counts for nothing. exchange_end gives back what it holds. A request that was
 * held has been counted before: of limits that are new since then, only concurrency applies.
 */
bool exchange_within_limits(struct exchange *exchange, const struct token *token);

/* The token or its record has changed while the exchange runs: it may have a limit only now. */
void exchange_follow_limits(struct exchange *exchange, const struct token *token);

/* ---- hold.c ---- */

/*
 * The token is valid and reaches the job: find how long the request may be held, unless that is
 * known. request is as the client sent it. True when it may be held now.
 */
bool exchange_may_hold(
    struct exchange *exchange, const struct request *request, const struct token *token);

/* Its connection is up, or it has ended: it is not held any more. */
void exchange_hold_ended(struct exchange *exchange);

/*
 * The job has no URL, and the request may be held: hold it until one of the records changes or the
 * time is over.
 */
void exchange_hold(struct exchange *exchange, const struct lookup *lookup);

/* It was held, and one of the records has changed: run the steps again. */
void exchange_resume(struct exchange *exchange);

/* True when the reply to this request is a page that checks again by itself. */
static inline bool
exchange_checks_again(const struct exchange *exchange)
{
	return exchange->html &&
	       (exchange->method_id == METHOD_GET || exchange->method_id == METHOD_HEAD);
}

/* ---- allow.c ---- */

/*
 * The verdict allows: watch both records from now on, and send the request to its backend.
 */
void exchange_allow(
    struct exchange *exchange, struct request *request, const struct lookup *lookup);

/* ---- credential.c ---- */

/* Read the claim of a request: the credential that counts (credential_order.h), or a browser's
 * session. */
void exchange_claim(struct exchange *exchange, const struct request *request, struct claim *claim);

/* The same at the sign-in host, where only the cookie of the browser's sign-in counts. */
void exchange_claim_sign_in(
    struct exchange *exchange, const struct request *request, struct claim *claim);

/* The same from a value as Authorization has it, of the scheme Bearer. */
void exchange_claim_field(struct exchange *exchange, struct slice field, struct claim *claim);

/*
 * After a wait: read the claim again if the key of minted values has changed since, and drop a
 * session that has expired. request: the one that the claim is from. The claim does not point into
 * the cache afterwards, because it may have to wait again.
 */
void exchange_confirm_claim(
    struct exchange *exchange, const struct request *request, struct claim *claim);

/*
 * True when the Authorization field that the job gets authenticates the whole connection, as NTLM
 * and, with some servers, Negotiate do (RFC 4559 section 6). Then no other client's request may
 * follow on that connection.
 */
bool authenticates_connection(const struct request *request);

/* Note what is wrong with the credential of a request that gets this verdict, for its refusal. */
void exchange_note_mistake(
    struct exchange *exchange, const struct request *request, enum verdict verdict);

/* ---- local.c ---- */

/* When local handlers are asked whether a request is theirs. */
enum local_stage {
	LOCAL_EARLY,	  /* at once: neither its job nor its credential has been looked at */
	LOCAL_ROUTED,	  /* its job has a host of its own; its credential has not been read */
	LOCAL_ALLOWED,	  /* it may pass to its job */
	LOCAL_SLASHLESS,  /* the same, and its path is a job's prefix without a slash */
	LOCAL_MONITORING, /* it is not for jobs: control.metrics */
	LOCAL_SIGN_IN,	  /* it is for the sign-in host */
};

/* If a local handler handles this request, it answers. False: none does, or it wants to know the
 * verdict on the browser's sign-in first. */
bool exchange_handle(
    struct exchange *exchange, enum local_stage stage, const struct request *request);

/*
 * True when the host that the request came to has sessions. Only in the host form: each job is a
 * browser origin of its own there.
 */
bool exchange_has_sessions(const struct exchange *exchange);

/* AUTHORIZING, at the sign-in host: answer to the verdict on the browser's sign-in. */
void exchange_local_judged(struct exchange *exchange, const struct request *request,
    enum verdict verdict, const struct lookup *lookup);

/* Answer as a handler says. request NULL: the content has been read already. */
void exchange_local_act(struct exchange *exchange, const struct local_handler *handler,
    const struct request *request, enum local_action action, const struct local_answer *answer);

/* What a handler may know of the request, which may be NULL. */
struct local_call exchange_local_call(
    const struct exchange *exchange, const struct request *request);

/* Refuse with a page for a person. False, and nothing is done, when the plain refusal is right. */
bool exchange_refuse_person(
    struct exchange *exchange, const struct request *request, enum verdict verdict);

/* LOCAL: the content, as it comes; its end; and wipe what was kept of it. */
size_t exchange_local_content(struct exchange *exchange, struct slice data);
void exchange_local_content_end(struct exchange *exchange);

/*
 * Read the request's content for the handler. All of it has to come within timeouts.body: a client
 * that has shown no token yet gets no more time. `before` counts as its beginning.
 */
void exchange_read_content(struct exchange *exchange, const struct local_handler *handler,
    const struct request *request, struct slice before);
void exchange_local_wipe(struct exchange *exchange);

/* LOCAL: read the claim from the content. */
void exchange_claim_content(struct exchange *exchange, struct claim *claim);

/* LOCAL: have the handler answer to the verdict, which rests on these records. */
void exchange_local_decided(
    struct exchange *exchange, enum verdict verdict, const struct lookup *lookup);

/* ---- call.c ---- */

/*
 * Forward an allowed call of the control API to the control process. evidence is what the verdict
 * rests on; NULL: a call at control.metrics.
 */
void exchange_call_control(
    struct exchange *exchange, struct request *request, const struct evidence *evidence);

/*
 * The call that needs no token, because its content has one: the revocation of a token by its
 * value. Reads its content. False: it is another one, or it has a credential.
 */
bool exchange_call_open(
    struct exchange *exchange, struct request *request, const struct claim *claim);

/* LOCAL: its content has come. Forward it, under the limit of failed tokens, if a place is free. */
void exchange_call_open_content(struct exchange *exchange);

/* Take a place for a call that needs no token. False: there is none for its client's address. */
bool exchange_take_place(struct exchange *exchange);

/* Give back the place of a call that has ended, if it has one. */
void exchange_leave_place(struct exchange *exchange);

/*
 * Forward a call without a token, of this path (static) and content, to the control process. Its
 * head names only the client's address, for the audit log.
 */
void exchange_call_without_token(
    struct exchange *exchange, struct slice path, struct slice content);

/* A request at control.metrics: answer it here, or forward it to the control process. */
void exchange_serve_monitoring(struct exchange *exchange, struct request *request);

/* The control process did not answer, and will not: answer 503. */
void exchange_call_failed(struct exchange *exchange, enum upstream_failure failure);

/* The largest content that the request may have, in bytes; 0: no limit. */
static inline uint64_t
exchange_content_max(const struct exchange *exchange)
{
	return exchange->control ? CONTROL_BODY_MAX : exchange->context->options.limits.body_bytes;
}

/* ---- ask.c ---- */

/*
 * Ask the control process what the answer says (LOCAL_ASK), and keep the answer. request: NULL when
 * its content has been read.
 */
void exchange_ask(struct exchange *exchange, const struct local_handler *handler,
    const struct request *request, const struct local_answer *answer);

/* With `asks`: the head of the control process's answer has come; and its end. */
void exchange_asked_head(struct exchange *exchange, unsigned status);
void exchange_asked(struct exchange *exchange, unsigned status);

/* ---- relay.c ---- */

/* What the backend's end is to call. */
extern const struct upstream_user_ops exchange_upstream_ops;

static inline struct exchange *
exchange_of_user(struct upstream_user *user)
{
	return container_of(user, struct exchange, upstream_user);
}

/* ---- send.c ---- */

/*
 * Keep the request in the form for the backend at this target, with these fields added. False when
 * it does not fit.
 */
bool exchange_keep(struct exchange *exchange, struct request *request, const struct fields *extra,
    const struct job_url *target);

/* It will not be sent again. */
void exchange_drop_kept(struct exchange *exchange);

/* CONNECTING: runs at the end of the turn. */
void exchange_connect(struct task *task);

/* Of exchange_upstream_ops. */
void exchange_upstream_connected(struct upstream_user *user, struct upstream *upstream);
void exchange_upstream_failed(
    struct upstream_user *user, enum upstream_failure failure, enum repeat repeat);

/* ---- request_content.c ---- */

/*
 * Send what was kept of the content, which comes before what the client still has. False: some of
 * it is left. Calls nothing back.
 */
bool exchange_send_kept_content(struct exchange *exchange);

/* Give back kept content that has been sent, and will not be sent again. */
void exchange_drop_kept_content(struct exchange *exchange);

/* A tunnel is over once both ends have ended and the backend has been sent all bytes. */
void exchange_end_tunnel(struct exchange *exchange);

/* Of exchange_upstream_ops. */
void exchange_upstream_writable(struct upstream_user *user);

#endif
