/* operators_caller.c - calls that come with the token of an operator, and what they may do. */
#include <stdio.h>
#include <string.h>

#include "judge_history.h"
#include "operators.h"
#include "records_state.h"

#define CLIENTS 0x0a010000u /* addresses that tokens may be limited to (records_from.c) */

/* ---- drawing ---- */

/* What a worker has seen of it: the version and the hash of the value that was shown to it. */
static void
vouch(const struct operator_call *call, const struct token_history *token,
    struct operator_request *out)
{
	struct vouched *vouched = &out->vouched;
	uint32_t address = call->caller.address;
	char hash[65];

	out->by_worker = true;
	snprintf(vouched->token, sizeof(vouched->token), "%s", token->id);
	snprintf(
	    vouched->version, sizeof(vouched->version), "%u", token->versions[call->caller.value]);
	records_hash_of(token, call->caller.value, hash);
	memcpy(vouched->mark, hash, CONTROL_MARK_TEXT);
	if (address != 0)
		snprintf(vouched->address, sizeof(vouched->address), "%u.%u.%u.%u", address >> 24,
		    address >> 16 & 255, address >> 8 & 255, address & 255);
}

void
operators_draw_caller(
    struct operators *operators, struct operator_call *call, struct operator_request *out)
{
	const struct records *records = &operators->world->records;
	struct random *random = &operators->random;
	const struct token_history *token;
	unsigned value;

	if (records->staff == 0 || random_chance(random, 300))
		return;
	call->has_token = true;
	call->caller = (struct exchange_plan){.job = -1,
	    .token = records->tokens - 1 - (unsigned)random_below(random, records->staff)};
	token = &records->token[call->caller.token];
	value = records_token_at(token, schedule_now_ns())->value;
	if (value >= token->value_count || random_chance(random, 100))
		value = (unsigned)random_below(random, token->value_count);
	call->caller.value = value;
	if (token->values[value][0] != '\0' && random_chance(random, 200)) {
		snprintf(out->authorization, sizeof(out->authorization), "Bearer %s",
		    token->values[value]);
		return;
	}
	if (random_chance(random, 900))
		call->caller.address = CLIENTS + (uint32_t)random_below(random, 16);
	vouch(call, token, out);
}

/* ---- rules ---- */

/*
 * Who asks which server is the primary learns of an election a while later, and later still when
 * the process was stopped. Until then it may read the token at the server that was it before.
 */
bool
operators_may_go_by_old(const struct world *world, const struct operator_call *call)
{
	const struct store_tuning *tuning = &world->scenario.tuning.store;
	uint64_t asked_ns = (tuning->election_ms + tuning->election_deadline_ms + 200) * NS_PER_MS;

	return world->store.elected_ns > 0 &&
	       (call->begun_ns <= world->store.elected_ns + asked_ns ||
		   node_last_stop_ns(&world->control.node) >= world->store.elected_ns);
}

/* When the token may have been read that the call goes by: not before it began. */
static uint64_t
read_from_ns(const struct world *world, const struct operator_call *call)
{
	uint64_t bound_ns = judge_before(schedule_now_ns(), judge_bound_ns(world));

	if (operators_is_troubled(world, call) || bound_ns < call->begun_ns)
		return call->begun_ns;
	return bound_ns;
}

/* The token of the caller may have had this label, or none, which reaches all. */
static bool
may_reach(const struct world *world, const struct operator_call *call, int label, uint64_t from_ns)
{
	const struct token_history *token = &world->records.token[call->caller.token];

	for (size_t i = 0; i < token->state_count; i++)
		if (token->states[i].span.to_ns >= from_ns &&
		    (token->states[i].label == NO_LABEL || token->states[i].label == label))
			return true;
	return token->stray_count > 0;
}

bool
operators_may_reach(const struct world *world, const struct operator_call *call, int label)
{
	return !call->has_token || may_reach(world, call, label, call->begun_ns);
}

bool
operators_may_miss(const struct world *world, const struct operator_call *call, int label)
{
	const struct token_history *token = &world->records.token[call->caller.token];

	for (size_t i = 0; call->has_token && i < token->state_count; i++)
		if (token->states[i].span.to_ns >= call->begun_ns &&
		    token->states[i].label != NO_LABEL && token->states[i].label != label)
			return true;
	return call->has_token && token->stray_count > 0;
}

void
operators_judge_caller(struct world *world, const struct operator_call *call,
    const struct redis *redis, const char *what, int label)
{
	uint64_t from_ns = read_from_ns(world, call);

	if (!call->has_token || operators_may_go_by_old(world, call))
		return;
	if (redis == world->records.redis &&
	    !judge_holds(world, &call->caller, from_ns, schedule_now_ns(), NOT_FOUND, -1))
		judge_violation(world,
		    "call %d changed a %s, but the token of its caller was not valid any more",
		    (int)(call - world->operators.calls), what);
	if (call->act != ACT_REVOKE && !may_reach(world, call, label, from_ns))
		judge_violation(world, "call %d changed a %s out of the scope of its caller",
		    (int)(call - world->operators.calls), what);
}

void
operators_judge_maker(struct world *world, const struct operator_call *call, struct redis *redis)
{
	const struct token_history *token = &world->records.token[call->caller.token];
	char name[64], hash[65];
	struct redis_key *key;

	if (!call->has_token)
		return;
	snprintf(name, sizeof(name), "jobgate:token:%s", token->id);
	key = redis_keys_find(&redis->keys, name);
	records_hash_of(token, call->caller.value, hash);
	if (key == NULL || records_key_has_ended(key) ||
	    (strcmp(records_field(key, "hash"), hash) != 0 &&
		strcmp(records_field(key, "previous_hash"), hash) != 0))
		operators_wrong(
		    world, call, "it changed a record under a token that the server has no more");
}

void
operators_judge_refused(struct world *world, const struct operator_call *call, unsigned status)
{
	const struct exchange_plan *plan = &call->caller;
	uint64_t from_ns = call->begun_ns, to_ns = call->ended_ns;

	if (!call->has_token) {
		operators_wrong(world, call, "401 or 403 for the local administrator");
		return;
	}
	if (status == 403 || operators_may_go_by_old(world, call) ||
	    operators_is_troubled(world, call))
		return;
	if (!judge_holds(world, plan, from_ns, to_ns, UNAUTHORIZED, -1) &&
	    !judge_holds(world, plan, from_ns, to_ns, EXPIRED, -1) &&
	    !judge_token_changed(&world->records.token[plan->token], from_ns))
		operators_wrong(world, call, "401 for a token that was valid all the time");
}
