/* operators_lists.c - walks through lists, page by page: each record that was there all the time is
 * met once, and none that was not, or that is out of the caller's scope. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "judge_history.h"
#include "operators.h"
#include "records_state.h"
#include "registrar.h"

/* ---- drawing ---- */

static void
draw_page(struct operators *operators, struct operator_walk *walk, struct operator_call *call,
    struct operator_request *out)
{
	static const unsigned limits[] = {1, 2, 3, 7, 100};

	int len;

	call->act = walk->of_jobs ? ACT_LIST_JOBS : ACT_LIST_TOKENS;
	out->method = "GET";
	snprintf(out->path, sizeof(out->path), walk->of_jobs ? "/v1/jobs" : "/v1/tokens");
	len = snprintf(walk->query, sizeof(walk->query), "limit=%u",
	    limits[random_below(&operators->list_random, 5)]);
	if (walk->cursor[0] != '\0')
		strcat(strcpy(walk->query + len, "&cursor="), walk->cursor);
	out->query = walk->query;
}

static bool
is_indexed(const struct world *world, unsigned job)
{
	struct redis_key *index = redis_keys_find(&world->records.redis->keys, "jobgate:jobs");

	return index != NULL && redis_field_find(index, world->records.job[job].id) != NULL;
}

bool
operators_draw_list(struct operators *operators, unsigned index, struct operator_call *call,
    struct operator_request *out)
{
	struct operator_walk *walk = &operators->walks[index];
	const struct world *world = operators->world;

	if (!world->scenario.lists || (!walk->runs && !random_chance(&operators->list_random, 150)))
		return false;
	if (!walk->runs) {
		*walk = (struct operator_walk){.runs = true,
		    .of_jobs = random_chance(&operators->list_random, 500),
		    .begun_ns = schedule_now_ns()};
		for (unsigned i = 0; i < world->records.jobs; i++)
			walk->jobs_indexed |= (uint32_t)is_indexed(world, i) << i;
		walk->made_before = operators->made_count;
		operators_draw_caller(operators, &walk->first, &walk->shown);
	}
	*call = walk->first;
	*out = walk->shown;
	draw_page(operators, walk, call, out);
	return true;
}

/* ---- the items of a page ---- */

static void
wrong(struct world *world, const struct operator_call *call, const char *id, const char *what)
{
	judge_violation(world, "list %d: %s %s", (int)(call - world->operators.calls), id, what);
}

static bool
overlaps(const struct span *span, uint64_t from_ns)
{
	return span->to_ns >= from_ns && span->from_ns <= schedule_now_ns();
}

/* It was there, and in the caller's scope, at some moment of the call. */
static void
judge_job(struct world *world, const struct operator_call *call, unsigned index)
{
	const struct job_history *job = &world->records.job[index];
	bool was_there = job->stray_count > 0, was_in_scope = was_there;

	for (size_t i = 0; i < job->state_count; i++) {
		if (!job->states[i].exists || !overlaps(&job->states[i].span, call->begun_ns))
			continue;
		was_there = true;
		was_in_scope =
		    was_in_scope || operators_may_reach(world, call, job->states[i].label);
	}
	if (!was_there)
		wrong(world, call, job->id, "was not there");
	else if (!was_in_scope)
		wrong(world, call, job->id, "is out of the scope of the caller");
}

static void
judge_made(struct world *world, const struct operator_call *call, const struct made_token *made)
{
	if (made->gone_ns != 0 && made->gone_ns < call->begun_ns &&
	    world->store.elected_ns < made->gone_ns)
		wrong(world, call, made->id, "was not there");
	if (!operators_may_reach(world, call, made->label))
		wrong(world, call, made->id, "is out of the scope of the caller");
}

static void
judge_item(struct world *world, struct operator_walk *walk, const struct operator_call *call,
    const char *id)
{
	struct operators *operators = &world->operators;

	for (unsigned i = 0; walk->of_jobs && i < world->records.jobs; i++) {
		if (strcmp(world->records.job[i].id, id) != 0)
			continue;
		walk->jobs_twice |= walk->jobs_seen & 1u << i;
		walk->jobs_seen |= 1u << i;
		if (!operators_may_go_by_old(world, call))
			judge_job(world, call, i);
		return;
	}
	for (size_t i = 0; !walk->of_jobs && i < operators->made_count; i++) {
		if (strcmp(operators->made[i].id, id) != 0)
			continue;
		if ((walk->made_seen & 1ull << i) != 0 && !operators_may_go_by_old(world, call))
			wrong(world, call, id, "comes twice");
		walk->made_seen |= 1ull << i;
		if (!operators_may_go_by_old(world, call))
			judge_made(world, call, &operators->made[i]);
		return;
	}
	if (walk->of_jobs && strcmp(id, REGISTRAR_JOB) == 0)
		return;
	/* Tokens of the run are not in the index: other programs have written them. */
	if (operators->made_count < OPERATORS_MADE_MAX || walk->of_jobs)
		wrong(world, call, id, "was never there");
}

/* ---- the end of a walk ---- */

/* It was there all the time, and so was its label in the caller's scope. */
static bool
job_stayed(
    const struct world *world, const struct operator_call *walk, const struct job_history *job)
{
	for (size_t i = 0; i < job->state_count; i++)
		if (overlaps(&job->states[i].span, walk->begun_ns) &&
		    (!job->states[i].exists ||
			operators_may_miss(world, walk, job->states[i].label)))
			return false;
	return job->stray_count == 0;
}

static bool
made_stayed(
    const struct world *world, const struct operator_call *walk, const struct made_token *made)
{
	const struct operator_call *creation = &world->operators.calls[made->call];
	char name[64];
	struct redis_key *key, *index;

	snprintf(name, sizeof(name), "jobgate:token:%s", made->id);
	key = redis_keys_find(&world->records.redis->keys, name);
	index = redis_keys_find(&world->records.redis->keys, "jobgate:tokens");
	return key != NULL && !records_key_has_ended(key) && index != NULL &&
	       redis_field_find(index, made->id) != NULL && creation->stage == STAGE_KNOWN &&
	       creation->ended_ns < walk->begun_ns && !operators_may_miss(world, walk, made->label);
}

static void
judge_walk(struct world *world, const struct operator_walk *walk, const struct operator_call *call)
{
	struct operators *operators = &world->operators;
	struct operator_call whole = *call;

	whole.begun_ns = walk->begun_ns;
	if (operators_is_troubled(world, &whole) || operators_may_go_by_old(world, &whole))
		return;
	for (unsigned i = 0; walk->of_jobs && i < world->records.jobs; i++) {
		if (!job_stayed(world, &whole, &world->records.job[i]) ||
		    (walk->jobs_indexed & 1u << i) == 0 || !is_indexed(world, i))
			continue;
		if ((walk->jobs_seen & 1u << i) == 0)
			wrong(world, call, world->records.job[i].id, "is missing");
		if ((walk->jobs_twice & 1u << i) != 0)
			wrong(world, call, world->records.job[i].id, "comes twice");
	}
	for (size_t i = 0; !walk->of_jobs && i < walk->made_before; i++)
		if (made_stayed(world, &whole, &operators->made[i]) &&
		    (walk->made_seen & 1ull << i) == 0)
			wrong(world, call, operators->made[i].id, "is missing");
}

void
operators_judge_page(struct world *world, const struct operator_call *call, unsigned index,
    unsigned status, const char *content)
{
	struct operator_walk *walk = &world->operators.walks[index];
	char id[OPERATORS_ID_MAX], cursor[sizeof(walk->cursor)];

	if (status != 200) {
		walk->runs = false;
		return;
	}
	if (call->has_token && !operators_may_go_by_old(world, call) &&
	    !judge_holds(world, &call->caller, call->begun_ns, call->ended_ns, NOT_FOUND, -1))
		operators_wrong(world, call, "a list for a token that was not valid");
	for (const char *at = content; (at = strstr(at, "\"id\":\"")) != NULL; at++) {
		operators_member(at, "id", id, sizeof(id));
		judge_item(world, walk, call, id);
	}
	operators_member(content, "next_cursor", cursor, sizeof(cursor));
	memcpy(walk->cursor, cursor, sizeof(cursor));
	if (cursor[0] != '\0' && ++walk->pages < 300)
		return;
	walk->runs = false;
	if (walk->pages < 300)
		judge_walk(world, walk, call);
	else
		operators_wrong(world, call, "a walk without an end");
}
