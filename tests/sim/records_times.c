/* records_times.c - tokens that expire, and renewals with a grace. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/moment.h"
#include "clocks.h"
#include "records_state.h"
#include "trace.h"

static uint64_t
wall_ms(void)
{
	return clocks_read_ns(CLOCK_REALTIME) / NS_PER_MS;
}

bool
records_has_expired(const struct token_state *state)
{
	return state->expires_ms != 0 && wall_ms() >= state->expires_ms;
}

/* Mostly soon; some only if the clock is set. */
static uint64_t
draw_moment_ms(struct records *records)
{
	uint64_t most_ms = random_chance(&records->random, 800) ? 4000 : 7200 * 1000;

	return wall_ms() + random_skewed(&records->random, 20, most_ms);
}

static bool
renew(struct records *records, struct token_history *token, struct token_state *state)
{
	if (token->value_count == RECORDS_VALUES_MAX)
		return false;
	records_new_value(records, token);
	state->value = token->value_count - 1;
	return true;
}

void
records_draw_times(struct records *records, struct token_history *token, struct token_state *state)
{
	int value = (int)state->value;

	switch (random_below(&records->random, 4)) {
	case 0:
		state->expires_ms = draw_moment_ms(records);
		break;
	case 1:
	case 2:
		if (!renew(records, token, state))
			break;
		state->previous = value;
		state->previous_until_ms = draw_moment_ms(records);
		state->leftover = NO_VALUE;
		break;
	default: /* by a program that knows of no grace: it leaves these fields as they are */
		if (!renew(records, token, state))
			break;
		if (state->previous != NO_VALUE)
			state->leftover = state->previous;
		state->previous = NO_VALUE;
		break;
	}
	trace_event("records", "times", state->expires_ms,
	    state->previous == NO_VALUE ? 0 : state->previous_until_ms);
}

size_t
records_put_times(const struct records *records, const struct token_history *token,
    const struct token_state *state, const char *words[RECORDS_TIMES_WORDS])
{
	static char expires[MOMENT_TEXT_MAX], until[MOMENT_TEXT_MAX], hash[65], version[16];
	char key[64];
	size_t count = 0;

	snprintf(key, sizeof(key), "jobgate:token:%s", token->id);
	if (state->expires_ms == 0) {
		redis_do(records->redis, (const char *[]){"HDEL", key, "expires_at", NULL});
	} else {
		moment_format(state->expires_ms, expires);
		words[count++] = "expires_at";
		words[count++] = expires;
	}
	if (state->previous != NO_VALUE) {
		moment_format(state->previous_until_ms, until);
		records_hash_of(token, (unsigned)state->previous, hash);
		snprintf(version, sizeof(version), "%u", token->version - 1);
		words[count++] = "previous_until";
		words[count++] = until;
		words[count++] = "previous_hash";
		words[count++] = hash;
		words[count++] = "previous_version";
		words[count++] = version;
	} else if (state->leftover == NO_VALUE) {
		redis_do(records->redis, (const char *[]){"HDEL", key, "previous_until",
					     "previous_hash", "previous_version", NULL});
	}
	return count;
}

void
records_read_times(
    const struct token_history *token, struct redis_key *key, struct token_state *state)
{
	const char *version = records_field(key, "previous_version");
	int value = (int)records_value_of(token, records_field(key, "previous_hash"));

	state->expires_ms = state->previous_until_ms = 0;
	state->previous = state->leftover = NO_VALUE;
	moment_parse(slice_of(records_field(key, "expires_at")), &state->expires_ms);
	if (version[0] == '\0')
		return;
	if (strtoul(version, NULL, 10) + 1 != token->version) {
		state->leftover = value;
		return;
	}
	moment_parse(slice_of(records_field(key, "previous_until")), &state->previous_until_ms);
	state->previous = value;
}
