/* authorize.c - from a request's head to the verdict, and again whenever a record changes. */
#include <assert.h>

#include "exchange/ask.h"
#include "exchange/exchange_state.h"
#include "observe/probes.h"

static unsigned char
keep(char *into, size_t cap, struct slice text)
{
	size_t len = text.len < cap ? text.len : cap;

	if (len > 0)
		memcpy(into, text.at, len);
	return (unsigned char)len;
}
#define KEEP(exchange, name, text) \
	((exchange)->name##_len = keep((exchange)->name, sizeof((exchange)->name), (text)))

/* Remember what the log and the refusals tell of a request. */
static void
exchange_describe(struct exchange *exchange, const struct request *request)
{
	struct slice id = rewrite_request_id(request, exchange->peer->trusted);

	if (id.len > 0)
		KEEP(exchange, request_id, id);
	KEEP(exchange, method, request->method);
	KEEP(exchange, host, request->authority);
	KEEP(exchange, path, request->path);
	exchange->traced = trace_read(&request->fields, &exchange->trace);
	exchange->html =
	    !exchange->control && refusal_wants_html(field_value(&request->fields, FIELD_ACCEPT));
	exchange->method_id = request->method_id;
}

void
exchange_reject(struct exchange *exchange, const struct request *request, unsigned status,
    struct slice title, struct slice detail)
{
	if (request != NULL)
		exchange_describe(exchange, request);
	exchange_give_up(exchange, status == 408 ? OUTCOME_HEAD_TIMEOUT : OUTCOME_BAD_REQUEST,
	    status, title, detail);
}

void
exchange_redirect(struct exchange *exchange, const struct request *request, struct slice location)
{
	exchange_describe(exchange, request);
	exchange_send_on(exchange, location);
}

static void
find_route(struct exchange *exchange, const struct request *request)
{
	const struct gateway_options *options = &exchange->gateway->options;
	/* Other proxies ask about jobs; the control API is ours alone to lead to. */
	const struct route_forms forms = {options->jobs.domain, options->jobs.prefix,
	    options->jobs.fixed, exchange->peer->asks ? NULL : options->control_host};

	if (exchange->peer->purpose == FOR_CONTROL)
		exchange->route.names_control = true;
	else
		route_find(&forms, request->authority, request->path, &exchange->route);
}

bool
exchange_look_up(struct exchange *exchange, struct findings *findings)
{
	struct gateway *gateway = exchange->gateway;
	struct evidence *evidence = &findings->evidence;
	/*
	 * The clock was read when the client's bytes came, and is read again before the head leaves
	 * for the backend. Another proxy's question is answered without that, so it is read here.
	 */
	uint64_t now_ms =
	    exchange->peer->asks ? loop_read_ms(gateway->loop) : loop_now_ms(gateway->loop);
	struct directory_answer answer;
	struct slice id;

	if ((evidence->credential != CREDENTIAL_BEARER &&
		evidence->credential != CREDENTIAL_SESSION) ||
	    !evidence->bearer->formed)
		return true;
	id = (struct slice){evidence->bearer->id, TOKEN_ID_LEN};
	answer =
	    jg_directory_lookup(gateway->directory, RECORD_TOKEN, id, now_ms, &exchange->waiter);
	if (answer.pending) {
		/* Both reads at once: a token never seen before costs one round trip, not two. */
		if (evidence->names_job)
			jg_directory_lookup(gateway->directory, RECORD_JOB,
			    route_job(&exchange->route), now_ms, NULL);
		return false;
	}
	evidence->token_known = answer.known;
	if (answer.known != RECORD_KNOWN)
		return true;
	evidence->token = &answer.record->token;
	findings->token_entry = answer.entry;
	/* Nothing more is looked up for a wrong secret: the time would tell that its id is known.
	 */
	if (!evidence->names_job || !jg_evidence_proves(evidence))
		return true;
	answer = jg_directory_lookup(
	    gateway->directory, RECORD_JOB, route_job(&exchange->route), now_ms, &exchange->waiter);
	if (answer.pending)
		return false;
	evidence->job_known = answer.known;
	if (answer.known != RECORD_KNOWN)
		return true;
	evidence->job = jg_effective_job(
	    &answer.record->job, gateway_fixed_target(gateway), &findings->fixed_job);
	findings->job_entry = answer.entry;
	return true;
}

/*
 * The protocol that the request may be upgraded to: one of ours, so that it outlives the request.
 */
static struct slice
upgrade_allowed(const struct gateway_options *options, const struct request *request)
{
	/* Content would have to come before the switch; nobody's client sends any. */
	if (request->upgrade.len == 0 || request->content == CONTENT_UNKNOWN ||
	    (request->content == CONTENT_LENGTH && request->length > 0))
		return (struct slice){0};
	for (const char *const *at = options->forwarding.upgrades; at != NULL && *at != NULL; at++)
		if (slice_equal_nocase(request->upgrade, slice_of(*at)))
			return slice_of(*at);
	return (struct slice){0};
}

/* Make the request for the backend and keep it. False when it does not fit. */
static bool
exchange_prepare(
    struct exchange *exchange, struct request *request, const struct findings *findings)
{
	struct gateway *gateway = exchange->gateway;
	struct rewritten *rewritten = &gateway->scratch.rewritten;
	char address[ADDRESS_TEXT_MAX];
	const struct rewrite rewrite = {
	    .traced = exchange->traced,
	    /* With a session, what stands in Authorization is the job's own affair. */
	    .forward_token = gateway->options.forwarding.forward_token || exchange->by_session,
	    .peer_trusted = exchange->peer->trusted,
	    .secure = exchange->peer->secure,
	    .peer = peer_text(exchange->peer, address),
	    .peer_is_unix = exchange->peer->local,
	    .request_id = exchange_id(exchange),
	    .job = route_job(&exchange->route),
	    .prefix = route_prefix(&exchange->route, request->path),
	    .token = findings->evidence.token,
	    .drop_fields = gateway->options.forwarding.drop_fields,
	};

	request->upgrade = exchange->upgrade = upgrade_allowed(&gateway->options, request);
	exchange->content_ended = request->content == CONTENT_NONE ||
				  (request->content == CONTENT_LENGTH && request->length == 0);
	if (!rewrite_request(request, &rewrite, rewritten))
		return false;
	/* Some servers, asked for an upgrade that they do not make, wait for bytes of its protocol
	 * all the same. */
	request->exclusive = request->upgrade.len > 0 ||
			     (rewrite.forward_token && authenticates_connection(request));
	request->path = route_path(&exchange->route, request->path);
	return exchange_keep(exchange, request, &rewritten->extra, findings->target);
}

/* Allowed: from here on a change of either record is noticed. */
static void
exchange_allow(struct exchange *exchange, struct request *request, struct findings *findings)
{
	struct gateway *gateway = exchange->gateway;
	const struct gateway_options *options = &gateway->options;

	assert(findings->evidence.token != NULL); /* nobody is allowed without one */
	exchange->state = EXCHANGE_CONNECTING;
	/* The pool tells the configured URL by its address: that one may lead anywhere. */
	findings->target = gateway_fixed_target(gateway);
	if (findings->target == NULL)
		findings->target = &findings->evidence.job->url;
	exchange->allowed = jg_token_edition(findings->evidence.token);
	jg_directory_watch(findings->token_entry, &exchange->token_watch);
	jg_directory_watch(findings->job_entry, &exchange->job_watch);
	if (options->limits.body_bytes > 0 && request->content == CONTENT_LENGTH &&
	    request->length > options->limits.body_bytes) {
		exchange_client_failed(exchange, CLIENT_TOO_LARGE);
		return;
	}
	if (rewrite_hops_left(request) == 0) {
		exchange_give_up(exchange, OUTCOME_REFUSED, 200, SLICE("Options of the gateway"),
		    SLICE("Max-Forwards lets the request go no further."));
		return;
	}
	if (!exchange_prepare(exchange, request, findings)) {
		exchange_give_up(exchange, OUTCOME_BAD_REQUEST, 431, SLICE("Head too large"),
		    SLICE("The fields of the request do not fit once the gateway has added its "
			  "own."));
		return;
	}
	exchange->backend = pool_enter(gateway->pool, findings->target);
	if (exchange->backend == NULL) {
		exchange_refuse(exchange, VERDICT_UNAVAILABLE);
		return;
	}
	loop_defer(gateway->loop, &exchange->connect);
}

enum verdict
exchange_decide(struct exchange *exchange, const struct findings *findings)
{
	const struct evidence *evidence = &findings->evidence;
	enum verdict verdict = jg_decide(evidence);

	exchange->verdict = verdict;
	exchange->decided = true;
	exchange->decision_us = exchange_timed(exchange, TIMED_DECISION);
	if (evidence->token != NULL && verdict != VERDICT_INVALID_TOKEN) {
		memcpy(exchange->token_id, evidence->token->id.at, TOKEN_ID_LEN);
		exchange->known = true;
	}
	if (verdict == VERDICT_INVALID_TOKEN && findings->memo != NULL)
		jg_bearer_forget(findings->memo);
	PROBE_DECISION(exchange->request_id, exchange->request_id_len, verdict,
	    exchange->decision_us, exchange->route.job, exchange->route.job_len,
	    exchange->token_id);
	return verdict;
}

/* Put the request that is asked about in the question's place. False when that was refused. */
static bool
exchange_ask(struct exchange *exchange, struct request *request)
{
	if (!exchange->peer->trusted && !exchange->peer->local) {
		exchange_reject(exchange, request, 403, SLICE("Not a trusted proxy"),
		    SLICE("Decisions are for trusted proxies alone."));
		return false;
	}
	switch (ask_read(request)) {
	case ASK_OK:
		return true;
	case ASK_NOT_FOUND:
		exchange_reject(exchange, request, 404, SLICE("Not found"),
		    SLICE("This address has nothing but /authorize."));
		return false;
	case ASK_UNCLEAR:
		break;
	}
	exchange_reject(exchange, request, 400, SLICE("Unclear question"),
	    SLICE("The request that is asked about must be described in exactly one way."));
	return false;
}

/* Could the proxy that asks find another job in the path? Then the question has been refused. */
static bool
exchange_ask_path(struct exchange *exchange, const struct request *request)
{
	if (exchange->route.prefix_len == 0 || ask_path_is_plain(request->path))
		return true;
	exchange_reject(exchange, request, 400, SLICE("Unclear path"),
	    SLICE(
		"Where the path names the job, it must have no escaped slash, backslash or dot."));
	return false;
}

void
exchange_authorize(struct exchange *exchange, struct request *request)
{
	struct findings findings = {0};
	struct evidence *evidence = &findings.evidence;
	enum verdict verdict;

	if (exchange->peer->asks && !exchange_ask(exchange, request))
		return;
	exchange_describe(exchange, request);
	if (exchange->peer->purpose == FOR_METRICS) {
		exchange_observe(exchange, request);
		return;
	}
	find_route(exchange, request);
	if (exchange->peer->asks && !exchange_ask_path(exchange, request))
		return;
	evidence->names_control = exchange->control = exchange->route.names_control;
	exchange->html = exchange->html && !exchange->control;
	evidence->names_job = exchange->route.names_job;
	if (exchange_may_sign_in(exchange) && exchange_path_is_own(request)) {
		exchange_own_path(exchange, request);
		return;
	}
	exchange_present_fields(exchange, &request->fields, &findings);
	if ((evidence->credential == CREDENTIAL_NONE ||
		evidence->credential == CREDENTIAL_OTHER_SCHEME) &&
	    exchange_may_sign_in(exchange))
		exchange_recall_session(exchange, request, &findings);
	if (exchange->by_session && !exchange_session_may(exchange, request)) {
		exchange_reject(exchange, request, 403, SLICE("Foreign origin"),
		    SLICE("With a browser's session, this has to come from a page of the job's own "
			  "host."));
		return;
	}
	if (!exchange_look_up(exchange, &findings)) {
		if (exchange->timer.due_ms == 0)
			timer_start(exchange->gateway->loop, &exchange->timer,
			    exchange->gateway->options.timeouts.lookup);
		return;
	}
	timer_stop(&exchange->timer);
	verdict = exchange_decide(exchange, &findings);
	if (verdict != VERDICT_ALLOW) {
		if (exchange_offer_sign_in(exchange, request, verdict))
			return;
		exchange_refuse(exchange, verdict);
		return;
	}
	counter_add(&exchange->gateway->stats->verdicts[VERDICT_ALLOW], 1);
	if (exchange->peer->asks)
		exchange_grant(exchange, route_job(&exchange->route), evidence->token);
	else if (exchange->control)
		exchange_call_control(exchange, request, evidence->token);
	else
		exchange_allow(exchange, request, &findings);
}

bool
exchange_needs_request(const struct exchange *exchange)
{
	return exchange->state == EXCHANGE_AUTHORIZING;
}

/* The record that was waited for has come, or cannot be had. */
void
exchange_answered(struct directory_waiter *waiter)
{
	struct exchange *exchange = OWNER(waiter, waiter);

	loop_read_ms(exchange->gateway->loop);
	if (exchange->state == EXCHANGE_SIGNING_IN)
		exchange_form_complete(exchange);
	else
		exchange_authorize(exchange, exchange->client->ops->request(exchange->client));
}

/* ---- again ---- */

/* How long ago the store told of the change that ends the exchange; the later one ends it. */
static void
exchange_time_revocation(
    const struct exchange *exchange, uint64_t token_changed_ms, uint64_t job_changed_ms)
{
	uint64_t changed_ms = token_changed_ms > job_changed_ms ? token_changed_ms : job_changed_ms;
	uint64_t now_ms = loop_now_ms(exchange->gateway->loop);

	if (changed_ms > 0)
		histogram_add(&exchange->gateway->stats->timed[TIMED_REVOCATION],
		    now_ms > changed_ms ? (now_ms - changed_ms) * 1000 : 0);
}

/* A record changed under a running exchange: judge it again. */
static void
exchange_judge_again(struct exchange *exchange)
{
	struct gateway *gateway = exchange->gateway;
	uint64_t now_ms = loop_now_ms(gateway->loop);
	struct directory_answer token =
	    jg_directory_watched(gateway->directory, &exchange->token_watch, now_ms);
	struct directory_answer job =
	    jg_directory_watched(gateway->directory, &exchange->job_watch, now_ms);
	struct job room;
	const struct job *judged = NULL;
	enum verdict verdict;

	if (job.known == RECORD_KNOWN)
		judged = jg_effective_job(&job.record->job, gateway_fixed_target(gateway), &room);
	verdict =
	    jg_decide_again(token.known, token.known == RECORD_KNOWN ? &token.record->token : NULL,
		&exchange->allowed, job.known, judged);
	if (verdict == VERDICT_ALLOW)
		return;
	exchange_time_revocation(exchange, token.changed_ms, job.changed_ms);
	PROBE_REVOCATION(exchange->request_id, exchange->request_id_len, verdict,
	    exchange->route.job, exchange->route.job_len, exchange->token_id);
	exchange_refuse(exchange, verdict);
}

void
exchange_token_changed(struct directory_watch *watch)
{
	exchange_judge_again(OWNER(token_watch, watch));
}

void
exchange_job_changed(struct directory_watch *watch)
{
	exchange_judge_again(OWNER(job_watch, watch));
}
