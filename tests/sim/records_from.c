/* records_from.c - tokens that are limited to addresses. */
#include <string.h>

#include "records_state.h"
#include "trace.h"

/* Clients have addresses from 10.1.0.0 on; visitors say that theirs is one of these. */
#define CLIENTS 0x0a010000u

static const struct ranges {
	const char *text;
	uint32_t first, last; /* of the range that clients may be in */
} all[] = {
    {"10.1.0.0/29", CLIENTS, CLIENTS + 7},
    {"2001:db8::/32, 10.1.0.4/30, 192.0.2.1", CLIENTS + 4, CLIENTS + 7},
    {"10.1.0.8/29", CLIENTS + 8, CLIENTS + 15},
    {"10.0.0.0/8", 0x0a000000u, 0x0affffffu},
};

#define RANGES ((int)(sizeof(all) / sizeof(all[0])))

void
records_draw_ranges(struct records *records, struct token_state *state)
{
	/* What refuses some is often taken back, so that most records are good. */
	state->ranges = state->ranges != NO_RANGES && random_chance(&records->from_random, 600)
			    ? NO_RANGES
			    : (int)random_below(&records->from_random, RANGES);
	trace_event("records", "addresses", (uint64_t)(state->ranges + 1), 0);
}

const char *
records_ranges_text(int ranges)
{
	return all[ranges].text;
}

/* The same but for blanks: other programs may write these. */
static bool
is_same(const char *a, const char *b)
{
	for (; *a != '\0' || *b != '\0'; a++, b++) {
		a += strspn(a, " ");
		b += strspn(b, " ");
		if (*a != *b)
			return false;
	}
	return true;
}

int
records_ranges_of(const char *text)
{
	int ranges = RANGES - 1;

	while (ranges >= 0 && !is_same(all[ranges].text, text))
		ranges--;
	return ranges;
}

bool
records_admits(const struct token_state *state, uint32_t address)
{
	const struct ranges *ranges;

	if (state->ranges == NO_RANGES)
		return true;
	ranges = &all[state->ranges];
	return address >= ranges->first && address <= ranges->last;
}
