/* records_history.c - which states records had, and when. */
#include <stdlib.h>
#include <string.h>

#include "records_state.h"

/* ---- spans ---- */

/* The next state begins now; before: the one that ends, NULL: there is none. */
static struct span
span_next(const struct records *records, struct span *before)
{
	uint64_t now_ns = schedule_now_ns();

	if (before != NULL)
		before->to_ns = now_ns;
	return (struct span){
	    .from_ns = now_ns, .to_ns = UINT64_MAX, .offset = records->redis->offset};
}

/* The state begins later, when a record ends by itself. */
static void
span_postpone(struct span *span, struct span *before, uint64_t at_ns)
{
	span->from_ns = before->to_ns = at_ns;
	span->offset--; /* the primary has been told already */
}

static bool
span_is_future(const struct span *span)
{
	return !span->lost && span->from_ns > schedule_now_ns();
}

/*
 * A change, or another server, overrides an end that was still to come. Workers that know of it
 * and not of the change count on it once its moment has come, for as long as on anything that they
 * know: so it holds for those who look at a time before now, and decide at its moment or later.
 */
static void
span_override(struct span *end, struct span *before)
{
	end->to_ns = schedule_now_ns();
	end->lost = true;
	before->to_ns = UINT64_MAX;
}

/* Ends that were overridden are no states to go on from. */
static bool
span_was_overridden(const struct span *span)
{
	return span->lost && span->to_ns < span->from_ns;
}

/*
 * A server that has had the changes up to this offset takes changes from now on. What came after
 * was lost; the last one that was not has held until now. True: this is that one.
 */
static bool
span_adopt(struct span *span, uint64_t offset)
{
	uint64_t now_ns = schedule_now_ns();
	bool lost = span->offset >= offset;

	if (span->lost || (lost && span->to_ns <= now_ns)) {
		span->lost = true;
		return false;
	}
	span->lost = lost;
	span->to_ns = now_ns;
	return !lost;
}

/* ---- tokens ---- */

struct token_state *
records_next_token_state(const struct records *records, struct token_history *token)
{
	struct token_state *last, *before = NULL;

	if (token->state_count == token->state_room) {
		token->state_room = token->state_room == 0 ? 16 : 2 * token->state_room;
		token->states = realloc(token->states, token->state_room * sizeof(*token->states));
		if (token->states == NULL)
			abort();
	}
	last = &token->states[token->state_count];
	if (token->state_count > 0)
		before = last - (span_was_overridden(&last[-1].span) ? 2 : 1);
	*last = before != NULL ? *before
			       : (struct token_state){.label = NO_LABEL,
				     .previous = NO_VALUE,
				     .leftover = NO_VALUE,
				     .ranges = NO_RANGES};
	last->span = span_next(records, before != NULL ? &before->span : NULL);
	last->confirmed = false;
	token->state_count++;
	return last;
}

void
records_end_token_at(const struct records *records, struct token_history *token, uint64_t at_ns)
{
	struct token_state *state = records_next_token_state(records, token);

	state->exists = false;
	span_postpone(&state->span, &state[-1].span, at_ns);
}

bool
records_forget_token_end(struct token_history *token)
{
	struct token_state *end = &token->states[token->state_count - 1];

	if (!span_is_future(&end->span))
		return false;
	span_override(&end->span, &end[-1].span);
	return true;
}

const struct token_state *
records_token_at(const struct token_history *token, uint64_t at_ns)
{
	size_t i = token->state_count;

	while (i > 1 && token->states[i - 1].span.from_ns > at_ns)
		i--;
	return &token->states[i - 1];
}

/* ---- jobs ---- */

struct job_state *
records_next_job_state(const struct records *records, struct job_history *job)
{
	struct job_state *last, *before = NULL;

	if (job->state_count == job->state_room) {
		job->state_room = job->state_room == 0 ? 16 : 2 * job->state_room;
		job->states = realloc(job->states, job->state_room * sizeof(*job->states));
		if (job->states == NULL)
			abort();
	}
	last = &job->states[job->state_count];
	if (job->state_count > 0)
		before = last - (span_was_overridden(&last[-1].span) ? 2 : 1);
	*last =
	    before != NULL ? *before : (struct job_state){.label = NO_LABEL, .port = NO_BACKEND};
	last->span = span_next(records, before != NULL ? &before->span : NULL);
	last->confirmed = false;
	job->state_count++;
	return last;
}

void
records_end_job_at(const struct records *records, struct job_history *job, uint64_t at_ns)
{
	struct job_state *state = records_next_job_state(records, job);

	state->exists = false;
	span_postpone(&state->span, &state[-1].span, at_ns);
}

bool
records_forget_job_end(struct job_history *job)
{
	struct job_state *end = &job->states[job->state_count - 1];

	if (!span_is_future(&end->span))
		return false;
	span_override(&end->span, &end[-1].span);
	return true;
}

/* ---- another server's records ---- */

const char *
records_field(struct redis_key *key, const char *name)
{
	const struct redis_field *field = redis_field_find(key, name);

	return field != NULL ? field->value : "";
}

/* "team=2", or no selector. */
int
records_label_of(const char *text)
{
	const char *number = strrchr(text, '=');

	return number != NULL ? (int)strtol(number + 1, NULL, 10) : NO_LABEL;
}

unsigned
records_value_of(const struct token_history *token, const char *hash)
{
	char text[65];

	for (unsigned i = 0; i < token->value_count; i++) {
		if (token->values[i][0] != '\0')
			records_hash_text(token->values[i], text);
		if (strcmp(token->values[i][0] != '\0' ? text : token->hashes[i], hash) == 0)
			return i;
	}
	return RECORDS_VALUES_MAX; /* no client has this one */
}

bool
records_key_has_ended(const struct redis_key *key)
{
	return key->ends_ms != 0 && key->ends_ms <= redis_now_ms();
}

/* A role names the fields that must be there. */
static bool
is_broken(struct redis_key *key)
{
	const char *role = records_field(key, "role");

	return strncmp(role, "none", 4) == 0 ||
	       (strstr(role, " expires_at") != NULL &&
		   records_field(key, "expires_at")[0] == '\0') ||
	       (strstr(role, " from") != NULL && records_field(key, "from")[0] == '\0');
}

void
records_read_token(struct token_history *token, struct redis_key *key, struct token_state *state)
{
	state->exists = key != NULL && !records_key_has_ended(key);
	if (!state->exists)
		return;
	/* The next renewal counts on from here: that of a lost one had the same version. */
	token->version = (unsigned)strtoul(records_field(key, "version"), NULL, 10);
	state->broken = is_broken(key);
	state->label = records_label_of(records_field(key, "selector"));
	state->value = records_value_of(token, records_field(key, "hash"));
	if (state->value < RECORDS_VALUES_MAX)
		token->versions[state->value] = token->version;
	state->ranges = records_ranges_of(records_field(key, "from"));
	records_read_times(token, key, state);
}

static void
adopt_token(struct records *records, struct token_history *token)
{
	struct redis_key *key = records_key(records, "token", token->id);
	struct token_state *state;

	records_forget_token_end(token);
	for (size_t i = token->state_count; i > 0; i--) {
		bool was_lost = token->states[i - 1].span.lost;

		if (span_adopt(&token->states[i - 1].span, records->redis->offset))
			break;
		records->confirmed_lost += token->states[i - 1].confirmed && !was_lost;
	}
	state = records_next_token_state(records, token);
	state->span.offset--; /* it is what the server has had */
	records_read_token(token, key, state);
	if (state->exists && key->ends_ms != 0)
		records_end_token_at(records, token, key->ends_ms * NS_PER_MS);
}

static int
backend_of(const struct records *records, const char *url)
{
	for (unsigned i = 0; i < records->backends + records->strange; i++)
		if (strcmp(records->url_of(records->ctx, (int)i), url) == 0)
			return (int)i;
	return NO_BACKEND;
}

void
records_read_job(const struct records *records, struct redis_key *key, struct job_state *state)
{
	state->exists = key != NULL && !records_key_has_ended(key);
	if (!state->exists)
		return;
	state->label = (int)strtol(records_field(key, "label:team"), NULL, 10);
	records_read_urls(records, records_field(key, "url"), state);
	records_read_replicas(key, state);
	state->port = backend_of(records, records_field(key, "port:" RECORDS_PORT));
}

static void
adopt_job(struct records *records, struct job_history *job)
{
	struct redis_key *key = records_key(records, "job", job->id);
	struct job_state *state;

	records_forget_job_end(job);
	for (size_t i = job->state_count; i > 0; i--) {
		bool was_lost = job->states[i - 1].span.lost;

		if (span_adopt(&job->states[i - 1].span, records->redis->offset))
			break;
		records->confirmed_lost += job->states[i - 1].confirmed && !was_lost;
	}
	state = records_next_job_state(records, job);
	state->span.offset--;
	records_read_job(records, key, state);
	records_read_public(records->redis, job->id, key, state);
	if (state->exists && key->ends_ms != 0)
		records_end_job_at(records, job, key->ends_ms * NS_PER_MS);
}

void
records_adopt(struct records *records, struct redis *redis)
{
	records->redis = redis;
	for (unsigned i = 0; i < records->tokens; i++)
		adopt_token(records, &records->token[i]);
	for (unsigned i = 0; i < records->jobs; i++)
		adopt_job(records, &records->job[i]);
}
