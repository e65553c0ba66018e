/* authorize.c - from a request's head to the verdict, step by step. */
#include "exchange/exchange_forward.h"
#include "exchange/exchange_local.h"
#include "exchange/exchange_state.h"
#include "exchange/exchange_verdict.h"
#include "exchange/origin.h"
#include "exchange/query_token.h"
#include "jobgate/check.h"
#include "jobgate/container_of.h"

/* Each step returns the next one. Steps only go forward; after a wait, they run again from
 * STEP_CONFIRM on. */
enum authorize_step {
	STEP_EARLY,	   /* what a local handler answers before anything else */
	STEP_FORWARD_AUTH, /* the request that another proxy holds takes the place of its own */
	STEP_DESCRIBE,	   /* notes what logs and answers tell of the request */
	STEP_ROUTE,	   /* finds the job, or the control API */
	STEP_LOCAL,	   /* what a local handler answers at a job's host, or the sign-in host */
	STEP_CREDENTIAL,   /* reads the claim: which token the request says it has */
	STEP_CONFIRM, /* after a wait, the steps run again from here: is the claim still valid? */
	STEP_LOOK_UP, /* finds the records of the token and of the job; no other step waits */
	STEP_DECIDE,  /* the verdict, and its answer if it is not to allow */
	STEP_COUNT,   /* counts the request against the limits of its token */
	STEP_PASS,    /* lets the request pass */

	/* What a step returns when none follows: */
	STEP_WAIT, /* the waiter will be called, or the request is held */
	STEP_DONE, /* the request has been answered, or is on its way */
};

/* One run of the steps, within one turn: records are not valid for longer. */
struct authorization {
	struct exchange *exchange;
	struct request *request;
	struct claim *claim;
	struct lookup lookup;
};

static enum authorize_step
step_early(struct authorization *run)
{
	return exchange_handle(run->exchange, LOCAL_EARLY, run->request) ? STEP_DONE
									 : STEP_FORWARD_AUTH;
}

static enum authorize_step
step_forward_auth(struct authorization *run)
{
	if (run->exchange->peer->forward_auth &&
	    !exchange_forward_auth(run->exchange, run->request))
		return STEP_DONE;
	return STEP_DESCRIBE;
}

static enum authorize_step
step_describe(struct authorization *run)
{
	exchange_describe(run->exchange, run->request);
	if (run->exchange->peer->purpose != FOR_METRICS)
		return STEP_ROUTE;
	exchange_serve_monitoring(run->exchange, run->request);
	return STEP_DONE;
}

static enum authorize_step
step_route(struct authorization *run)
{
	struct exchange *exchange = run->exchange;

	exchange_find_route(exchange, run->request);
	if (exchange->peer->forward_auth && !exchange_forward_auth_path(exchange, run->request))
		return STEP_DONE;
	exchange->control = exchange->route.names_control;
	if (exchange->control) {
		exchange->html = false;
		if (exchange_handle(exchange, LOCAL_CONTROL, run->request))
			return STEP_DONE;
	}
	if (exchange->control || exchange->route.names_sign_in) {
		exchange->grpc = (struct grpc_call){0};
		exchange->ends_ms = 0;
	}
	return STEP_LOCAL;
}

static enum authorize_step
step_local(struct authorization *run)
{
	struct exchange *exchange = run->exchange;
	bool sign_in_host = exchange->route.names_sign_in;

	if (!sign_in_host && !exchange_has_sessions(exchange))
		return STEP_CREDENTIAL;
	if (exchange->peer->forward_auth)
		return exchange_forward_auth_ours(exchange, run->request) ? STEP_DONE
									  : STEP_CREDENTIAL;
	return exchange_handle(exchange, sign_in_host ? LOCAL_SIGN_IN : LOCAL_ROUTED, run->request)
		   ? STEP_DONE
		   : STEP_CREDENTIAL;
}

static __attribute__((noinline, cold)) void
refuse_origin(struct exchange *exchange, const struct request *request)
{
	exchange_reject(exchange, request, 403, SLICE("Foreign origin"),
	    SLICE(
		"A request that a browser signs by itself, with a sign-in or a password, must "
		"come from a page of the job's own host. Where jobs share a host, it is refused."));
}

static enum authorize_step
step_credential(struct authorization *run)
{
	struct exchange *exchange = run->exchange;

	if (exchange->route.names_sign_in) {
		if (exchange_claim_sign_in(exchange, run->request, run->claim))
			return STEP_LOOK_UP;
		exchange_refuse(exchange, VERDICT_UNAVAILABLE);
		return STEP_DONE;
	}
	if (exchange->peer->forward_auth && !exchange_forward_auth_query(exchange, run->request))
		return STEP_DONE;
	if (!exchange_claim(exchange, run->request, run->claim)) {
		exchange_refuse(exchange, VERDICT_UNAVAILABLE);
		return STEP_DONE;
	}
	if (exchange_call_open(exchange, run->request, run->claim) ||
	    (exchange->cors_origin != NULL &&
		exchange_answer_preflight(exchange, run->request, run->claim)))
		return STEP_DONE;
	if (exchange_origin_may(exchange, run->request))
		return STEP_LOOK_UP;
	refuse_origin(exchange, run->request);
	return STEP_DONE;
}

static enum authorize_step
step_confirm(struct authorization *run)
{
	exchange_confirm_claim(run->exchange, run->request, run->claim);
	return STEP_LOOK_UP;
}

static enum authorize_step
step_look_up(struct authorization *run)
{
	struct exchange *exchange = run->exchange;

	if (exchange_look_up(exchange, run->claim, &run->lookup)) {
		timer_stop(&exchange->timer);
		return STEP_DECIDE;
	}
	/* Several waits share one deadline. */
	if (exchange->timer.due_ms == 0)
		exchange_start_deadline(exchange, exchange->context->options.timeouts.lookup);
	return STEP_WAIT;
}

/*
 * The query without tokens of ours. No step that follows waits: it lies in a room that all
 * exchanges share.
 */
static inline __attribute__((always_inline)) void
hide_query_tokens(const struct authorization *run)
{
	if (run->request->query.len >= QUERY_TOKEN_MIN)
		query_hide_ours(run->request, run->exchange->context->query_room, QUERY_ROOM);
}

/* The verdict does not allow. */
static __attribute__((noinline)) void
refuse(const struct authorization *run, enum verdict verdict)
{
	struct exchange *exchange = run->exchange;

	exchange_note_mistake(exchange, run->request, verdict);
	hide_query_tokens(run);
	exchange->offers_basic = exchange_may_offer_basic(exchange, run->request);
	if (!exchange_refuse_person(exchange, run->request, verdict))
		exchange_refuse(exchange, verdict);
}

static enum authorize_step
step_decide(struct authorization *run)
{
	struct exchange *exchange = run->exchange;
	enum verdict verdict = exchange_decide(exchange, run->claim, &run->lookup);

	if (exchange->state == EXCHANGE_LOCAL) {
		exchange_local_decided(exchange, verdict, &run->lookup);
		return STEP_DONE;
	}
	if (exchange->route.names_sign_in) {
		exchange_local_judged(exchange, run->request, verdict, &run->lookup);
		return STEP_DONE;
	}
	if (jg_verdict_allows(verdict)) {
		hide_query_tokens(run);
		return STEP_COUNT;
	}
	/* A request that is held keeps its query as it came. */
	if (verdict == VERDICT_NO_URL &&
	    exchange_may_hold(exchange, run->request, run->lookup.evidence.token))
		return STEP_COUNT;
	refuse(run, verdict);
	return STEP_DONE;
}

static enum authorize_step
step_count(struct authorization *run)
{
	struct exchange *exchange = run->exchange;
	const struct token *token = run->lookup.evidence.token;
	bool holds = exchange->verdict == VERDICT_NO_URL;

	CHECK(exchange->decided && (holds || exchange_is_allowed(exchange)) &&
		  (token != NULL) != exchange->is_public,
	    exchange_dump, exchange);
	if (token == NULL) /* it may have been held with one */
		jg_limits_give(exchange->context->options.limit_table, &exchange->permit);
	else if (!exchange_within_limits(exchange, token))
		return STEP_DONE;
	if (!holds)
		return STEP_PASS;
	exchange->was_held = true;
	exchange->counted = exchange->counted || token != NULL;
	exchange_hold(exchange, &run->lookup);
	return STEP_WAIT;
}

static enum authorize_step
step_pass(struct authorization *run)
{
	struct exchange *exchange = run->exchange;

	CHECK(exchange_is_allowed(exchange), exchange_dump, exchange);
	counter_add(&exchange->context->stats->verdicts[exchange->verdict], 1);
	exchange_note_use(exchange, &run->lookup);
	if (exchange->peer->forward_auth)
		exchange_grant(exchange, run->request, &run->lookup);
	else if (exchange->control)
		exchange_call_control(exchange, run->request, &run->lookup.evidence);
	else
		exchange_allow(exchange, run->request, &run->lookup);
	return STEP_DONE;
}

static enum authorize_step
run_step(struct authorization *run, enum authorize_step step)
{
	switch (step) {
	case STEP_EARLY:
		return step_early(run);
	case STEP_FORWARD_AUTH:
		return step_forward_auth(run);
	case STEP_DESCRIBE:
		return step_describe(run);
	case STEP_ROUTE:
		return step_route(run);
	case STEP_LOCAL:
		return step_local(run);
	case STEP_CREDENTIAL:
		return step_credential(run);
	case STEP_CONFIRM:
		return step_confirm(run);
	case STEP_LOOK_UP:
		return step_look_up(run);
	case STEP_DECIDE:
		return step_decide(run);
	case STEP_COUNT:
		return step_count(run);
	case STEP_PASS:
		return step_pass(run);
	case STEP_WAIT:
	case STEP_DONE:
		break;
	}
	return STEP_DONE;
}

/* Run the steps from this one on. True when the request waits for the store, or is held. */
static bool
exchange_run_steps(struct exchange *exchange, enum authorize_step step, struct request *request,
    struct claim *claim)
{
	struct lookup_room room; /* it is large, and set only where it is needed */
	struct authorization run = {
	    .exchange = exchange, .request = request, .claim = claim, .lookup.room = &room};

	while (step < STEP_WAIT) {
		enum authorize_step next = run_step(&run, step);

		CHECK(next > step, exchange_dump, exchange);
		step = next;
	}
	CHECK(step != STEP_WAIT || exchange->waiter.entry != NULL || exchange->held, exchange_dump,
	    exchange);
	return step == STEP_WAIT;
}

/* Run the steps from this one on. If the request has to wait, copy it and its claim. */
static void
exchange_run_or_suspend(struct exchange *exchange, enum authorize_step step,
    struct request *request, struct claim *claim)
{
	if (!exchange_run_steps(exchange, step, request, claim))
		return;
	exchange->suspended = suspended_new(exchange->context->buffers, request, claim);
	if (exchange->suspended == NULL)
		exchange_refuse(exchange, VERDICT_UNAVAILABLE);
}

void
exchange_authorize(struct exchange *exchange, struct request *request)
{
	struct claim claim = {0};

	CHECK(
	    exchange->state == EXCHANGE_AUTHORIZING && !exchange->decided, exchange_dump, exchange);
	exchange_run_or_suspend(exchange, STEP_EARLY, request, &claim);
}

void
exchange_authorize_content(struct exchange *exchange)
{
	struct request none = {0};
	struct claim claim = {0};

	CHECK(
	    exchange->state == EXCHANGE_LOCAL && exchange->content_ended, exchange_dump, exchange);
	exchange_claim_content(exchange, &claim);
	exchange_run_or_suspend(exchange, STEP_LOOK_UP, &none, &claim);
}

/*
 * Only the request and its claim were kept: records found before the wait are not used. The steps
 * may end the exchange, which would free the block, so the exchange does not have it while they
 * run.
 */
void
exchange_record_came(struct directory_waiter *waiter)
{
	struct exchange *exchange = container_of(waiter, struct exchange, waiter);
	struct suspended *suspended = exchange->suspended;

	CHECK(suspended != NULL && !exchange->decided, exchange_dump, exchange);
	loop_read_ms(exchange->context->loop);
	exchange->suspended = NULL;
	if (!exchange_run_steps(exchange, STEP_CONFIRM, &suspended->request, &suspended->claim)) {
		suspended_free(exchange->context->buffers, suspended);
		return;
	}
	CHECK(suspended->claim.digest == NULL || suspended->claim.digest == &suspended->claim.own,
	    exchange_dump, exchange);
	CHECK(suspended_has(suspended, suspended->request.query), exchange_dump, exchange);
	exchange->suspended = suspended;
}
