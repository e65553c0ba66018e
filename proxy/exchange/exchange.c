/* exchange.c - one request on its way: its beginning, its end, and what ends it early. */
#include "exchange/exchange_forward.h"
#include "exchange/exchange_local.h"
#include "exchange/exchange_state.h"
#include "exchange/exchange_verdict.h"
#include "jobgate/check.h"
#include "jobgate/container_of.h"
#include "observe/probes.h"

static void exchange_expired(struct timer *timer);
static void exchange_free(struct task *task);

size_t
exchange_size(void)
{
	return sizeof(struct exchange);
}

struct exchange *
exchange_new(struct exchange_context *context, struct exchange_client *client,
    const struct exchange_peer *peer)
{
	struct exchange *exchange = slab_take(&context->exchanges);

	if (exchange == NULL)
		return NULL;
	exchange->context = context;
	exchange->client = client;
	exchange->peer = peer;
	exchange->upstream_user.ops = &exchange_upstream_ops;
	exchange->timer.expired = exchange_expired;
	exchange->waiter.answered = exchange_record_came;
	exchange->token_watch.changed = exchange_token_changed;
	exchange->job_watch.changed = exchange_job_changed;
	exchange->sign_in_watch.changed = exchange_sign_in_changed;
	exchange->label_watch.changed = exchange_label_changed;
	exchange->connect.run = exchange_connect;
	exchange->free_task.run = exchange_free;
	exchange->serial = ++context->serials;
	LIST_INSERT_HEAD(&context->running, &exchange->running, link);
	exchange->started_us = loop_wall_us(context->loop);
	exchange->started_monotonic_us = exchange->phase_us = loop_now_us(context->loop);
	request_id_make(&context->ids, exchange->request_id);
	exchange->request_id_len = REQUEST_ID_LEN;
	exchange->control = peer->purpose != FOR_JOBS;
	if (peer->purpose != FOR_METRICS)
		counter_add(&context->stats->requests, 1);
	return exchange;
}

static void
exchange_free(struct task *task)
{
	struct exchange *exchange = container_of(task, struct exchange, free_task);

	CHECK(exchange->state == EXCHANGE_ENDED && exchange->upstream == NULL &&
		  exchange->suspended == NULL && exchange->kept == NULL &&
		  exchange->kept_content.bytes == NULL && exchange->permit.place == 0,
	    exchange_dump, exchange);
	slab_give(&exchange->context->exchanges, exchange, SLAB_KEEP);
}

/* ---- the end ---- */

uint64_t
exchange_age_us(const struct exchange *exchange)
{
	return loop_now_us(exchange->context->loop) - exchange->started_monotonic_us;
}

uint32_t
exchange_timed(struct exchange *exchange, enum timed timed)
{
	uint64_t now_us = loop_now_us(exchange->context->loop), us = now_us - exchange->phase_us;

	exchange->phase_us = now_us;
	if (exchange->peer->purpose != FOR_METRICS)
		histogram_add(&exchange->context->stats->timed[timed], us);
	if (us == 0)
		return 1;
	return us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

static void
exchange_write_log(const struct exchange *exchange, enum outcome outcome)
{
	struct exchange_context *context = exchange->context;
	char address[ADDRESS_TEXT_MAX], replica[POOL_NAME_MAX];
	const struct access_entry entry = {
	    .texts =
		{
		    [ACCESS_REQUEST_ID] = exchange_id(exchange),
		    [ACCESS_TRACE_ID] = {exchange->trace.id, exchange->traced ? TRACE_ID_LEN : 0},
		    [ACCESS_PARENT_ID] = {exchange->trace.parent,
			exchange->traced ? TRACE_PARENT_LEN : 0},
		    [ACCESS_CLIENT] = peer_text(exchange->peer, address),
		    [ACCESS_METHOD] = {exchange->method, exchange->method_len},
		    [ACCESS_HOST] = {exchange->host, exchange->host_len},
		    [ACCESS_PATH] = {exchange->path, exchange->path_len},
		    [ACCESS_TOKEN_ID] = {exchange->token_id,
			exchange->authenticated ? TOKEN_ID_LEN : 0},
		    [ACCESS_CLAIMED_TOKEN_ID] = {exchange->token_id,
			exchange->claims_token ? TOKEN_ID_LEN : 0},
		    [ACCESS_SELECTOR] = exchange_unmatched(exchange),
		    [ACCESS_JOB] = route_job(&exchange->route),
		    [ACCESS_REPLICA] = exchange_replica(exchange, replica),
		},
	    .started_us = exchange->started_us,
	    .duration_us = exchange_age_us(exchange),
	    .decision_us = exchange->decision_us,
	    .connect_us = exchange->connect_us,
	    .first_byte_us = exchange->first_byte_us,
	    .version = exchange->version,
	    .status = exchange->status,
	    .grpc_status = exchange->grpc.status,
	    .has_grpc_status = exchange->grpc.has_status,
	    .decided = exchange->decided,
	    .verdict = exchange->verdict,
	    .outcome = outcome,
	    .bytes_in = exchange->bytes_in,
	    .bytes_out = exchange->bytes_out,
	};

	access_log_write(context->access_log, &entry);
}

_Static_assert(GRPC_NO_STATUS == GRPC_STATUS_COUNT, "a counter for each status");

/* It was allowed: strangers must not choose which jobs are counted. */
static void
exchange_count_job(const struct exchange *exchange)
{
	struct exchange_context *context = exchange->context;
	const struct job_use use = {
	    .job = route_job(&exchange->route),
	    .status = exchange->status,
	    .tunnel = exchange->state == EXCHANGE_TUNNEL,
	    .us = exchange_age_us(exchange),
	    .bytes_in = exchange->bytes_in,
	    .bytes_out = exchange->bytes_out,
	    .minute = (uint32_t)(loop_wall_us(context->loop) / 60000000),
	};

	if (exchange->route.names_job)
		job_stats_add(context->options.job_slots, context->stats->jobs,
		    context->options.jobs_max, &use);
}

/*
 * Only for a trace that its sender records: the id of another one would lead to nothing. Strangers
 * must not choose what operators see.
 */
__attribute__((noinline)) static void
exchange_note_exemplar(const struct exchange *exchange)
{
	uint64_t us = exchange_age_us(exchange);

	if (!exchange->peer->trusted && !(exchange->authenticated && exchange_is_allowed(exchange)))
		return;
	exemplar_note(&exchange->context->stats->exemplars[histogram_bucket(us)],
	    exchange->trace.id, us, (uint64_t)loop_wall_us(exchange->context->loop));
}

_Static_assert(TRACE_ID_LEN == EXEMPLAR_TRACE_LEN, "an exemplar has the id of a trace");

static void
exchange_count(const struct exchange *exchange, enum outcome outcome)
{
	struct worker_stats *stats = exchange->context->stats;

	if (exchange->peer->purpose == FOR_METRICS)
		return; /* reading the metrics must not change them */
	counter_add(&stats->outcomes[outcome], 1);
	counter_add(&stats->responses[exchange->version][status_class(exchange->status)], 1);
	if (exchange->context->options.jobs_max > 0 &&
	    (exchange->token_watch.entry != NULL || exchange->is_public))
		exchange_count_job(exchange);
	if (is_grpc_call(&exchange->grpc))
		counter_add(&stats->grpc_calls[exchange->grpc.has_status ? exchange->grpc.status
									 : GRPC_NO_STATUS],
		    1);
	counter_add(&stats->bytes_in, exchange->bytes_in);
	counter_add(&stats->bytes_out, exchange->bytes_out);
	if (exchange->state == EXCHANGE_TUNNEL) {
		counter_add(&stats->tunnels, (uint64_t)-1);
		return;
	}
	histogram_add(&stats->timed[TIMED_TOTAL], exchange_age_us(exchange));
	if (exchange->traced && exchange->trace.sampled)
		exchange_note_exemplar(exchange);
}

void
exchange_end(struct exchange *exchange, enum outcome outcome, enum exchange_end end)
{
	struct exchange_context *context = exchange->context;
	struct upstream *upstream = exchange->upstream;
	bool reusable = end == END_COMPLETE && exchange->state == EXCHANGE_RELAYING &&
			exchange->content_ended && exchange->answer_ended &&
			!kept_content_waits(&exchange->kept_content);

	exchange_count(exchange, outcome);
	if (context->watch != NULL)
		running_ended(exchange, outcome);
	PROBE_EXCHANGE_END(exchange->request_id, exchange->request_id_len, outcome,
	    exchange->status, exchange->bytes_in, exchange->bytes_out);
	if (exchange->content != NULL)
		exchange_local_wipe(exchange);
	exchange_set_state(exchange, EXCHANGE_ENDED);
	LIST_REMOVE(&exchange->running, link);
	exchange_leave_place(exchange);
	exchange_hold_ended(exchange);
	exchange->held = false;
	jg_directory_forget(&exchange->waiter);
	exchange_unwatch(exchange);
	jg_limits_give(context->options.limit_table, &exchange->permit);
	timer_remove(&exchange->timer);
	loop_cancel(context->loop, &exchange->connect);
	exchange->upstream = NULL;
	if (upstream != NULL && reusable)
		upstream->ops->release(upstream);
	else if (upstream != NULL)
		upstream->ops->cancel(upstream);
	if (exchange->backend != NULL)
		pool_leave(exchange->backend);
	buffer_give(context->buffers, exchange->content);
	kept_request_free(context->buffers, exchange->kept);
	kept_content_lose(&exchange->kept_content, &context->kept_contents);
	suspended_free(context->buffers, exchange->suspended);
	exchange->suspended = NULL;
	exchange->content = NULL;
	exchange->kept = NULL;
	if (access_log_on(context->access_log) && exchange->peer->purpose != FOR_METRICS)
		exchange_write_log(exchange, outcome);
	exchange->client->ops->ended(exchange->client, end);
	loop_defer(context->loop, &exchange->free_task);
}

/* ---- what ends it before its time ---- */

void
exchange_start_deadline(struct exchange *exchange, uint64_t ms)
{
	struct loop *loop = exchange->context->loop;
	uint64_t now_ms = loop_now_ms(loop), ends_ms = exchange->ends_ms;
	uint64_t due_ms = exchange->timer.due_ms;

	if (ends_ms != 0 && ends_ms < now_ms + ms) {
		/*
		 * The timer already runs until `ends_ms`. A restart whenever something moves would
		 * delay the end by a tick each time. (A timer that is due, but not for this end, is
		 * of the state before, and would end the exchange too early.)
		 */
		if (due_ms == ends_ms || (due_ms > 0 && due_ms <= now_ms && ends_ms <= now_ms))
			return;
		ms = ends_ms > now_ms ? ends_ms - now_ms : 0;
	}
	timer_start(loop, &exchange->timer, ms);
}

/*
 * How long the exchange may go on while nothing moves. A stream of gRPC may be silent, as a tunnel
 * may; a client that does not read what waits for it is not silent but slow.
 */
static uint64_t
silence_ms(const struct exchange *exchange)
{
	const struct timeouts *timeouts = &exchange->context->options.timeouts;

	if (exchange->state == EXCHANGE_TUNNEL ||
	    (is_grpc_call(&exchange->grpc) && !exchange->client_full))
		return timeouts->tunnel;
	return exchange->state == EXCHANGE_AWAITING ? timeouts->first_byte : timeouts->answer;
}

void
exchange_restart_deadline(struct exchange *exchange)
{
	exchange_start_deadline(exchange, silence_ms(exchange));
}

/* A new request would have to sign in now, so what this one opened ends. */
static void
exchange_session_expired(struct exchange *exchange)
{
	if (!exchange->answer_begun)
		exchange_refuse(exchange, VERDICT_NO_CREDENTIAL);
	else
		exchange_cut(exchange, OUTCOME_SESSION_EXPIRED, END_REVOKED,
		    &(struct cut_reason){WEBSOCKET_POLICY_VIOLATION, GRPC_UNAUTHENTICATED,
			SLICE("the sign-in has expired")});
}

void
exchange_time_over(struct exchange *exchange)
{
	if (exchange_by_session(exchange) &&
	    loop_now_ms(exchange->context->loop) >= exchange->session_ends_ms)
		exchange_session_expired(exchange);
	else
		exchange_fail(exchange, OUTCOME_DEADLINE, 504, SLICE("Deadline exceeded"),
		    SLICE("The call's own deadline (grpc-timeout) has passed."));
}

/*
 * True when the client has no room, but has read some since it became full or since its last
 * deadline.
 */
static bool
exchange_client_reads(struct exchange *exchange)
{
	uint64_t before = exchange->progress;

	if (!exchange->client_full)
		return false;
	exchange->progress = exchange->client->ops->progress(exchange->client);
	return exchange->progress != before;
}

static void
exchange_expired(struct timer *timer)
{
	struct exchange *exchange = container_of(timer, struct exchange, timer);

	if (exchange_judge_if_changed(exchange))
		return;
	if (exchange->ends_ms != 0 && loop_now_ms(exchange->context->loop) >= exchange->ends_ms) {
		exchange_time_over(exchange);
		return;
	}
	if (exchange->asks && exchange->state != EXCHANGE_CONNECTING) {
		exchange_asked(exchange, 0);
		return;
	}
	switch (exchange->state) {
	case EXCHANGE_LOCAL:
		if (!exchange->content_ended) {
			exchange_client_failed(exchange, CLIENT_BODY_TIMEOUT);
			break;
		}
		/* fallthrough */
	case EXCHANGE_AUTHORIZING:
		exchange_refuse(exchange, exchange->held ? VERDICT_NO_URL : VERDICT_UNAVAILABLE);
		break;
	case EXCHANGE_AWAITING:
		exchange_fail(exchange, OUTCOME_ANSWER_TIMEOUT, 504, SLICE("Gateway timeout"),
		    SLICE("The job did not answer in time."));
		break;
	case EXCHANGE_RELAYING:
		if (exchange_client_reads(exchange)) {
			exchange_restart_deadline(exchange);
			break;
		}
		if (exchange->client_full) /* content waits: the client does not read it */
			exchange_end(exchange, OUTCOME_ANSWER_IDLE, END_ABANDONED);
		else
			exchange_cut(exchange, OUTCOME_ANSWER_IDLE, END_CUT,
			    &(struct cut_reason){.grpc = GRPC_UNAVAILABLE,
				.text = SLICE("The job has sent nothing for too long.")});
		break;
	case EXCHANGE_TUNNEL: /* the client may still be reading what was sent before */
		if (exchange_client_reads(exchange)) {
			exchange_restart_deadline(exchange);
			break;
		}
		exchange_end(
		    exchange, OUTCOME_TUNNEL_IDLE, exchange->client_full ? END_ABANDONED : END_CUT);
		break;
	case EXCHANGE_CONNECTING: /* the dial has its own deadline, which may be later */
		if (exchange->ends_ms != 0)
			exchange_start_deadline(
			    exchange, exchange->context->options.timeouts.connect);
		break;
	case EXCHANGE_ENDED:
		break;
	}
}

void
exchange_client_failed(struct exchange *exchange, enum client_failure failure)
{
	switch (failure) {
	case CLIENT_CLOSED:
		exchange_end(exchange, OUTCOME_CLIENT_CLOSED, END_ABANDONED);
		break;
	case CLIENT_BAD_CONTENT:
		exchange_fail(exchange, OUTCOME_BAD_REQUEST, 400, SLICE("Bad request"),
		    SLICE("The framing of the request's content is broken."));
		break;
	case CLIENT_TOO_LARGE:
		exchange_fail(exchange, OUTCOME_BAD_REQUEST, 413, SLICE("Content too large"),
		    SLICE("The request's content is larger than this gateway accepts."));
		break;
	case CLIENT_BODY_TIMEOUT:
		exchange_fail(exchange, OUTCOME_BODY_TIMEOUT, 408, SLICE("Request timeout"),
		    SLICE("The request's content stopped coming."));
		break;
	}
}

bool
exchange_is_allowed(const struct exchange *exchange)
{
	return exchange->decided && jg_verdict_allows(exchange->verdict);
}

bool
exchange_is_public(const struct exchange *exchange)
{
	return exchange->is_public;
}

bool
exchange_may_be_silent(const struct exchange *exchange)
{
	return exchange->grpc.takes_trailers && exchange->state != EXCHANGE_LOCAL;
}

bool
exchange_awaits_content(const struct exchange *exchange)
{
	return !exchange->content_ended &&
	       (exchange->state == EXCHANGE_LOCAL || exchange->peer->purpose != FOR_JOBS);
}

uint64_t
exchange_age_ms(const struct exchange *exchange)
{
	return exchange_age_us(exchange) / 1000;
}

/* True when no byte of the request has gone to a backend: then its client may send it again. */
static bool
is_unprocessed(const struct exchange *exchange)
{
	return (exchange->state == EXCHANGE_AUTHORIZING ||
		   exchange->state == EXCHANGE_CONNECTING) &&
	       exchange->repeated == 0;
}

void
exchange_shutdown(struct exchange *exchange)
{
	/* A gRPC client tries again after this reply, but not after a stream that was cut. */
	if (is_grpc_call(&exchange->grpc) && !exchange->answer_begun && !is_unprocessed(exchange)) {
		exchange_fail(exchange, OUTCOME_SHUTDOWN, 503, SLICE("Gateway stops"),
		    SLICE("The gateway is stopping; try again."));
		return;
	}
	exchange_cut(exchange, OUTCOME_SHUTDOWN,
	    is_unprocessed(exchange) ? END_UNPROCESSED : END_CUT,
	    &(struct cut_reason){
		WEBSOCKET_GOING_AWAY, GRPC_UNAVAILABLE, SLICE("the gateway stops")});
}
