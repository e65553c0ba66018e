/* exchange_local.h - what the files of an exchange share for what the gateway answers itself. */
#ifndef JOBGATE_EXCHANGE_EXCHANGE_LOCAL_H
#define JOBGATE_EXCHANGE_EXCHANGE_LOCAL_H

#include "exchange/exchange_state.h"

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

/* ---- local.c ---- */

/* When local handlers are asked whether a request is theirs. */
enum local_stage {
	LOCAL_EARLY,	  /* at once: neither its job nor its credential has been looked at */
	LOCAL_ROUTED,	  /* its job has a host of its own; its credential has not been read */
	LOCAL_ALLOWED,	  /* it may pass to its job */
	LOCAL_SLASHLESS,  /* the same, and its path is a job's prefix without a slash */
	LOCAL_MONITORING, /* it is not for jobs: control.metrics */
	LOCAL_SIGN_IN,	  /* it is for the sign-in host */
	LOCAL_CONTROL,	  /* it is for the control API; its credential has not been read */
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

#endif
