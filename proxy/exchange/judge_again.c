/* judge_again.c - watches the records of a verdict, and judges the exchange again when they change.
 */
#include <openssl/crypto.h>

#include "exchange/exchange_forward.h"
#include "exchange/exchange_local.h"
#include "exchange/exchange_state.h"
#include "exchange/exchange_verdict.h"
#include "jobgate/check.h"
#include "jobgate/container_of.h"
#include "observe/probes.h"

/* As jg_directory_watch, for records that few requests have. */
static __attribute__((noinline, cold)) void
watch_rare(struct directory_entry *entry, struct directory_watch *watch)
{
	jg_directory_watch(entry, watch);
}

void
exchange_watch(struct exchange *exchange, const struct lookup *lookup)
{
	if (__builtin_expect(!exchange->is_public, true)) {
		exchange->allowed = jg_proved_edition(&lookup->evidence);
		jg_directory_watch(lookup->token_entry, &exchange->token_watch);
	}
	if (lookup->job_entry != NULL) /* a sidecar's job may have no record */
		jg_directory_watch(lookup->job_entry, &exchange->job_watch);
	if (lookup->sign_in_entry != NULL)
		watch_rare(lookup->sign_in_entry, &exchange->sign_in_watch);
	if (lookup->label_entry != NULL)
		watch_rare(lookup->label_entry, &exchange->label_watch);
}

/*
 * Count how long ago the store told of the change that ends the exchange. If both records changed,
 * the later change counts.
 */
static void
exchange_time_revocation(
    const struct exchange *exchange, uint64_t token_changed_ms, uint64_t job_changed_ms)
{
	uint64_t changed_ms = token_changed_ms > job_changed_ms ? token_changed_ms : job_changed_ms;
	uint64_t now_ms = loop_now_ms(exchange->context->loop);

	if (changed_ms > 0)
		histogram_add(&exchange->context->stats->timed[TIMED_REVOCATION],
		    now_ms > changed_ms ? (now_ms - changed_ms) * 1000 : 0);
}

bool
exchange_is_unsent(const struct exchange *exchange)
{
	const struct upstream *upstream = exchange->upstream;

	return exchange->state == EXCHANGE_CONNECTING ||
	       (exchange->state == EXCHANGE_AWAITING && upstream != NULL &&
		   upstream->ops->unsent(upstream));
}

/*
 * Access continues, but the job may have another URL now, and another job may have its old address.
 * So a request that has not left yet must not go there any more.
 */
static void
exchange_follow_job(struct exchange *exchange, const struct job *job)
{
	if (exchange->backend == NULL || exchange->asks)
		return; /* it is not for the job's backend, or not yet */
	exchange->job_moved = exchange_left_by_job(exchange, job);
	/* Its URLs may have other indexes now. */
	if (exchange->tried != 0)
		exchange_stay_at_replica(exchange, job);
	if (exchange->job_moved && exchange_is_unsent(exchange) &&
	    !exchange_follow_urls(exchange, job))
		exchange_fail_retry_later(exchange, OUTCOME_CONNECT_FAILED, 503, SLICE("Job moved"),
		    SLICE("The job no longer has the URL for which this request was meant; try "
			  "again."),
		    1);
}

/* VERDICT_ALLOW when the sign-in that let the exchange in, if one did, still names its token. */
static enum verdict
judge_sign_in(const struct exchange *exchange, uint64_t now_ms, uint64_t *changed_ms)
{
	const struct token_edition *allowed = &exchange->allowed;
	struct directory_answer answer;
	const struct sign_in *sign_in;

	if (exchange->sign_in_watch.entry == NULL)
		return VERDICT_ALLOW;
	answer =
	    jg_directory_watched(exchange->context->directory, &exchange->sign_in_watch, now_ms);
	*changed_ms = answer.changed_ms;
	if (answer.known == RECORD_UNKNOWN)
		return VERDICT_UNAVAILABLE;
	if (answer.known != RECORD_KNOWN)
		return VERDICT_INVALID_TOKEN;
	sign_in = jg_directory_sign_in(answer.entry);
	if (memcmp(sign_in->token_id, exchange->token_id, TOKEN_ID_LEN) == 0 &&
	    sign_in->version == allowed->version &&
	    CRYPTO_memcmp(sign_in->mark, allowed->hash, TOKEN_MARK_LEN) == 0)
		return VERDICT_ALLOW;
	return VERDICT_INVALID_TOKEN;
}

/* True when no change of a record ends the exchange: its token expired, or a grace is over. */
static bool
ended_by_the_clock(const struct exchange *exchange, enum verdict verdict, const struct token *token)
{
	return verdict == VERDICT_EXPIRED || (verdict == VERDICT_INVALID_TOKEN && token != NULL &&
						 jg_edition_is_previous(&exchange->allowed, token));
}

/* A record changed under a running exchange, or its token's time is over: judge again. */
static void
exchange_judge_again(struct exchange *exchange)
{
	struct exchange_context *context = exchange->context;
	uint64_t now_ms = loop_now_ms(context->loop);
	struct directory_answer token =
	    jg_directory_watched(context->directory, &exchange->token_watch, now_ms);
	struct directory_answer job =
	    jg_directory_watched(context->directory, &exchange->job_watch, now_ms);
	struct token token_room;
	const struct token *record =
	    token.known == RECORD_KNOWN ? jg_directory_token(token.entry, &token_room) : NULL;
	struct job room;
	const struct job *judged = exchange_fixed_job(context);
	uint64_t signed_out_ms = 0;
	enum verdict sign_in = judge_sign_in(exchange, now_ms, &signed_out_ms), verdict;

	if (judged != NULL)
		job.known = RECORD_KNOWN;
	else if (job.known == RECORD_KNOWN)
		judged = jg_effective_job(
		    jg_directory_job(job.entry), exchange_fixed_target(context), &room);
	if (exchange->by_port)
		exchange_judge_port(exchange, now_ms, &job, &judged, &room);
	if (exchange->is_public)
		verdict = jg_decide_public_again(job.known, judged);
	else
		verdict = jg_decide_again(token.known, record, &exchange->allowed,
		    jg_directory_wall_ms(context->directory, now_ms), exchange_address(exchange),
		    job.known, judged);
	if (verdict == VERDICT_ALLOW || verdict == VERDICT_NO_URL)
		verdict = sign_in != VERDICT_ALLOW ? sign_in : verdict;
	/* A browser may sign in before the job is ready. */
	if (verdict == VERDICT_NO_URL && (exchange->state == EXCHANGE_LOCAL || exchange->asks))
		return;
	if (jg_verdict_allows(verdict)) {
		CHECK(judged != NULL, exchange_dump, exchange);
		if (!exchange->is_public)
			exchange_follow_limits(exchange, record);
		exchange_follow_job(exchange, judged);
		return;
	}
	if (!ended_by_the_clock(exchange, verdict, record))
		exchange_time_revocation(exchange,
		    token.changed_ms > signed_out_ms ? token.changed_ms : signed_out_ms,
		    job.changed_ms);
	PROBE_REVOCATION(exchange->request_id, exchange->request_id_len, verdict,
	    exchange->route.job, exchange->route.job_len, exchange->token_id);
	if (verdict == VERDICT_OUT_OF_SCOPE && record != NULL)
		exchange_note_selector(exchange, record);
	exchange_refuse(exchange, verdict);
}

bool
exchange_still_holds(struct exchange *exchange)
{
	loop_read_ms(exchange->context->loop);
	exchange_judge_again(exchange);
	return exchange->state != EXCHANGE_ENDED;
}

/* A held one runs the steps again at the end of the turn, when both records can be looked up. */
static void
judge_changed(struct exchange *exchange)
{
	if (exchange->held)
		loop_defer(exchange->context->loop, &exchange->connect);
	else
		exchange_judge_again(exchange);
}

bool
exchange_judge_if_changed(struct exchange *exchange)
{
	uint64_t changes = jg_directory_changes(exchange->context->directory);

	if (exchange->changes_seen == changes)
		return exchange->state == EXCHANGE_ENDED;
	if (jg_directory_untold(&exchange->token_watch) ||
	    jg_directory_untold(&exchange->job_watch) ||
	    jg_directory_untold(&exchange->sign_in_watch) ||
	    jg_directory_untold(&exchange->label_watch))
		judge_changed(exchange);
	exchange->changes_seen = changes;
	return exchange->state == EXCHANGE_ENDED;
}

/* Others may be told only in later turns. */
static void
exchange_record_changed(struct exchange *exchange)
{
	struct exchange_context *context = exchange->context;

	if (!context->telling) {
		context->telling = true;
		loop_defer(context->loop, &context->tell_task);
	}
	judge_changed(exchange);
}

void
exchange_token_changed(struct directory_watch *watch)
{
	exchange_record_changed(container_of(watch, struct exchange, token_watch));
}

void
exchange_sign_in_changed(struct directory_watch *watch)
{
	exchange_record_changed(container_of(watch, struct exchange, sign_in_watch));
}

void
exchange_label_changed(struct directory_watch *watch)
{
	exchange_record_changed(container_of(watch, struct exchange, label_watch));
}

void
exchange_job_changed(struct directory_watch *watch)
{
	exchange_record_changed(container_of(watch, struct exchange, job_watch));
}
