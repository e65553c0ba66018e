/* records_replicas.c - jobs with several URLs. */
#include <stdio.h>
#include <string.h>

#include "records_state.h"
#include "trace.h"

bool
records_leads_to(const struct job_state *state, int backend)
{
	return state->backend == backend || (state->backend != NO_BACKEND && backend >= 0 &&
						(state->others >> backend & 1) != 0);
}

void
records_write_urls(
    const struct records *records, const struct job_state *state, char out[RECORDS_URL_MAX])
{
	size_t len = 0;

	out[0] = '\0';
	if (state->backend == NO_BACKEND)
		return;
	len = (size_t)snprintf(
	    out, RECORDS_URL_MAX, "%s", records->url_of(records->ctx, state->backend));
	for (unsigned i = 0; i < records->backends + records->strange; i++)
		if ((state->others >> i & 1) != 0 && (int)i != state->backend)
			len += (size_t)snprintf(out + len, RECORDS_URL_MAX - len, " %s",
			    records->url_of(records->ctx, (int)i));
}

static int
backend_of(const struct records *records, struct slice url)
{
	for (unsigned i = 0; i < records->backends + records->strange; i++)
		if (slice_equal(slice_of(records->url_of(records->ctx, (int)i)), url))
			return (int)i;
	return NO_BACKEND;
}

void
records_read_urls(const struct records *records, const char *text, struct job_state *state)
{
	size_t len = strcspn(text, " ");

	state->backend = backend_of(records, (struct slice){text, len});
	state->others = 0;
	for (text += len; *text == ' '; text += len) {
		text++;
		len = strcspn(text, " ");
		state->others |= 1u << backend_of(records, (struct slice){text, len});
	}
}

void
records_draw_replicas(struct records *records, struct job_state *state)
{
	struct random *random = &records->replica_random;

	if (!records->replicas)
		return;
	state->others = 0;
	if (random_chance(random, 600))
		state->others = 1u << random_below(random, records->backends);
	else if (random_chance(random, 500))
		state->others = (unsigned)random_below(random, 1u << records->backends);
	/* Where a request may try in vain, and must find another one. */
	if (records->strange > 0 && random_chance(random, 100))
		state->others |= 1u << records->backends;
	state->checked = random_chance(random, 500);
	state->sticky = random_chance(random, 600);
	trace_event(
	    "records", "replicas", state->others, (uint64_t)state->checked << 1 | state->sticky);
}

static void
put(const struct records *records, const char *key, const char *field, const char *value)
{
	if (value != NULL)
		redis_do(records->redis, (const char *[]){"HSET", key, field, value, NULL});
	else
		redis_do(records->redis, (const char *[]){"HDEL", key, field, NULL});
}

void
records_put_replicas(const struct records *records, const char *key, const struct job_state *state)
{
	if (!records->replicas)
		return;
	put(records, key, "health", state->checked ? RECORDS_HEALTH : NULL);
	put(records, key, "affinity", state->sticky ? "cookie" : NULL);
}

void
records_read_replicas(struct redis_key *key, struct job_state *state)
{
	state->checked = records_field(key, "health")[0] != '\0';
	state->sticky = records_field(key, "affinity")[0] != '\0';
}
