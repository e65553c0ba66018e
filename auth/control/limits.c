/* limits.c - what an operator's token is limited to also limits the tokens that it makes. */
#include "auth/control/limits.h"

#include "auth/moment.h"

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
	    "its grace ends: create and renew tokens with its present value");
	return false;
}

/* True when the token is within the limits of the caller's; else answers 403. */
static bool
is_within(struct call *call, const struct token *caller, const struct token *token)
{
	char moment[MOMENT_TEXT_MAX];

	if (outlives(caller, token)) {
		moment_format(caller->expires_ms, moment);
		call_refuse(call, 403, "expires_at",
		    "your own token expires at %s: a token that it creates or renews must not "
		    "expire later",
		    moment);
		return false;
	}
	if (is_wider(caller, token)) {
		call_refuse(call, 403, "from",
		    "your own token is limited to some addresses: a token that it creates or "
		    "renews must be limited to the same, or to some of them");
		return false;
	}
	return true;
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
