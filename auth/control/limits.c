/* limits.c - what an operator's token is limited to also limits the tokens that it makes. */
#include "auth/control/limits.h"

#include "auth/control/handlers.h"
#include "auth/moment.h"
#include "auth/token_limits.h"

static bool
outlives(const struct token *caller, const struct token *token)
{
	return caller->expires_ms != 0 &&
	       (token->expires_ms == 0 || token->expires_ms > caller->expires_ms);
}

static bool
is_wider(const struct token *caller, const struct token *token)
{
	return caller->from.count > 0 &&
	       (token->from.count == 0 || !jg_ip_ranges_within(&token->from, &caller->from));
}

/* The limits that apply to a token at this gateway. */
static struct token_limits
in_force(const struct call *call, const struct token *token)
{
	const struct control *control = call->ctx;

	return token_limits_in_force(&token->limits, &control->setup->token_limits);
}

/* True when a limit is above the caller's; 0: no limit. */
static bool
is_above(uint64_t caller, uint64_t number)
{
	return caller > 0 && (number == 0 || number > caller);
}

/*
 * The first limit of use that is above the caller's; NULL: none is. Compares the records, too: a
 * limit that is in force may be the configuration's, which can change.
 */
static const char *
limit_above(const struct call *call, const struct token *caller, const struct token *token)
{
	struct token_limits own = in_force(call, caller), its = in_force(call, token);
	const struct token_limits *from = &caller->limits, *to = &token->limits;

	if (is_above(own.rate, its.rate) || is_above(from->rate, to->rate))
		return "rate";
	if (is_above(own.burst, its.burst) || is_above(from->burst, to->burst))
		return "burst";
	if (is_above(own.concurrency, its.concurrency) ||
	    is_above(from->concurrency, to->concurrency))
		return "concurrency";
	return NULL;
}

/*
 * True when the caller has sent the present value of its token; else answers 403. What the value
 * before may do ends with its grace, and a value that it made would not.
 */
static bool
is_present(struct call *call, const struct token *caller)
{
	if (!jg_edition_is_previous(&call->edition, caller))
		return true;
	call_refuse(call, 403, NULL,
	    "you sent the value before the last renewal of your token, which is only valid until "
	    "its grace ends: create, renew and change tokens with its present value");
	return false;
}

/* True when the token is within the limits of the caller's; else answers 403. */
static bool
is_within(struct call *call, const struct token *caller, const struct token *token)
{
	const char *above = limit_above(call, caller, token);
	char moment[MOMENT_TEXT_MAX];

	if (outlives(caller, token)) {
		moment_format(caller->expires_ms, moment);
		call_refuse(call, 403, "expires_at",
		    "your own token expires at %s: a token that it creates, renews or changes must "
		    "not "
		    "expire later",
		    moment);
		return false;
	}
	if (is_wider(caller, token)) {
		call_refuse(call, 403, "from",
		    "your own token is limited to some addresses: a token that it creates, renews "
		    "or changes must be limited to the same, or to some of them");
		return false;
	}
	if (above != NULL) {
		call_refuse(call, 403, above,
		    "your own token is limited here, by its record or the configuration: a token "
		    "that "
		    "it creates, renews or changes must not have a higher limit, or none");
		return false;
	}
	return true;
}

/* The burst of a new token that has none of its own; 0: the configuration's. */
static uint64_t
passed_burst(const struct call *call, const struct token *caller, uint64_t rate)
{
	uint64_t burst = in_force(call, caller).burst;

	if (burst == 0) /* no rate is in force */
		burst = caller->limits.burst;
	if ((caller->limits.rate | caller->limits.burst) == 0)
		return 0;
	return rate > 0 && rate < burst ? rate : burst;
}

/* The same for rate, burst and concurrency. */
static void
pass_on_use(const struct call *call, const struct token *caller, struct token *token)
{
	if (token->limits.burst == 0)
		token->limits.burst = passed_burst(call, caller, token->limits.rate);
	if (token->limits.rate == 0)
		token->limits.rate = caller->limits.rate;
	if (token->limits.concurrency == 0)
		token->limits.concurrency = caller->limits.concurrency;
}

bool
limits_pass_on(struct call *call, struct token *token)
{
	const struct token *caller;

	if (call->token == NULL)
		return true;
	caller = &call->token->token;
	if (!is_present(call, caller))
		return false;
	if (token->expires_ms == 0)
		token->expires_ms = caller->expires_ms;
	if (token->from.count == 0)
		token->from = caller->from;
	pass_on_use(call, caller, token);
	return is_within(call, caller, token);
}

bool
limits_allow_renewal(struct call *call, const struct token *token)
{
	const struct token *caller;

	if (call->token == NULL)
		return true;
	caller = &call->token->token;
	return is_present(call, caller) && is_within(call, caller, token);
}
