/* token_limits.c - counts the requests of tokens that have limits, and refuses those over them. */
#include "exchange/exchange_local.h"
#include "exchange/exchange_state.h"
#include "exchange/exchange_verdict.h"
#include "http/write.h"

#define SECOND_NS UINT64_C(1000000000)
#define SECOND_US UINT64_C(1000000)

/* The most bytes of each field below. */
#define RATE_LIMIT_MAX 96

/* The limits that apply to the token at this gateway. False: none. */
static bool
allowance_of(
    const struct exchange *exchange, const struct token *token, struct allowance *allowance)
{
	const struct limits *limits = &exchange->context->options.limits;

	return jg_limits_any(&token->limits, &limits->token) &&
	       jg_allowance(&token->limits, &limits->token, limits->gateways, allowance);
}

/* ---- the refusal ---- */

/*
 * RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers-11 section 3): each policy with its quota
 * (q) and its window in seconds (w). A rate below one per second has the quota 1 and a longer
 * window. The unit of a quota (qu) is requests, unless another one of the draft's registry is
 * given: concurrent-requests.
 */
static void
write_policy(struct writer *writer, const struct allowance *allowance)
{
	uint64_t interval_ns = allowance->interval_ns;
	uint64_t quota = interval_ns < SECOND_NS && interval_ns > 0
			     ? (SECOND_NS + interval_ns / 2) / interval_ns
			     : 1;

	if (interval_ns > 0) {
		write_literal(writer, "\"rate\";q=");
		write_number(writer, quota);
		write_literal(writer, ";w=");
		write_number(writer, (interval_ns + SECOND_NS - 1) / SECOND_NS);
	}
	if (allowance->concurrency > 0) {
		if (interval_ns > 0)
			write_literal(writer, ", ");
		write_literal(writer, "\"concurrency\";q=");
		write_number(writer, allowance->concurrency);
		write_literal(writer, ";qu=\"concurrent-requests\"");
	}
}

/* RateLimit (the same draft): the policy that refuses, with nothing left (r), and for a rate the
 * seconds until something is (t). */
static void
write_left(struct writer *writer, enum verdict verdict, uint64_t wait_s)
{
	if (verdict == VERDICT_OVER_RATE) {
		write_literal(writer, "\"rate\";r=0;t=");
		write_number(writer, wait_s);
	} else {
		write_literal(writer, "\"concurrency\";r=0");
	}
}

static struct slice
written(const struct writer *writer, const char *begin)
{
	return (struct slice){begin, (size_t)(writer->at - begin)};
}

static void
refuse(struct exchange *exchange, enum verdict verdict, const struct allowance *allowance,
    uint64_t wait_us)
{
	char policy[RATE_LIMIT_MAX], left[RATE_LIMIT_MAX];
	struct writer policy_writer = writer_of(policy, sizeof(policy));
	struct writer left_writer = writer_of(left, sizeof(left));
	uint64_t wait_s = wait_us > SECOND_US ? (wait_us + SECOND_US - 1) / SECOND_US : 1;
	const struct reply_form form = exchange_form(exchange);
	struct local_reply reply;

	exchange->verdict = verdict;
	counter_add(&exchange->context->stats->verdicts[verdict], 1);
	local_reply_for_verdict(&reply, verdict, (struct slice){0}, SLICE(""), &form);
	local_reply_retry_after(&reply, (unsigned)wait_s);
	if (verdict != VERDICT_LIMITS_FULL) {
		write_policy(&policy_writer, allowance);
		write_left(&left_writer, verdict, wait_s);
		local_reply_add(&reply, SLICE("RateLimit-Policy"), written(&policy_writer, policy));
		local_reply_add(&reply, SLICE("RateLimit"), written(&left_writer, left));
		reply.call_status = GRPC_RESOURCE_EXHAUSTED;
	}
	exchange_send_reply(exchange, &reply, OUTCOME_REFUSED);
}

/* ---- counting ---- */

static enum verdict
verdict_of(enum limit_verdict counted)
{
	switch (counted) {
	case LIMIT_ALLOWED:
		return VERDICT_ALLOW;
	case LIMIT_RATE:
		return VERDICT_OVER_RATE;
	case LIMIT_CONCURRENCY:
		return VERDICT_OVER_CONCURRENCY;
	case LIMIT_NO_PLACE:
		break;
	}
	return VERDICT_LIMITS_FULL;
}

bool
exchange_within_limits(struct exchange *exchange, const struct token *token)
{
	const struct exchange_options *options = &exchange->context->options;
	struct allowance allowance;
	enum verdict verdict;
	uint64_t wait_us;

	if (!allowance_of(exchange, token, &allowance))
		return true;
	if (exchange->counted) {
		if (exchange->permit.place != 0)
			return true;
		allowance.interval_ns = 0;
	}
	/* The end of a request that another proxy forwards is not seen here. */
	if (exchange->peer->forward_auth)
		allowance.concurrency = 0;
	if (allowance.interval_ns == 0 && allowance.concurrency == 0)
		return true;
	verdict = verdict_of(jg_limits_take(options->limit_table, options->limit_owner, token->id,
	    &allowance, loop_now_us(exchange->context->loop), &exchange->permit, &wait_us));
	if (verdict == VERDICT_ALLOW)
		return true;
	refuse(exchange, verdict, &allowance, wait_us);
	return false;
}

void
exchange_follow_limits(struct exchange *exchange, const struct token *token)
{
	const struct exchange_options *options = &exchange->context->options;
	struct allowance allowance;

	/* Only what runs at a backend counts: the gateway's own answers are on their way out. */
	if (exchange->permit.place == 0 && exchange->backend != NULL &&
	    allowance_of(exchange, token, &allowance) && allowance.concurrency > 0 &&
	    allowance.concurrency != exchange->no_permit_for) {
		jg_limits_count_running(
		    options->limit_table, options->limit_owner, token->id, &exchange->permit);
		/* Thousands of exchanges must not search for a permit at each change. */
		if (exchange->permit.place == 0)
			exchange->no_permit_for = allowance.concurrency;
	}
}
