/* operators.c - calls of the API, one after the other, and their answers. */
#include "operators.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace.h"
#include "world.h"

static struct operators *
operators_of(struct world *world)
{
	return &world->operators;
}

static struct operator_call *
add_call(struct operators *operators, const struct operator_call *call)
{
	if (operators->count == operators->room) {
		operators->room = operators->room == 0 ? 64 : 2 * operators->room;
		operators->calls =
		    realloc(operators->calls, operators->room * sizeof(*operators->calls));
		if (operators->calls == NULL)
			abort();
	}
	operators->calls[operators->count] = *call;
	return &operators->calls[operators->count++];
}

static void
own(struct operators *operators, const struct operator_call *call, int number)
{
	for (unsigned i = 0; i < operators->world->records.tokens; i++)
		if (call->act == ACT_CASCADE || (call->act < ACT_CREATE_TOKEN && call->index == i))
			operators->token_owner[i] = number;
	if (call->act == ACT_DELETE_MADE)
		operators->made[call->index].owner = number;
	if (operators_is_of_job(call->act))
		operators->job_owner[call->index] = number;
}

static uint64_t
draw_pause(struct operators *operators)
{
	return random_skewed(
	    &operators->random, NS_PER_MS, 2 * operators->world->scenario.operator_ns);
}

uint64_t
operators_ask(struct world *world, unsigned index, struct operator_request *out)
{
	struct operators *operators = operators_of(world);
	struct operator_call call;

	if (operators->settled || (!operators_draw_list(operators, index, &call, out) &&
				      !operators_draw(operators, &call, out)))
		return draw_pause(operators);
	call.begun_ns = schedule_now_ns();
	add_call(operators, &call);
	operators->running[index] = (int)operators->count - 1;
	own(operators, &call, operators->running[index]);
	world->records.changes++;
	trace_event("operator", out->method, index, (uint64_t)call.act << 8 | call.index);
	trace_say("operator", "%u: %s %s %s", operators->running[index], out->method, out->path,
	    out->body);
	return 0;
}

void
operators_begin(struct world *world, unsigned index, const char *request)
{
	struct operators *operators = operators_of(world);
	struct operator_call *call = &operators->calls[operators->running[index]];

	snprintf(call->request, sizeof(call->request), "request %s", request);
}

/* ---- answers ---- */

uint64_t
operators_answered(
    struct world *world, unsigned index, unsigned status, const char *content, size_t len)
{
	struct operators *operators = operators_of(world);
	struct operator_call *call = &operators->calls[operators->running[index]];
	static char text[256 * 1024]; /* of a list */

	snprintf(text, sizeof(text), "%.*s", (int)(len < sizeof(text) ? len : sizeof(text) - 1),
	    content);
	trace_event("operator", "answered", index, status);
	trace_say("operator", "%d: %u %s", operators->running[index], status, text);
	call->ended_ns = schedule_now_ns();
	operators->answers++;
	operators->done += call->done;
	if (call->act == ACT_LIST_TOKENS || call->act == ACT_LIST_JOBS)
		operators_judge_page(world, call, index, status, text);
	call->stage = operators_judge(world, call, status, text);
	operators->running[index] = NO_CALL;
	return draw_pause(operators);
}

void
operators_lost(struct world *world)
{
	struct operators *operators = operators_of(world);

	for (unsigned i = 0; i < OPERATORS_MAX; i++) {
		if (operators->running[i] == NO_CALL)
			continue;
		operators->calls[operators->running[i]].stage = STAGE_OPEN;
		operators->calls[operators->running[i]].ended_ns = schedule_now_ns();
		operators->running[i] = NO_CALL;
		operators->walks[i].runs = false;
	}
}

void
operators_read_log(struct world *world, const char *line, size_t len)
{
	struct operators *operators = operators_of(world);

	if (memmem(line, len, "audit: ", 7) == NULL)
		return;
	for (unsigned i = 0; i < OPERATORS_MAX; i++) {
		struct operator_call *call;

		if (operators->running[i] == NO_CALL)
			continue;
		call = &operators->calls[operators->running[i]];
		if (memmem(line, len, call->request, strlen(call->request)) == NULL)
			continue;
		call->audits++;
		call->perhaps += memmem(line, len, " perhaps ", 9) != NULL;
		return;
	}
	judge_violation(world, "a line of the audit log belongs to no call: %.*s", (int)len, line);
}

/* ---- from the start of a run to its end ---- */

void
operators_start(struct operators *operators, struct world *world)
{
	*operators = (struct operators){.world = world,
	    .watch = {operators_script_begins, operators_script_changed, operators}};
	random_init(&operators->random, world->seed, "operators", 0);
	random_init(&operators->list_random, world->seed, "lists", 0);
	random_init(&operators->use_random, world->seed, "uses", 0);
	for (unsigned i = 0; i < OPERATORS_MAX; i++)
		operators->running[i] = NO_CALL;
	for (unsigned i = 0; i < RECORDS_TOKENS_MAX; i++)
		operators->token_owner[i] = NO_CALL;
	for (unsigned i = 0; i < RECORDS_JOBS_MAX; i++)
		operators->job_owner[i] = NO_CALL;
	for (unsigned i = 0; world->scenario.operators > 0 && i < world->store.count; i++)
		world->store.servers[i].watch = &operators->watch;
}

void
operators_stop(struct operators *operators)
{
	operators->settled = true;
}

void
operators_check_ended(struct operators *operators)
{
	for (unsigned i = 0; i < OPERATORS_MAX; i++)
		if (operators->running[i] != NO_CALL)
			judge_violation(operators->world,
			    "call %d of the control API was never answered", operators->running[i]);
}
