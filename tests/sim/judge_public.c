/* judge_public.c - requests that pass without a token, and what is told of those that have one. */
#include <stdio.h>
#include <string.h>

#include "judge.h"
#include "judge_history.h"
#include "world.h"

bool
judge_was_signed_in(const struct world *world, const struct exchange_plan *plan, uint64_t from_ns)
{
	return plan->sign_in == 0 || world->sign_ins.all[plan->sign_in - 1].ended_ns >= from_ns;
}

bool
judge_shows_no_token(const struct exchange_plan *plan)
{
	return plan->credential_kind == CREDENTIAL_NOTHING ||
	       plan->credential_kind == CREDENTIAL_OTHERS;
}

bool
judge_shows_bad_credential(const struct exchange_plan *plan)
{
	return plan->credential_kind == CREDENTIAL_OLD ||
	       plan->credential_kind == CREDENTIAL_WRONG ||
	       plan->credential_kind == CREDENTIAL_UNKNOWN ||
	       plan->credential_kind == CREDENTIAL_GARBLED;
}

bool
judge_is_told_rightly(
    struct world *world, uint32_t mark, const struct exchange_plan *plan, const struct told *told)
{
	const char *id = world->records.token[plan->token].id;

	if (told->token_id.len == 0) {
		if (told->token_name.len > 0 || told->role.len > 0)
			judge_violation(world, "exchange %u has a name or a role, but no id", mark);
		return true;
	}
	if (!slice_equal(told->token_id, slice_of(id)) ||
	    !slice_equal(told->token_name, SLICE("sim")) || !slice_equal(told->role, SLICE("read")))
		judge_violation(world, "exchange %u has the identity %.*s of another one", mark,
		    (int)told->token_id.len, told->token_id.at);
	return false;
}

void
judge_read(struct world *world, const char *key)
{
	char end[16];
	int len = snprintf(end, sizeof(end), "-%u", RECORDS_NO_PORT);
	bool is_port = strlen(key) > (size_t)len && strcmp(key + strlen(key) - len, end) == 0;

	if (is_port || strncmp(key, "jobgate:job:" RECORDS_UNREAD, 18) == 0)
		judge_violation(world, "%s was read for a request without a token", key);
}
