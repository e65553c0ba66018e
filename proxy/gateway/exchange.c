/* exchange.c - one request on its way: authorize, connect, relay, done. */
#include "jobgate/exchange.h"

#include "gateway/answer.h"
#include "gateway/pool.h"
#include "gateway/refusal.h"
#include "gateway/route.h"
#include "gateway/state.h"

enum exchange_state {
	EXCHANGE_AUTHORIZING, /* waits for the store to tell of the token or the job */
	EXCHANGE_CONNECTING,  /* allowed; waits for a connection to the backend */
	EXCHANGE_AWAITING,    /* the request is being sent; waits for the head of its answer */
	EXCHANGE_RELAYING,    /* the answer's head has gone to the client; its content follows */
	EXCHANGE_TUNNEL,      /* both ends speak a protocol of their own */
	EXCHANGE_ENDED,	      /* waits for the end of the turn to be freed */
};

/* What the access log tells of a request is copied, cut at these lengths: a tunnel holds no buffer.
 */
#define LOG_METHOD_MAX 16
#define LOG_HOST_MAX 80
#define LOG_PATH_MAX 160
#define LOG_TRACE_MAX 55 /* a traceparent of version 00 */

struct exchange {
	struct gateway *gateway;
	struct exchange_client *client;
	const struct exchange_peer *peer;
	enum exchange_state state;

	struct directory_waiter waiter; /* AUTHORIZING: for the record that is missing */
	struct directory_watch token_watch, job_watch; /* from the verdict to the end */
	uint64_t token_version;
	struct timer timer;  /* of the state */
	struct task connect; /* CONNECTING: takes a connection at the end of the turn */
	struct task burial;

	struct backend *backend;
	struct upstream *upstream;
	struct buffer *head; /* the request's head as it is sent, until it cannot be needed again */
	struct upstream_request request;
	bool content_ended; /* all of the request's content has been taken */
	bool content_taken; /* some of it has: the request cannot be repeated */
	bool answer_begun;  /* the client has been sent the head of an answer */
	bool answer_ended;  /* in a tunnel: the backend ended its side */
	bool repeated;
	bool html; /* the client would rather see a page than JSON */

	/* For the log. */
	int64_t started_us;
	uint64_t started_monotonic_us;
	uint64_t bytes_in, bytes_out;
	unsigned status;
	enum verdict verdict;
	unsigned char request_id_len, method_len, host_len, path_len, job_len, trace_len;
	bool decided; /* verdict is one */
	bool known;   /* the token's id is set */
	char request_id[REQUEST_ID_MAX];
	char token_id[TOKEN_ID_LEN];
	char job[JOB_ID_MAX];
	char method[LOG_METHOD_MAX], host[LOG_HOST_MAX], path[LOG_PATH_MAX], trace[LOG_TRACE_MAX];
};

/* The struct that a member is part of. */
#define OWNER(member, at) ((struct exchange *)((char *)(at)-offsetof(struct exchange, member)))

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

static void exchange_expired(struct timer *timer);
static void exchange_answered(struct directory_waiter *waiter);
static void exchange_token_changed(struct directory_watch *watch);
static void exchange_job_changed(struct directory_watch *watch);
static void exchange_connect(struct task *task);
static void exchange_bury(struct task *task);

size_t
exchange_size(void)
{
	return sizeof(struct exchange);
}

struct exchange *
exchange_new(
    struct gateway *gateway, struct exchange_client *client, const struct exchange_peer *peer)
{
	struct exchange *exchange = slab_take(&gateway->exchanges);

	if (exchange == NULL)
		return NULL;
	exchange->gateway = gateway;
	exchange->client = client;
	exchange->peer = peer;
	exchange->timer.expired = exchange_expired;
	exchange->waiter.answered = exchange_answered;
	exchange->token_watch.changed = exchange_token_changed;
	exchange->job_watch.changed = exchange_job_changed;
	exchange->connect.run = exchange_connect;
	exchange->burial.run = exchange_bury;
	exchange->started_us = loop_wall_us(gateway->loop);
	exchange->started_monotonic_us = loop_now_us(gateway->loop);
	request_id_make(&gateway->ids, exchange->request_id);
	exchange->request_id_len = REQUEST_ID_LEN;
	counter_add(&gateway->stats->requests, 1);
	return exchange;
}

static void
exchange_bury(struct task *task)
{
	struct exchange *exchange = OWNER(burial, task);

	slab_give(&exchange->gateway->exchanges, exchange, SLAB_KEEP);
}

static struct slice
exchange_id(const struct exchange *exchange)
{
	return (struct slice){exchange->request_id, exchange->request_id_len};
}

/* ---- the end ---- */

static void
exchange_write_log(const struct exchange *exchange, enum outcome outcome)
{
	struct gateway *gateway = exchange->gateway;
	struct access_entry entry = {
	    .started_us = exchange->started_us,
	    .duration_us = loop_now_us(gateway->loop) - exchange->started_monotonic_us,
	    .request_id = exchange_id(exchange),
	    .trace_parent = {exchange->trace, exchange->trace_len},
	    .client = {exchange->peer->address, exchange->peer->len},
	    .method = {exchange->method, exchange->method_len},
	    .host = {exchange->host, exchange->host_len},
	    .path = {exchange->path, exchange->path_len},
	    .token_id = {exchange->token_id, exchange->known ? TOKEN_ID_LEN : 0},
	    .job = {exchange->job, exchange->job_len},
	    .status = exchange->status,
	    .decided = exchange->decided,
	    .verdict = exchange->verdict,
	    .outcome = outcome,
	    .bytes_in = exchange->bytes_in,
	    .bytes_out = exchange->bytes_out,
	};

	counter_add(&gateway->stats->outcomes[outcome], 1);
	counter_add(&gateway->stats->bytes_in, exchange->bytes_in);
	counter_add(&gateway->stats->bytes_out, exchange->bytes_out);
	access_log_write(gateway->access_log, &entry);
}

/* The one place where an exchange ends. */
static void
exchange_end(struct exchange *exchange, enum outcome outcome, bool cut)
{
	struct gateway *gateway = exchange->gateway;
	struct upstream *upstream = exchange->upstream;
	bool reusable = !cut && exchange->state == EXCHANGE_RELAYING && exchange->content_ended;

	if (exchange->state == EXCHANGE_TUNNEL)
		counter_add(&gateway->stats->tunnels, (uint64_t)-1);
	exchange->state = EXCHANGE_ENDED;
	jg_directory_forget(&exchange->waiter);
	jg_directory_unwatch(&exchange->token_watch);
	jg_directory_unwatch(&exchange->job_watch);
	timer_remove(&exchange->timer);
	loop_cancel(gateway->loop, &exchange->connect);
	exchange->upstream = NULL;
	if (upstream != NULL)
		upstream_release(upstream, reusable);
	if (exchange->backend != NULL)
		pool_leave(exchange->backend);
	buffer_give(gateway->buffers, exchange->head);
	exchange->head = NULL;
	exchange_write_log(exchange, outcome);
	exchange->client->ops->ended(exchange->client, cut);
	loop_defer(gateway->loop, &exchange->burial);
}

/* ---- refusals ---- */

static void
exchange_send_refusal(
    struct exchange *exchange, const struct refusal *refusal, enum outcome outcome)
{
	const struct exchange_client_ops *ops = exchange->client->ops;

	exchange->status = refusal->response.status;
	exchange->answer_begun = true;
	ops->answer(exchange->client, &refusal->response);
	if (refusal->content.len > 0)
		exchange->bytes_out += ops->content(exchange->client, refusal->content);
	ops->content_end(exchange->client, NULL);
	exchange_end(exchange, outcome, false);
}

/* Give up with a status of our own, or, when an answer has begun already, by cutting it. */
static void
exchange_give_up(struct exchange *exchange, enum outcome outcome, unsigned status,
    struct slice title, struct slice detail)
{
	struct refusal refusal;

	if (exchange->answer_begun) {
		exchange_end(exchange, outcome, true);
		return;
	}
	refusal_make(&refusal, status, title, detail, exchange_id(exchange), exchange->html,
	    exchange->request.method_id == METHOD_HEAD);
	exchange_send_refusal(exchange, &refusal, outcome);
}

static void
exchange_refuse(struct exchange *exchange, enum verdict verdict)
{
	struct gateway *gateway = exchange->gateway;
	struct refusal refusal;

	exchange->verdict = verdict;
	exchange->decided = true;
	counter_add(&gateway->stats->verdicts[verdict], 1);
	if (exchange->answer_begun) {
		exchange_end(exchange, OUTCOME_REVOKED, true);
		return;
	}
	refusal_for_verdict(&refusal, verdict, slice_of(gateway->options.realm),
	    exchange_id(exchange), exchange->html, exchange->request.method_id == METHOD_HEAD);
	exchange_send_refusal(exchange, &refusal, OUTCOME_REFUSED);
}

/* ---- authorize ---- */

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
	KEEP(exchange, trace, field_value(&request->fields, FIELD_TRACEPARENT));
	exchange->html = refusal_wants_html(field_value(&request->fields, FIELD_ACCEPT));
	exchange->request.method_id = request->method_id;
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

/* What the Authorization fields hold. */
static enum credential
credential_of(const struct fields *fields, struct slice *value)
{
	const struct field *found = NULL;

	*value = (struct slice){0};
	for (size_t i = 0; i < fields->count; i++) {
		if (fields->items[i].id != FIELD_AUTHORIZATION)
			continue;
		if (found != NULL)
			return CREDENTIAL_MALFORMED;
		found = &fields->items[i];
	}
	return found == NULL ? CREDENTIAL_NONE : jg_credential_parse(found->value, value);
}

static void
find_route(const struct exchange *exchange, const struct request *request, struct route *out)
{
	const struct gateway_options *options = &exchange->gateway->options;
	const struct route_forms forms = {options->domain, options->prefix, options->fixed};

	route_find(&forms, request->authority, request->path, out);
}

/* The records a verdict rests on, and the entries to watch when it is to allow. */
struct findings {
	struct evidence evidence;
	struct route route;
	struct job fixed_job; /* the sidecar's job, with the backend that the configuration names */
	struct directory_entry *token_entry, *job_entry;
};

/* Look up what is missing. False when the store has to be waited for. */
static bool
exchange_look_up(struct exchange *exchange, struct findings *findings)
{
	struct gateway *gateway = exchange->gateway;
	struct evidence *evidence = &findings->evidence;
	uint64_t now_ms = loop_now_ms(gateway->loop);
	struct directory_answer answer;
	struct slice id;

	if (evidence->credential != CREDENTIAL_BEARER ||
	    !jg_token_value_parse(evidence->value, &id))
		return true;
	answer =
	    jg_directory_lookup(gateway->directory, RECORD_TOKEN, id, now_ms, &exchange->waiter);
	if (answer.pending) {
		/* Both reads at once: a token never seen before costs one round trip, not two. */
		if (evidence->names_job)
			jg_directory_lookup(
			    gateway->directory, RECORD_JOB, findings->route.job, now_ms, NULL);
		return false;
	}
	evidence->token_known = answer.known;
	if (answer.known != RECORD_KNOWN)
		return true;
	evidence->token = &answer.record->token;
	findings->token_entry = answer.entry;
	if (!evidence->names_job)
		return true;
	answer = jg_directory_lookup(
	    gateway->directory, RECORD_JOB, findings->route.job, now_ms, &exchange->waiter);
	if (answer.pending)
		return false;
	evidence->job_known = answer.known;
	if (answer.known != RECORD_KNOWN)
		return true;
	evidence->job = &answer.record->job;
	findings->job_entry = answer.entry;
	if (gateway->options.fixed_target != NULL) {
		findings->fixed_job = answer.record->job;
		findings->fixed_job.url = *gateway->options.fixed_target;
		evidence->job = &findings->fixed_job;
	}
	return true;
}

/* The protocol that the request may be upgraded to: one of ours, so that it outlives the request.
 */
static struct slice
upgrade_allowed(const struct gateway_options *options, const struct request *request)
{
	if (request->upgrade.len == 0 || (request->content != CONTENT_NONE && request->length > 0))
		return (struct slice){0};
	for (const char *const *at = options->upgrades; at != NULL && *at != NULL; at++)
		if (slice_equal_nocase(request->upgrade, slice_of(*at)))
			return slice_of(*at);
	return (struct slice){0};
}

/* Write the head for the backend, to be kept until it is sent. False when it does not fit. */
static bool
exchange_prepare(
    struct exchange *exchange, struct request *request, const struct findings *findings)
{
	struct gateway *gateway = exchange->gateway;
	struct rewritten *rewritten = &gateway->scratch.rewritten;
	const struct rewrite rewrite = {
	    .forward_token = gateway->options.forward_token,
	    .peer_trusted = exchange->peer->trusted,
	    .secure = exchange->peer->secure,
	    .peer = {exchange->peer->address, exchange->peer->len},
	    .peer_is_unix = exchange->peer->local,
	    .request_id = exchange_id(exchange),
	    .job = findings->route.job,
	    .prefix = findings->route.prefix,
	    .token = findings->evidence.token,
	};
	const struct job_url *target = &findings->evidence.job->url;
	size_t len;

	request->upgrade = upgrade_allowed(&gateway->options, request);
	exchange->request = (struct upstream_request){.method_id = request->method_id,
	    .content = request->content,
	    .upgrade = request->upgrade};
	exchange->content_ended = request->content == CONTENT_NONE ||
				  (request->content == CONTENT_LENGTH && request->length == 0);
	if (!rewrite_request(request, &rewrite, rewritten))
		return false;
	request->path = findings->route.path;
	len = upstream_write_head(gateway, request, &rewritten->extra, target);
	if (len == 0)
		return false;
	exchange->head = buffer_take(gateway->buffers, len);
	if (exchange->head == NULL)
		return false;
	buffer_append(exchange->head, (struct slice){gateway->scratch.wire, len});
	return true;
}

/* Allowed: from here on a change of either record is felt. */
static void
exchange_allow(struct exchange *exchange, struct request *request, const struct findings *findings)
{
	struct gateway *gateway = exchange->gateway;
	const struct gateway_options *options = &gateway->options;
	const struct job_url *target =
	    options->fixed_target != NULL ? options->fixed_target : &findings->evidence.job->url;

	exchange->state = EXCHANGE_CONNECTING;
	exchange->token_version = findings->evidence.token->version;
	jg_directory_watch(findings->token_entry, &exchange->token_watch);
	jg_directory_watch(findings->job_entry, &exchange->job_watch);
	if (options->body_bytes_max > 0 && request->content == CONTENT_LENGTH &&
	    request->length > options->body_bytes_max) {
		exchange_client_failed(exchange, CLIENT_TOO_LARGE);
		return;
	}
	if (!exchange_prepare(exchange, request, findings)) {
		exchange_give_up(exchange, OUTCOME_BAD_REQUEST, 431, SLICE("Head too large"),
		    SLICE("The fields of the request do not fit once the gateway has added its "
			  "own."));
		return;
	}
	exchange->backend = pool_enter(gateway->pool, target);
	if (exchange->backend == NULL) {
		exchange_refuse(exchange, VERDICT_UNAVAILABLE);
		return;
	}
	loop_defer(gateway->loop, &exchange->connect);
}

void
exchange_authorize(struct exchange *exchange, struct request *request)
{
	struct findings findings = {0};
	struct evidence *evidence = &findings.evidence;
	enum verdict verdict;

	exchange_describe(exchange, request);
	find_route(exchange, request, &findings.route);
	evidence->names_job = findings.route.names_job;
	if (evidence->names_job)
		KEEP(exchange, job, findings.route.job);
	evidence->credential = credential_of(&request->fields, &evidence->value);
	if (!exchange_look_up(exchange, &findings)) {
		if (exchange->timer.due_ms == 0)
			timer_start(exchange->gateway->loop, &exchange->timer,
			    exchange->gateway->options.timeouts.lookup);
		return;
	}
	timer_stop(&exchange->timer);
	verdict = jg_decide(evidence);
	exchange->decided = true;
	if (evidence->token != NULL && verdict != VERDICT_INVALID_TOKEN) {
		memcpy(exchange->token_id, evidence->token->id.at, TOKEN_ID_LEN);
		exchange->known = true;
	}
	if (verdict != VERDICT_ALLOW) {
		exchange_refuse(exchange, verdict);
		return;
	}
	counter_add(&exchange->gateway->stats->verdicts[VERDICT_ALLOW], 1);
	exchange_allow(exchange, request, &findings);
}

/* The record that was waited for has come, or cannot be had. */
static void
exchange_answered(struct directory_waiter *waiter)
{
	struct exchange *exchange = OWNER(waiter, waiter);

	exchange_authorize(exchange, exchange->client->ops->request(exchange->client));
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
	struct job fixed_job;
	const struct job *judged = NULL;
	enum verdict verdict;

	if (job.known == RECORD_KNOWN) {
		judged = &job.record->job;
		if (gateway->options.fixed_target != NULL) {
			fixed_job = *judged;
			fixed_job.url = *gateway->options.fixed_target;
			judged = &fixed_job;
		}
	}
	verdict =
	    jg_decide_again(token.known, token.known == RECORD_KNOWN ? &token.record->token : NULL,
		exchange->token_version, job.known, judged);
	if (verdict != VERDICT_ALLOW)
		exchange_refuse(exchange, verdict);
}

static void
exchange_token_changed(struct directory_watch *watch)
{
	exchange_judge_again(OWNER(token_watch, watch));
}

static void
exchange_job_changed(struct directory_watch *watch)
{
	exchange_judge_again(OWNER(job_watch, watch));
}

/* ---- connect ---- */

/* Take a connection; `fresh`: not one that may have gone stale. */
static void
exchange_acquire(struct exchange *exchange, bool fresh)
{
	struct upstream *upstream = pool_acquire(exchange->backend, exchange, fresh);

	if (upstream == NULL) {
		exchange_refuse(exchange, VERDICT_UNAVAILABLE);
		return;
	}
	exchange->upstream = upstream;
	if (upstream->state == UPSTREAM_WAITING)
		exchange_connected(exchange, upstream);
}

/*
 * Runs at the end of the turn: by then every idle connection that closed, or that
 * was sent something nobody asked for, in this turn has left the pool.
 */
static void
exchange_connect(struct task *task)
{
	exchange_acquire(OWNER(connect, task), false);
}

void
exchange_connected(struct exchange *exchange, struct upstream *upstream)
{
	struct gateway *gateway = exchange->gateway;

	exchange->state = EXCHANGE_AWAITING;
	timer_start(gateway->loop, &exchange->timer, gateway->options.timeouts.first_byte);
	upstream_begin(upstream, buffer_bytes(exchange->head), &exchange->request);
	if (!upstream->reused) {
		buffer_give(gateway->buffers, exchange->head);
		exchange->head = NULL;
	}
	if (!exchange->content_ended)
		exchange->client->ops->resume(exchange->client);
	if (exchange->upstream != NULL)
		upstream_flush(exchange->upstream);
}

void
exchange_upstream_failed(struct exchange *exchange, enum upstream_failure failure, bool repeatable)
{
	struct slice title = SLICE("Bad gateway");

	exchange->upstream = NULL;
	if (repeatable && !exchange->repeated && !exchange->content_taken &&
	    exchange->head != NULL) {
		exchange->repeated = true;
		exchange->state = EXCHANGE_CONNECTING;
		timer_stop(&exchange->timer);
		counter_add(&exchange->gateway->stats->backend_retries, 1);
		exchange_acquire(exchange, true);
		return;
	}
	switch (failure) {
	case UPSTREAM_NO_ADDRESS:
		exchange_give_up(exchange, OUTCOME_NOT_RESOLVED, 502, title,
		    SLICE("The job's host name has no address."));
		return;
	case UPSTREAM_NOT_ALLOWED:
		exchange_give_up(exchange, OUTCOME_NOT_ALLOWED, 502, title,
		    SLICE("The job's URL leads to an address that is not allowed."));
		return;
	case UPSTREAM_CONNECT_FAILED:
		exchange_give_up(exchange, OUTCOME_CONNECT_FAILED, 502, title,
		    SLICE("The job does not accept connections."));
		return;
	case UPSTREAM_CONNECT_TIMEOUT:
		exchange_give_up(exchange, OUTCOME_CONNECT_TIMEOUT, 504, SLICE("Gateway timeout"),
		    SLICE("The job could not be connected to in time."));
		return;
	case UPSTREAM_BROKEN:
		exchange_give_up(exchange, OUTCOME_BACKEND_CLOSED, 502, title,
		    SLICE("The job closed the connection before it had answered."));
		return;
	case UPSTREAM_BAD_ANSWER:
		exchange_give_up(exchange, OUTCOME_BAD_ANSWER, 502, title,
		    SLICE("The job's answer is not valid HTTP."));
		return;
	}
}

/* ---- relay ---- */

/* Something moved: the state's deadline starts anew. */
static void
exchange_moved(struct exchange *exchange)
{
	const struct gateway_options *options = &exchange->gateway->options;
	uint64_t ms = options->timeouts.answer;

	if (exchange->state == EXCHANGE_AWAITING)
		ms = options->timeouts.first_byte;
	else if (exchange->state == EXCHANGE_TUNNEL)
		ms = options->timeouts.tunnel;
	timer_start(exchange->gateway->loop, &exchange->timer, ms);
}

bool
exchange_takes_content(const struct exchange *exchange)
{
	switch (exchange->state) {
	case EXCHANGE_AWAITING:
	case EXCHANGE_RELAYING:
		/* What follows a request for an upgrade is not HTTP, if it comes to that. */
		return exchange->request.upgrade.len == 0;
	case EXCHANGE_TUNNEL:
		return !exchange->content_ended;
	case EXCHANGE_AUTHORIZING:
	case EXCHANGE_CONNECTING:
	case EXCHANGE_ENDED:
		break;
	}
	return false;
}

bool
exchange_needs_request(const struct exchange *exchange)
{
	return exchange->state == EXCHANGE_AUTHORIZING;
}

bool
exchange_is_tunnel(const struct exchange *exchange)
{
	return exchange->state == EXCHANGE_TUNNEL;
}

size_t
exchange_content(struct exchange *exchange, struct slice data)
{
	uint64_t max = exchange->gateway->options.body_bytes_max;
	size_t taken;

	if (!exchange_takes_content(exchange))
		return 0;
	if (max > 0 && exchange->state != EXCHANGE_TUNNEL && exchange->bytes_in + data.len > max) {
		exchange_client_failed(exchange, CLIENT_TOO_LARGE);
		return 0;
	}
	taken = upstream_content(exchange->upstream, data);
	if (taken > 0) {
		exchange->content_taken = true;
		exchange->bytes_in += taken;
		exchange_moved(exchange);
	}
	return taken;
}

/* A tunnel is over once both ends have ended and the backend has been sent all it is owed. */
static void
exchange_end_tunnel(struct exchange *exchange)
{
	if (exchange->content_ended && exchange->answer_ended &&
	    !sender_pending(&exchange->upstream->sender))
		exchange_end(exchange, OUTCOME_TUNNEL_CLOSED, false);
}

void
exchange_content_end(struct exchange *exchange, const struct fields *trailers)
{
	exchange->content_ended = true;
	upstream_content_end(exchange->upstream, trailers);
	if (exchange->state != EXCHANGE_TUNNEL) {
		exchange->content_taken = true;
		return;
	}
	upstream_flush(exchange->upstream);
	exchange_end_tunnel(exchange);
}

void
exchange_content_flush(struct exchange *exchange)
{
	if (exchange->upstream != NULL && exchange_takes_content(exchange))
		upstream_flush(exchange->upstream);
}

void
exchange_upstream_ready(struct exchange *exchange)
{
	if (!exchange->content_ended && exchange_takes_content(exchange))
		exchange->client->ops->resume(exchange->client);
	else if (exchange->state == EXCHANGE_TUNNEL)
		exchange_end_tunnel(exchange);
}

void
exchange_client_ready(struct exchange *exchange)
{
	if (exchange->state == EXCHANGE_RELAYING || exchange->state == EXCHANGE_TUNNEL)
		upstream_pump(exchange->upstream);
}

void
exchange_interim(struct exchange *exchange, const struct response *response)
{
	exchange->client->ops->interim(exchange->client, response);
}

/* Fields that a proxy adds to an answer: Via always, Date where the backend has none (RFC 9110
 * section 6.6.1). */
static void
add_answer_fields(struct gateway *gateway, struct fields *fields)
{
	bool dated = false;

	for (size_t i = 0; i < fields->count; i++)
		dated = dated || fields->items[i].id == FIELD_DATE;
	if (!dated && fields->count < HEAD_FIELDS_MAX)
		fields->items[fields->count++] =
		    (struct field){.name = SLICE("Date"), .value = gateway_date(gateway)};
	if (fields->count < HEAD_FIELDS_MAX)
		fields->items[fields->count++] =
		    (struct field){.name = SLICE("Via"), .value = SLICE("1.1 jobgate")};
}

void
exchange_answer(struct exchange *exchange, struct response *response)
{
	struct gateway *gateway = exchange->gateway;

	buffer_give(gateway->buffers, exchange->head);
	exchange->head = NULL;
	exchange->status = response->status;
	exchange->answer_begun = true;
	if (response->status == 101) {
		exchange->state = EXCHANGE_TUNNEL;
		exchange->content_ended = false;
		counter_add(&gateway->stats->tunnels, 1);
	} else {
		exchange->state = EXCHANGE_RELAYING;
		add_answer_fields(gateway, &response->fields);
	}
	exchange_moved(exchange);
	exchange->client->ops->answer(exchange->client, response);
	if (exchange->state == EXCHANGE_TUNNEL)
		exchange->client->ops->resume(exchange->client);
}

size_t
exchange_answer_content(struct exchange *exchange, struct slice data)
{
	size_t taken = exchange->client->ops->content(exchange->client, data);

	if (taken > 0 && exchange->state != EXCHANGE_ENDED) {
		exchange->bytes_out += taken;
		exchange_moved(exchange);
	}
	return taken;
}

void
exchange_answer_end(struct exchange *exchange, const struct fields *trailers)
{
	exchange->client->ops->content_end(exchange->client, trailers);
	if (exchange->state == EXCHANGE_ENDED)
		return;
	if (exchange->state == EXCHANGE_TUNNEL) {
		exchange->answer_ended = true;
		exchange_end_tunnel(exchange);
		return;
	}
	exchange_end(exchange, OUTCOME_ANSWERED, false);
}

void
exchange_answer_flush(struct exchange *exchange)
{
	exchange->client->ops->flush(exchange->client);
}

/* ---- other ends ---- */

static void
exchange_expired(struct timer *timer)
{
	struct exchange *exchange = OWNER(timer, timer);

	switch (exchange->state) {
	case EXCHANGE_AUTHORIZING:
		exchange_refuse(exchange, VERDICT_UNAVAILABLE);
		break;
	case EXCHANGE_AWAITING:
		exchange_give_up(exchange, OUTCOME_ANSWER_TIMEOUT, 504, SLICE("Gateway timeout"),
		    SLICE("The job did not answer in time."));
		break;
	case EXCHANGE_RELAYING:
		exchange_end(exchange, OUTCOME_ANSWER_IDLE, true);
		break;
	case EXCHANGE_TUNNEL:
		exchange_end(exchange, OUTCOME_TUNNEL_IDLE, true);
		break;
	case EXCHANGE_CONNECTING: /* the connection has its own deadline */
	case EXCHANGE_ENDED:
		break;
	}
}

void
exchange_client_failed(struct exchange *exchange, enum client_failure failure)
{
	switch (failure) {
	case CLIENT_CLOSED:
		exchange_end(exchange, OUTCOME_CLIENT_CLOSED, true);
		break;
	case CLIENT_BAD_CONTENT:
		exchange_give_up(exchange, OUTCOME_BAD_REQUEST, 400, SLICE("Bad request"),
		    SLICE("The framing of the request's content is broken."));
		break;
	case CLIENT_TOO_LARGE:
		exchange_give_up(exchange, OUTCOME_BAD_REQUEST, 413, SLICE("Content too large"),
		    SLICE("The request's content is larger than this gateway lets through."));
		break;
	case CLIENT_BODY_TIMEOUT:
		exchange_give_up(exchange, OUTCOME_BODY_TIMEOUT, 408, SLICE("Request timeout"),
		    SLICE("The request's content stopped coming."));
		break;
	}
}

void
exchange_shutdown(struct exchange *exchange)
{
	exchange_end(exchange, OUTCOME_SHUTDOWN, true);
}
