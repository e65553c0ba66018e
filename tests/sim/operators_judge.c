/* operators_judge.c - the rules for what the control API answers. */
#include <stdlib.h>
#include <string.h>

#include "judge.h"
#include "operators.h"
#include "records_state.h"
#include "world.h"

/* After a fault the store is in reach again so much later. */
static uint64_t
back_ns(const struct scenario *scenario)
{
	const struct store_tuning *tuning = &scenario->tuning.store;

	return (tuning->backoff_last_ms + tuning->connect_ms + 2 * (uint64_t)tuning->election_ms +
		   tuning->election_deadline_ms + tuning->deadline_ms +
		   2 * scenario->wait.timeout_ms + 500) *
	       NS_PER_MS;
}

bool
operators_is_troubled(const struct world *world, const struct operator_call *call)
{
	uint64_t from_ns = call->begun_ns, back = back_ns(&world->scenario);

	return judge_is_troubled(world, TROUBLED_STORE, from_ns) ||
	       world->judge.trouble_ns[1] + back >= from_ns ||
	       world->control.troubled_ns + back >= from_ns ||
	       node_last_stop_ns(&world->control.node) + back >= from_ns;
}

/* ---- what the history of its record says of the time of the call ---- */

static bool
overlaps(const struct span *span, const struct operator_call *call)
{
	return span->from_ns <= call->ended_ns && span->to_ns >= call->begun_ns;
}

#define BROKEN (-2) /* in place of a label: an operator with a scope gets 404 for it */

static bool
was_absent(const struct world *world, const struct operator_call *call)
{
	const struct token_history *token =
	    &world->records.token[call->index % world->records.tokens];
	const struct job_history *job = &world->records.job[call->index % world->records.jobs];

	if (call->act == ACT_DELETE_MADE)
		return true; /* when it was gone is not known */
	if (operators_is_of_job(call->act)) {
		for (size_t i = 0; i < job->state_count; i++)
			if (overlaps(&job->states[i].span, call) &&
			    (!job->states[i].exists ||
				operators_may_miss(world, call, job->states[i].label)))
				return true;
		return false;
	}
	for (size_t i = 0; i < token->state_count; i++)
		if (overlaps(&token->states[i].span, call) &&
		    (!token->states[i].exists ||
			operators_may_miss(world, call,
			    token->states[i].broken ? BROKEN : token->states[i].label)))
			return true;
	return false;
}

/* The value that was to be revoked was good for nothing at some moment. */
static bool
was_of_no_use(const struct world *world, const struct operator_call *call)
{
	const struct token_history *token = &world->records.token[call->index];

	for (size_t i = 0; i < token->state_count; i++) {
		const struct token_state *state = &token->states[i];

		if (overlaps(&state->span, call) && (!state->exists || state->value != call->value))
			return true; /* a grace counts by the wall clock: it is left out here */
	}
	return false;
}

/* ---- the rules ---- */

void
operators_wrong(struct world *world, const struct operator_call *call, const char *what)
{
	judge_violation(world, "call %d (act %d of record %u): %s",
	    (int)(call - world->operators.calls), (int)call->act, call->index, what);
}

/* Those that replicas confirm, where this is required. */
static bool
is_revocation(const struct operator_call *call)
{
	return call->act != ACT_CREATE_TOKEN && call->act != ACT_CREATE_JOB &&
	       call->act != ACT_RENEW_JOB && !call->widens;
}

/* It succeeded although it has changed nothing now. */
static bool
may_be_done_already(const struct world *world, const struct operator_call *call)
{
	switch (call->act) {
	case ACT_REVOKE:
		return was_of_no_use(world, call) || operators_is_troubled(world, call);
	case ACT_DELETE_TOKEN:
	case ACT_DELETE_MADE:
	case ACT_DELETE_JOB:
	case ACT_CASCADE: /* it repeats one that was not confirmed */
		return world->scenario.wait.required > 0 &&
		       (was_absent(world, call) || operators_is_troubled(world, call));
	case ACT_RENEW_TOKEN:
	case ACT_LIMIT:
	case ACT_CREATE_TOKEN:
	case ACT_LIST_TOKENS:
	case ACT_LIST_JOBS:
	case ACT_CREATE_JOB:
	case ACT_PATCH_JOB:
	case ACT_RENEW_JOB:
	case ACTS:
		break;
	}
	return false;
}

static void
check_value(struct world *world, const struct operator_call *call, const char *content)
{
	const char *at = strstr(content, "\"value\":\"");
	char value[TOKEN_VALUE_LEN + 1] = "", hash[65];

	if (at != NULL && strlen(at + 9) > TOKEN_VALUE_LEN)
		memcpy(value, at + 9, TOKEN_VALUE_LEN);
	records_learn_value(&world->records, call->index, value);
	records_hash_text(value, hash);
	if (strcmp(hash, call->hash) != 0)
		operators_wrong(
		    world, call, "the value that was answered is not the one in the store");
}

static void
judge_done(struct world *world, struct operator_call *call, const char *content)
{
	bool is_list = call->act == ACT_LIST_TOKENS || call->act == ACT_LIST_JOBS;
	const char *deleted = strstr(content, "\"deleted_tokens\":");

	if (call->act == ACT_CASCADE &&
	    (deleted == NULL || strtoul(deleted + 17, NULL, 10) != call->done))
		operators_wrong(
		    world, call, "another number of tokens was deleted than was answered");
	if (call->act == ACT_RENEW_TOKEN)
		check_value(world, call, content);
	if (call->act == ACT_CREATE_TOKEN)
		operators_judge_created(world, call, content);
	if (call->act == ACT_CASCADE)
		operators_judge_cascade(world, call);
	if (call->done == 0 && !is_list && !may_be_done_already(world, call))
		operators_wrong(world, call, "it was answered as done, but has changed nothing");
	if (call->audits != (call->act == ACT_RENEW_JOB ? 0 : call->done))
		operators_wrong(world, call, "the audit log has more or fewer lines than changes");
	if (call->perhaps > 0)
		operators_wrong(
		    world, call, "the audit log says perhaps of what was answered as done");
	if (world->scenario.wait.required > 0 && is_revocation(call) && call->done > 0 &&
	    !records_confirm(&world->records, call->tokens_done, call->jobs_done, call->begun_ns))
		operators_wrong(world, call, "it was answered as confirmed, but no primary has it");
}

static void
judge_not_done(
    struct world *world, const struct operator_call *call, unsigned status, const char *content)
{
	/* The caller's token ended after the change. */
	if (strstr(content, "the change was made") != NULL) {
		if (!call->has_token || call->done == 0 || call->audits != call->done)
			operators_wrong(world, call, "it says that a change was made");
		return;
	}
	if (call->done > 0)
		operators_wrong(
		    world, call, "it was answered as not done, but has changed something");
	if (call->audits > 0)
		operators_wrong(world, call, "the audit log has a change that was not made");
	if (status == 401 || status == 403)
		operators_judge_refused(world, call, status);
	if (status == 404 && !was_absent(world, call) && !operators_is_troubled(world, call))
		operators_wrong(world, call, "404 for what was there all the time");
}

static enum operator_stage
judge_unavailable(struct world *world, struct operator_call *call, const char *content)
{
	if (strstr(content, "not confirmed") != NULL) {
		if (world->scenario.wait.required == 0)
			operators_wrong(world, call, "it needs no confirmation");
		return STAGE_KNOWN;
	}
	if (!operators_is_troubled(world, call))
		operators_wrong(world, call, "503 without a fault");
	if (strstr(content, "is not known") != NULL) {
		if (call->perhaps != 1 && call->act != ACT_RENEW_JOB)
			operators_wrong(
			    world, call, "the audit log does not say that it may have been done");
		return STAGE_OPEN;
	}
	if (strstr(content, "not finished") != NULL)
		return STAGE_OPEN;
	if (strstr(content, "nothing was changed") == NULL &&
	    strstr(content, "the change was made") == NULL)
		operators_wrong(world, call, "503 that does not say what was changed");
	judge_not_done(world, call, 503, content);
	return STAGE_KNOWN;
}

enum operator_stage
operators_judge(
    struct world *world, struct operator_call *call, unsigned status, const char *content)
{
	if (status < 300) {
		judge_done(world, call, content);
		return STAGE_KNOWN;
	}
	if (status == 503)
		return judge_unavailable(world, call, content);
	if (status < 500) {
		judge_not_done(world, call, status, content);
		return STAGE_KNOWN;
	}
	/* Without memory, or of a record that breaks the rules: it may have been done. */
	if (strstr(content, "breaks the rules") == NULL && !operators_is_troubled(world, call))
		operators_wrong(world, call, "500 without a fault");
	return STAGE_OPEN;
}
