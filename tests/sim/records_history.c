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
	return span->from_ns > schedule_now_ns();
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

/*
 * An end that is still to come is lost, too, if that server never heard of it. Workers that did may
 * count on it for as long as anything that they know: it counts as a state that has held just now.
 * False: it is not lost, or there is none.
 */
static bool
span_lose_end(struct span *end, struct span *before, uint64_t offset)
{
	if (!span_is_future(end) || end->offset < offset)
		return false;
	end->from_ns = end->to_ns = before->to_ns = schedule_now_ns();
	end->lost = true;
	return true;
}

/* ---- tokens ---- */

struct token_state *
records_next_token_state(const struct records *records, struct token_history *token)
{
	struct token_state *last;

	if (token->state_count == token->state_room) {
		token->state_room = token->state_room == 0 ? 16 : 2 * token->state_room;
		token->states = realloc(token->states, token->state_room * sizeof(*token->states));
		if (token->states == NULL)
			abort();
	}
	last = &token->states[token->state_count];
	*last = token->state_count > 0 ? last[-1]
				       : (struct token_state){.label = NO_LABEL,
					     .previous = NO_VALUE,
					     .leftover = NO_VALUE,
					     .ranges = NO_RANGES};
	last->span = span_next(records, token->state_count > 0 ? &last[-1].span : NULL);
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
	if (!span_is_future(&token->states[token->state_count - 1].span))
		return false;
	token->state_count--;
	token->states[token->state_count - 1].span.to_ns = UINT64_MAX;
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
	struct job_state *last;

	if (job->state_count == job->state_room) {
		job->state_room = job->state_room == 0 ? 16 : 2 * job->state_room;
		job->states = realloc(job->states, job->state_room * sizeof(*job->states));
		if (job->states == NULL)
			abort();
	}
	last = &job->states[job->state_count];
	*last = job->state_count > 0 ? last[-1] : (struct job_state){.label = NO_LABEL};
	last->span = span_next(records, job->state_count > 0 ? &last[-1].span : NULL);
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
	if (!span_is_future(&job->states[job->state_count - 1].span))
		return false;
	job->state_count--;
	job->states[job->state_count - 1].span.to_ns = UINT64_MAX;
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
static int
label_of(const char *text)
{
	const char *number = strrchr(text, '=');

	return number != NULL ? (int)strtol(number + 1, NULL, 10) : NO_LABEL;
}

unsigned
records_value_of(const struct token_history *token, const char *hash)
{
	char text[65];

	for (unsigned i = 0; i < token->value_count; i++) {
		records_hash_text(token->values[i], text);
		if (strcmp(text, hash) == 0)
			return i;
	}
	return RECORDS_VALUES_MAX; /* no client has this one */
}

static bool
has_ended(const struct redis_key *key)
{
	return key->ends_ms != 0 && key->ends_ms <= redis_now_ms();
}

static void
adopt_token(struct records *records, struct token_history *token)
{
	struct redis_key *key = records_key(records, "token", token->id);
	struct token_state *state = &token->states[token->state_count - 1];

	if (!span_lose_end(&state->span, &state[-1].span, records->redis->offset))
		records_forget_token_end(token);
	for (size_t i = token->state_count; i > 0; i--)
		if (span_adopt(&token->states[i - 1].span, records->redis->offset))
			break;
	state = records_next_token_state(records, token);
	state->exists = key != NULL && !has_ended(key);
	if (!state->exists)
		return;
	/* The next renewal counts on from here: that of a lost one had the same version. */
	token->version = (unsigned)strtoul(records_field(key, "version"), NULL, 10);
	state->broken = strcmp(records_field(key, "role"), "none") == 0;
	state->label = label_of(records_field(key, "selector"));
	state->value = records_value_of(token, records_field(key, "hash"));
	state->ranges = records_ranges_of(records_field(key, "from"));
	records_read_times(token, key, state);
	if (key->ends_ms != 0)
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

static void
adopt_job(struct records *records, struct job_history *job)
{
	struct redis_key *key = records_key(records, "job", job->id);
	struct job_state *state = &job->states[job->state_count - 1];

	if (!span_lose_end(&state->span, &state[-1].span, records->redis->offset))
		records_forget_job_end(job);
	for (size_t i = job->state_count; i > 0; i--)
		if (span_adopt(&job->states[i - 1].span, records->redis->offset))
			break;
	state = records_next_job_state(records, job);
	state->exists = key != NULL && !has_ended(key);
	if (!state->exists)
		return;
	state->label = (int)strtol(records_field(key, "label:team"), NULL, 10);
	state->backend = backend_of(records, records_field(key, "url"));
	if (key->ends_ms != 0)
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
