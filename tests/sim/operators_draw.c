/* operators_draw.c - draws a call of the API that no other call can be mixed up with. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/moment.h"
#include "clocks.h"
#include "operators.h"
#include "records_state.h"
#include "world.h"

/* ---- whose turn it is ---- */

/*
 * What was sent on a connection may still be done while its server has it. Connections that began
 * later have nothing of it.
 */
static bool
may_be_under_way(const struct world *world, const struct operator_call *call)
{
	const struct redis_client *client;

	for (unsigned i = 0; i < world->store.count; i++)
		LIST_FOREACH(client, &world->store.servers[i].clients, link)
	if (strcmp(client->name, "jobgate-control") == 0 && client->begun_ns <= call->ended_ns)
		return true;
	return false;
}

/* At most one call at a time changes a record: so it is known whose change one is. */
bool
operators_is_free(struct operators *operators, int owner)
{
	const struct operator_call *call;

	if (owner == NO_CALL)
		return true;
	call = &operators->calls[owner];
	return call->stage == STAGE_KNOWN ||
	       (call->stage == STAGE_OPEN && !may_be_under_way(operators->world, call));
}

/* A cascade deletes any of them, and none that another call deletes. */
static bool
tokens_are_free(struct operators *operators)
{
	for (unsigned i = 0; i < operators->world->records.tokens; i++)
		if (!operators_is_free(operators, operators->token_owner[i]))
			return false;
	for (size_t i = 0; i < operators->made_count; i++)
		if (!operators_is_free(operators, operators->made[i].owner))
			return false;
	return true;
}

/* ---- drawing ---- */

static void
draw_moment(struct operators *operators, char out[MOMENT_TEXT_MAX])
{
	uint64_t most = random_chance(&operators->random, 500) ? 6000 : 7200 * 1000;

	moment_format(clocks_read_ns(CLOCK_REALTIME) / NS_PER_MS +
			  random_skewed(&operators->random, 50, most),
	    out);
}

/* False: no limit can be changed in this run. */
static bool
draw_limit(struct operators *operators, struct operator_request *out)
{
	const struct scenario *scenario = &operators->world->scenario;
	char text[MOMENT_TEXT_MAX];
	bool times =
	    scenario->timed && (!scenario->limited || random_chance(&operators->random, 500));

	if (!times && !scenario->limited)
		return false;
	draw_moment(operators, text);
	if (random_chance(&operators->random, 400))
		snprintf(
		    out->body, sizeof(out->body), "{\"%s\":null}", times ? "expires_at" : "from");
	else if (times)
		snprintf(out->body, sizeof(out->body), "{\"expires_at\":\"%s\"}", text);
	else
		snprintf(out->body, sizeof(out->body), "{\"from\":\"%s\"}",
		    records_ranges_text((int)random_below(&operators->random, 4)));
	return true;
}

static void
draw_renewal(struct operators *operators, struct operator_request *out)
{
	char text[MOMENT_TEXT_MAX];

	draw_moment(operators, text);
	if (!operators->world->scenario.timed || random_chance(&operators->random, 300))
		return;
	if (random_chance(&operators->random, 600))
		snprintf(out->body, sizeof(out->body), "{\"grace\":%u}",
		    (unsigned)random_between(&operators->random, 1, 5));
	else
		snprintf(out->body, sizeof(out->body), "{\"expires_at\":\"%s\"}", text);
}

/* It becomes public, or stops to be. */
static size_t
draw_access(struct operators *operators, struct operator_call *call, char *out, size_t size)
{
	struct random *random = &operators->random;
	bool opens = call->act == ACT_CREATE_JOB || random_chance(random, 500);

	if (!operators->world->scenario.publics || random_chance(random, 600))
		return 0;
	if (!opens)
		call->widens = false;
	return (size_t)snprintf(out, size, ",\"access\":%s", opens ? "\"public\"" : "null");
}

/* Fields that a patch or a new job may have besides, with a comma before them. */
static void
draw_more(struct operators *operators, struct operator_call *call, char *out, size_t size)
{
	const struct records *records = &operators->world->records;
	struct random *random = &operators->random;
	int port = (int)random_below(random, records->backends);
	size_t len = 0;

	out[0] = '\0';
	if (records->expires && random_chance(random, 300))
		len = (size_t)snprintf(
		    out, size, ",\"lease\":%u", (unsigned)random_between(random, 1, 4));
	len += draw_access(operators, call, out + len, size - len);
	if (!records->ports || random_chance(random, 600))
		return;
	if (call->act == ACT_CREATE_JOB || random_chance(random, 600)) {
		snprintf(out + len, size - len, ",\"ports\":{\"" RECORDS_PORT "\":\"%s\"}",
		    records->url_of(records->ctx, port));
	} else {
		snprintf(out + len, size - len, ",\"ports\":{\"" RECORDS_PORT "\":null}");
		call->widens = false;
	}
}

/* "url" or "labels", and more. */
static void
draw_job(struct operators *operators, struct operator_call *call, struct operator_request *out)
{
	const struct records *records = &operators->world->records;
	struct random *random = &operators->random;
	int backend = (int)random_below(random, records->backends);
	unsigned label = (unsigned)random_below(random, RECORDS_LABELS);
	bool drops = random_chance(random, 100);
	char more[200];

	call->widens = !drops && random_chance(random, 500);
	drops = drops && call->act != ACT_CREATE_JOB;
	if (call->act == ACT_CREATE_JOB)
		snprintf(out->body, sizeof(out->body),
		    "{\"id\":\"%s\",\"url\":\"%s\",\"labels\":{\"team\":\"%u\"}",
		    records->job[call->index].id, records->url_of(records->ctx, backend), label);
	else if (drops)
		snprintf(out->body, sizeof(out->body), "{\"url\":null");
	else if (call->widens)
		snprintf(out->body, sizeof(out->body), "{\"url\":\"%s\"",
		    records->url_of(records->ctx, backend));
	else
		snprintf(out->body, sizeof(out->body), "{\"labels\":{\"team\":\"%u\"}", label);
	draw_more(operators, call, more, sizeof(more));
	strcat(strcat(out->body, more), "}");
}

/* One of the values that clients know of. */
static void
draw_value(struct operators *operators, struct operator_call *call, struct operator_request *out)
{
	const struct token_history *token = &operators->world->records.token[call->index];
	unsigned value = records_token_at(token, schedule_now_ns())->value;

	if (random_chance(&operators->random, 200))
		value = (unsigned)random_below(&operators->random, token->value_count);
	call->value = records_shown_value(token, value);
	snprintf(out->body, sizeof(out->body), "{\"value\":\"%s\"}", token->values[call->value]);
}

/* Method, path, query and body. False: this run has no such call, or not now. */
static bool
draw_request(struct operators *operators, struct operator_call *call, struct operator_request *out)
{
	const struct records *records = &operators->world->records;
	const struct token_history *token = &records->token[call->index % records->tokens];
	const char *job = records->job[call->index % records->jobs].id;
	static const char *const methods[ACTS] = {[ACT_DELETE_TOKEN] = "DELETE",
	    [ACT_CASCADE] = "DELETE",
	    [ACT_DELETE_MADE] = "DELETE",
	    [ACT_DELETE_JOB] = "DELETE",
	    [ACT_PATCH_JOB] = "PATCH",
	    [ACT_LIMIT] = "PATCH"};

	out->method = methods[call->act] != NULL ? methods[call->act] : "POST";
	out->query = call->act == ACT_CASCADE ? "cascade=true" : "";
	out->body[0] = '\0';
	snprintf(out->path, sizeof(out->path), "/v1/tokens/%s", token->id);
	switch (call->act) {
	case ACT_DELETE_TOKEN:
	case ACT_CASCADE:
		return true;
	case ACT_REVOKE:
		snprintf(out->path, sizeof(out->path), "/v1/tokens/revoke");
		draw_value(operators, call, out);
		return true;
	case ACT_RENEW_TOKEN:
		strcat(out->path, "/renew");
		draw_renewal(operators, out);
		return token->value_count + 4 < RECORDS_VALUES_MAX;
	case ACT_LIMIT:
		return draw_limit(operators, out);
	case ACT_CREATE_TOKEN:
		return operators_draw_creation(operators, call, out);
	case ACT_DELETE_MADE:
		return operators_draw_deletion(operators, call, out);
	case ACT_LIST_TOKENS: /* see operators_lists.c */
	case ACT_LIST_JOBS:
		return false;
	case ACT_CREATE_JOB:
		snprintf(out->path, sizeof(out->path), "/v1/jobs");
		draw_job(operators, call, out);
		return !records->job[call->index]
			    .states[records->job[call->index].state_count - 1]
			    .exists ||
		       random_chance(&operators->random, 100);
	case ACT_PATCH_JOB:
		draw_job(operators, call, out);
		break;
	case ACT_DELETE_JOB:
		break;
	case ACT_RENEW_JOB:
		snprintf(out->path, sizeof(out->path), "/v1/jobs/%s/renew", job);
		return records->expires;
	case ACTS:
		abort();
	}
	snprintf(out->path, sizeof(out->path), "/v1/jobs/%s", job);
	return true;
}

bool
operators_is_of_job(enum operator_act act)
{
	return act >= ACT_CREATE_JOB;
}

/* Few delete something: most records are to be good. */
static enum operator_act
draw_act(struct random *random)
{
	static const enum operator_act acts[] = {ACT_DELETE_TOKEN, ACT_CASCADE, ACT_REVOKE,
	    ACT_REVOKE, ACT_RENEW_TOKEN, ACT_RENEW_TOKEN, ACT_RENEW_TOKEN, ACT_RENEW_TOKEN,
	    ACT_LIMIT, ACT_LIMIT, ACT_LIMIT, ACT_CREATE_JOB, ACT_CREATE_JOB, ACT_CREATE_JOB,
	    ACT_CREATE_JOB, ACT_DELETE_JOB, ACT_PATCH_JOB, ACT_PATCH_JOB, ACT_PATCH_JOB,
	    ACT_PATCH_JOB, ACT_RENEW_JOB, ACT_RENEW_JOB};

	return acts[random_below(random, sizeof(acts) / sizeof(acts[0]))];
}

/* A record that no other call may change. False: not this time. */
static bool
draw_call(struct operators *operators, struct operator_call *call)
{
	const struct scenario *scenario = &operators->world->scenario;
	struct random *random = &operators->random;

	*call = (struct operator_call){.act = draw_act(random)};
	if (scenario->staff > 0 && random_chance(random, 250))
		call->act = random_chance(random, 700) ? ACT_CREATE_TOKEN : ACT_DELETE_MADE;
	if (call->act == ACT_CREATE_TOKEN || call->act == ACT_DELETE_MADE)
		return true;
	if (operators_is_of_job(call->act)) {
		call->index = (unsigned)random_below(random, scenario->jobs);
		return operators_is_free(operators, operators->job_owner[call->index]);
	}
	call->index = (unsigned)random_below(random, operators->world->records.tokens);
	if (call->act == ACT_CASCADE && !scenario->scripted)
		return false;
	return call->act == ACT_CASCADE
		   ? tokens_are_free(operators)
		   : operators_is_free(operators, operators->token_owner[call->index]);
}

bool
operators_draw(
    struct operators *operators, struct operator_call *call, struct operator_request *out)
{
	*out = (struct operator_request){0};
	if (!draw_call(operators, call) || !draw_request(operators, call, out))
		return false;
	operators_draw_caller(operators, call, out);
	return true;
}
