/* lookup.c - looks up the records of a verdict, and decides. */
#include "exchange/exchange_state.h"
#include "exchange/exchange_verdict.h"
#include "jobgate/clock.h"
#include "observe/probes.h"

/* The evidence, before the store has said anything. */
static struct evidence
evidence_of(const struct exchange *exchange, const struct claim *claim)
{
	struct evidence evidence = {
	    .credential = claim->credential,
	    .bearer = claim->digest != NULL ? &claim->digest->bearer : NULL,
	    .version = claim->version,
	    .by_sign_in = claim->by_sign_in,
	    .names_control = exchange->route.names_control,
	    .names_job = exchange->route.names_job,
	    .address = exchange_address(exchange),
	};

	memcpy(evidence.mark, claim->mark, sizeof(evidence.mark));
	return evidence;
}

/* All reads at once: what was never seen before costs one round trip less. */
static void
read_job_ahead(struct exchange *exchange, uint64_t now_ms)
{
	if (!exchange->route.names_job || exchange_fixed_job(exchange->context) != NULL)
		return;
	jg_directory_lookup(
	    exchange->context->directory, RECORD_JOB, route_job(&exchange->route), now_ms, NULL);
	if (exchange->route.port != 0)
		exchange_read_port_early(exchange, now_ms);
}

/* The record of a sign-in names the token. False when the request has to wait for it. */
static __attribute__((noinline, cold)) bool
look_up_sign_in(
    struct exchange *exchange, const struct claim *claim, uint64_t now_ms, struct lookup *lookup)
{
	struct bearer *bearer = &exchange->context->sign_in_bearer;
	struct evidence *evidence = &lookup->evidence;
	struct directory_answer answer;
	const struct sign_in *sign_in;
	char id[SIGN_IN_TEXT_LEN + 1];

	jg_sign_in_id_format(claim->own.bearer.hash, id);
	answer = jg_directory_lookup(
	    exchange->context->directory, RECORD_SIGN_IN, slice_of(id), now_ms, &exchange->waiter);
	if (answer.pending) {
		read_job_ahead(exchange, now_ms);
		return false;
	}
	evidence->sign_in_known = answer.known;
	evidence->bearer = bearer;
	bearer->formed = answer.known == RECORD_KNOWN;
	if (answer.known != RECORD_KNOWN)
		return true;
	lookup->sign_in_entry = answer.entry;
	sign_in = jg_directory_sign_in(answer.entry);
	memcpy(bearer->id, sign_in->token_id, TOKEN_ID_LEN);
	evidence->version = sign_in->version;
	memcpy(evidence->mark, sign_in->mark, TOKEN_MARK_LEN);
	return true;
}

/* As look_up_sign_in. */
static bool
look_up_token(struct exchange *exchange, uint64_t now_ms, struct lookup *lookup)
{
	struct directory *directory = exchange->context->directory;
	struct evidence *evidence = &lookup->evidence;
	struct slice id = {evidence->bearer->id, TOKEN_ID_LEN};
	struct directory_answer answer =
	    jg_directory_lookup(directory, RECORD_TOKEN, id, now_ms, &exchange->waiter);

	if (answer.pending) {
		read_job_ahead(exchange, now_ms);
		return false;
	}
	evidence->token_known = answer.known;
	if (answer.known != RECORD_KNOWN)
		return true;
	lookup->token_entry = answer.entry;
	evidence->card = answer.card;
	if (answer.card.hash == NULL || evidence->credential != CREDENTIAL_BEARER) {
		evidence->token = jg_directory_token(answer.entry, &lookup->room->token);
		if (jg_token_is_timed(evidence->token))
			evidence->wall_ms = clock_ms(CLOCK_REALTIME);
	}
	return true;
}

/* As look_up_token. It is inline in the path of requests with a token. */
static inline __attribute__((always_inline)) bool
look_up_job(struct exchange *exchange, uint64_t now_ms, struct lookup *lookup)
{
	struct exchange_context *context = exchange->context;
	const struct job *fixed = exchange_fixed_job(context);
	struct directory_answer answer;

	if (fixed != NULL) {
		lookup->evidence.job_known = RECORD_KNOWN;
		lookup->evidence.job = fixed;
		return true;
	}
	if (exchange->route.port != 0)
		return exchange_look_up_port(exchange, now_ms, lookup);
	answer = jg_directory_lookup(
	    context->directory, RECORD_JOB, route_job(&exchange->route), now_ms, &exchange->waiter);
	if (answer.pending)
		return false;
	lookup->evidence.job_known = answer.known;
	if (answer.known == RECORD_KNOWN) {
		lookup->evidence.labels = answer.labels;
		lookup->evidence.job = jg_effective_job(jg_directory_job(answer.entry),
		    exchange_fixed_target(context), &lookup->room->job);
		lookup->job_entry = answer.entry;
	}
	return true;
}

/* True when a job can let the request in although it has no credential of ours. */
static bool
may_be_public(const struct exchange *exchange, const struct evidence *evidence)
{
	return (evidence->credential == CREDENTIAL_NONE ||
		   evidence->credential == CREDENTIAL_FOREIGN) &&
	       evidence->names_job && !evidence->names_control && !exchange->route.names_sign_in &&
	       exchange->state == EXCHANGE_AUTHORIZING &&
	       exchange_fixed_job(exchange->context) == NULL;
}

/*
 * Without a credential of ours, only a job that the store lists as public is looked up, so that
 * strangers neither cause other reads nor choose what is cached. As look_up_job.
 */
static __attribute__((noinline, cold)) bool
look_up_listed(struct exchange *exchange, uint64_t now_ms, struct lookup *lookup)
{
	struct evidence *evidence = &lookup->evidence;

	if (!may_be_public(exchange, evidence))
		return true;
	if (exchange->route.port != 0)
		return exchange_look_up_listed_port(exchange, now_ms, lookup);
	evidence->is_listed_public =
	    jg_directory_lists_public(exchange->context->directory, route_job(&exchange->route));
	return !evidence->is_listed_public || look_up_job(exchange, now_ms, lookup);
}

bool
exchange_look_up(struct exchange *exchange, const struct claim *claim, struct lookup *lookup)
{
	struct exchange_context *context = exchange->context;
	struct evidence *evidence = &lookup->evidence;
	/*
	 * The worker may have been stopped since the turn began, or while the request was read:
	 * neither a refusal nor an answer to forward auth may rest on what was known before that.
	 * (Before a head leaves for the backend, the clock is read once more.)
	 */
	uint64_t now_ms = loop_read_ms(context->loop);

	*evidence = evidence_of(exchange, claim);
	if (claim->by_sign_in && !look_up_sign_in(exchange, claim, now_ms, lookup))
		return false;
	if ((evidence->credential != CREDENTIAL_BEARER &&
		evidence->credential != CREDENTIAL_SESSION) ||
	    evidence->bearer == NULL)
		return look_up_listed(exchange, now_ms, lookup);
	if (evidence->bearer->formed && !look_up_token(exchange, now_ms, lookup))
		return false;
	lookup->proved = jg_evidence_proves(evidence);
	if (lookup->proved && evidence->token == NULL)
		evidence->token = jg_directory_token(lookup->token_entry, &lookup->room->token);
	/*
	 * With a wrong secret the job is not looked up: the time it takes would reveal that the
	 * token exists.
	 */
	return !lookup->proved || !evidence->names_job || look_up_job(exchange, now_ms, lookup);
}

/* ---- what the log tells of a refusal ---- */

void
exchange_note_selector(struct exchange *exchange, const struct token *token)
{
	struct unmatched *unmatched = &exchange->context->unmatched;

	unmatched->exchange = exchange;
	unmatched->len =
	    jg_selector_format(&token->selector, unmatched->text, sizeof(unmatched->text));
}

struct slice
exchange_unmatched(const struct exchange *exchange)
{
	const struct unmatched *unmatched = &exchange->context->unmatched;

	if (exchange->verdict != VERDICT_OUT_OF_SCOPE || !exchange->decided ||
	    unmatched->exchange != exchange)
		return (struct slice){0};
	return (struct slice){unmatched->text, unmatched->len};
}

static void
note_token(struct exchange *exchange, enum verdict verdict, const struct token *token)
{
	memcpy(exchange->token_id, token->id.at, TOKEN_ID_LEN);
	exchange->authenticated = true;
	if (verdict == VERDICT_OUT_OF_SCOPE)
		exchange_note_selector(exchange, token);
}

/* The value is not valid, but may name a token, such as one that was deleted. */
static void
note_claimed_token(struct exchange *exchange, const struct bearer *bearer)
{
	if (bearer == NULL || !bearer->formed || exchange->authenticated)
		return;
	memcpy(exchange->token_id, bearer->id, TOKEN_ID_LEN);
	exchange->claims_token = true;
}

/* ---- the verdict ---- */

/* The token does not reach the job, which is public: the request passes as if it had none. */
static __attribute__((noinline, cold)) enum verdict
decide_without_token(struct lookup *lookup)
{
	lookup->evidence.token = NULL;
	lookup->token_entry = lookup->sign_in_entry = NULL;
	return jg_decide_public_again(lookup->evidence.job_known, lookup->evidence.job);
}

/*
 * What a request without a token may pass with, and must do without: what is told of it names no
 * token, even if it was held with one that does not count any more.
 */
static __attribute__((noinline, cold)) void
note_public(struct exchange *exchange)
{
	exchange->is_public = true;
	exchange->cors_origin = NULL;
	exchange->authenticated = exchange->claims_token = false;
	memset(exchange->token_id, 0, TOKEN_ID_LEN);
}

enum verdict
exchange_decide(struct exchange *exchange, const struct claim *claim, struct lookup *lookup)
{
	const struct evidence *evidence = &lookup->evidence;
	enum verdict verdict = jg_decide_proved(evidence, lookup->proved);

	exchange->is_public = false;
	if (verdict != VERDICT_ALLOW) {
		/* A sign-in is for a token that reaches the job. */
		if (jg_token_gives_way(evidence, verdict) &&
		    exchange->state == EXCHANGE_AUTHORIZING && !exchange->route.names_sign_in)
			verdict = decide_without_token(lookup);
		else if (exchange->route.port != 0)
			verdict = exchange_port_verdict(exchange, verdict);
		if (evidence->token == NULL &&
		    (verdict == VERDICT_PUBLIC || verdict == VERDICT_NO_URL))
			note_public(exchange);
	}
	exchange->verdict = verdict;
	exchange->decided = true;
	exchange->decision_us = exchange_timed(exchange, TIMED_DECISION);
	if (evidence->token != NULL && verdict != VERDICT_INVALID_TOKEN)
		note_token(exchange, verdict, evidence->token);
	if (verdict == VERDICT_INVALID_TOKEN && claim->credential == CREDENTIAL_BEARER)
		jg_bearer_forget(&exchange->context->digests, claim->digest);
	PROBE_DECISION(exchange->request_id, exchange->request_id_len, verdict,
	    exchange->decision_us, exchange->route.job, exchange->route.job_len,
	    exchange->token_id);
	if (verdict == VERDICT_INVALID_TOKEN)
		note_claimed_token(exchange, evidence->bearer);
	return verdict;
}
