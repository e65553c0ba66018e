/* operators_uses.c - last uses of tokens and jobs: never in the future, none of a record that is
 * gone, and none is lost that the control process has taken and could write. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clocks.h"
#include "jobgate/record_use.h"
#include "operators.h"
#include "records_state.h"
#include "world.h"

#define USES "jobgate:used"

static uint64_t
minute_now(void)
{
	return redis_now_ms() / RECORD_USE_MS;
}

/* Its name after the prefix, as a member of the set; the kind of its key is before the id. */
static void
member_of(const struct record_use *use, char out[RECORD_USE_MEMBER_MAX + 1])
{
	snprintf(out, RECORD_USE_MEMBER_MAX + 1, "%.*s", (int)use->len, use->member);
}

static struct redis_key *
record_of(struct redis *redis, const char *member)
{
	bool of_job = strncmp(member, RECORD_USE_JOB, strlen(RECORD_USE_JOB)) == 0;
	char name[96];
	struct redis_key *key;

	snprintf(name, sizeof(name), "jobgate:%s%s", of_job ? "" : "token:", member);
	key = redis_keys_find(&redis->keys, name);
	return key != NULL && !records_key_has_ended(key) ? key : NULL;
}

/* ---- what workers have noted ---- */

static void
draw_use(struct operators *operators, struct record_use *out)
{
	const struct records *records = &operators->world->records;
	struct random *random = &operators->use_random;
	uint64_t minute = clocks_read_ns(CLOCK_REALTIME) / NS_PER_MS / RECORD_USE_MS;
	unsigned i =
	    (unsigned)random_below(random, records->tokens + records->jobs + operators->made_count);
	const char *id;

	if (random_chance(random, 100)) /* the clock of another gateway is wrong */
		minute += random_below(random, 10);
	if (i < records->tokens)
		id = records->token[i].id;
	else if (i - records->tokens < records->jobs)
		id = records->job[i - records->tokens].id;
	else
		id = operators->made[i - records->tokens - records->jobs].id;
	record_use_set(
	    out, i >= records->tokens && i - records->tokens < records->jobs, slice_of(id), minute);
}

/* ---- rules ---- */

void
operators_uses_changed(struct operators *operators, struct redis *redis)
{
	const struct redis_effects *effects = &redis->effects;
	const struct redis_key *key = redis_keys_find(&redis->keys, USES);
	const struct redis_field *field;

	for (size_t i = 3; i < effects->count; i++)
		if (effects->words[i] != NULL && effects->words[i - 1] != NULL &&
		    effects->words[i - 2] != NULL && effects->words[i - 3] != NULL &&
		    strcmp(effects->words[i - 3], "ZADD") == 0 &&
		    strcmp(effects->words[i - 2], USES) == 0 &&
		    record_of(redis, effects->words[i]) == NULL)
			judge_violation(operators->world, "a use of %s, which is gone, was written",
			    effects->words[i]);
	if (key == NULL)
		return;
	TAILQ_FOREACH(field, &key->fields, link)
	if (strtoull(field->value, NULL, 10) > minute_now())
		judge_violation(
		    operators->world, "the last use of %s lies in the future", field->name);
}

/* Its record was there all the time since the use was taken. */
static bool
stayed(const struct world *world, const char *member, uint64_t from_ns)
{
	const struct records *records = &world->records;

	for (unsigned i = 0; i < records->tokens; i++) {
		const struct token_history *token = &records->token[i];

		for (size_t n = 0; strcmp(token->id, member) == 0 && n < token->state_count; n++)
			if (!token->states[n].exists && token->states[n].span.to_ns >= from_ns)
				return false;
	}
	for (unsigned i = 0; i < records->jobs; i++) {
		const struct job_history *job = &records->job[i];
		const char *id = member + strlen(RECORD_USE_JOB);

		for (size_t n = 0; strncmp(member, RECORD_USE_JOB, strlen(RECORD_USE_JOB)) == 0 &&
				   strcmp(job->id, id) == 0 && n < job->state_count;
		     n++)
			if (!job->states[n].exists && job->states[n].span.to_ns >= from_ns)
				return false;
	}
	return record_of(records->redis, member) != NULL;
}

/* What was taken until now has been written, or will never be. */
static void
judge_written(struct world *world)
{
	struct operators *operators = &world->operators;
	struct redis_key *set = redis_keys_find(&world->records.redis->keys, USES);
	char member[RECORD_USE_MEMBER_MAX + 1];

	for (; operators->uses_judged < operators->use_count; operators->uses_judged++) {
		const struct noted_use *noted = &operators->uses[operators->uses_judged];
		const struct redis_field *field;

		member_of(&noted->use, member);
		if (noted->ns <= world->control.spawned_ns ||
		    noted->ns <= world->store.emptied_ns ||
		    (world->store.elected_ns > 0 && !operators_knew_primary(world, noted->ns)) ||
		    !stayed(world, member, noted->ns))
			continue;
		field = set != NULL ? redis_field_find(set, member) : NULL;
		if (field == NULL ||
		    (strtoull(field->value, NULL, 10) < noted->use.minute &&
			strtoull(field->value, NULL, 10) < noted->ns / NS_PER_MS / RECORD_USE_MS))
			judge_violation(world, "a use of %s at %llu ms was lost", member,
			    (unsigned long long)(noted->ns / NS_PER_MS));
	}
}

/* A batch is taken when the one before has been written, or is given up. */
size_t
operators_take_uses(struct world *world, struct record_use *out, size_t most)
{
	struct operators *operators = &world->operators;
	size_t count = 0;

	judge_written(world);
	while (count < 5 && count < most && operators->use_count < OPERATORS_USES_MAX &&
	       random_chance(&operators->use_random, 400)) {
		struct noted_use *noted = &operators->uses[operators->use_count++];

		draw_use(operators, &noted->use);
		noted->ns = schedule_now_ns();
		out[count++] = noted->use;
	}
	return count;
}

/* The process has ended, in order: it had the time to write all that it had taken. */
void
operators_judge_uses(struct world *world)
{
	struct operators *operators = &world->operators;
	struct redis_key *set = redis_keys_find(&world->records.redis->keys, USES);

	if (world->scenario.early_stop_ns > 0) /* it may not have reached the store */
		return;
	judge_written(world);
	for (size_t i = 0; set != NULL && i < operators->made_count; i++) {
		const struct made_token *made = &operators->made[i];

		if (made->gone_ns > world->store.elected_ns &&
		    redis_field_find(set, made->id) != NULL &&
		    record_of(world->records.redis, made->id) == NULL)
			judge_violation(world,
			    "the last use of token %s, which was deleted, is left", made->id);
	}
}
