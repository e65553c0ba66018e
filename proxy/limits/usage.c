/* usage.c - metrics by token. */
#include "limits/usage.h"

#include <stdlib.h>
#include <string.h>

#include "jobgate/token.h"
#include "limits/place.h"

/* What one token uses, read while workers go on. */
struct usage {
	char id[TOKEN_ID_LEN];
	uint32_t allowed, over_rate, over_concurrency, running;
};

/* The first `count` of them are in `tokens`; the others are only counted. */
struct usages {
	struct usage *tokens;
	size_t count, most, left_out;
};

static uint32_t
cells_taken(const struct limit_place *place)
{
	uint32_t taken = 0;

	for (unsigned i = 0; place != NULL && i < LIMIT_CELLS; i++)
		taken += atomic_load((_Atomic uint16_t *)&place->owner[i]) != 0;
	return taken;
}

static uint32_t
running(struct limit_table *table, const struct limit_place *first, uint64_t key)
{
	uint32_t high = atomic_load((_Atomic uint32_t *)&first->high), taken = cells_taken(first);

	for (uint32_t block = 1; block * LIMIT_CELLS < high; block++)
		taken += cells_taken(place_look(table, place_key(table, key, block)));
	return taken;
}

/* False: it is no token's first place. */
static bool
read_usage(struct limit_table *table, uint32_t at, struct usage *out)
{
	struct limit_place *place = &table->place[at];
	uint64_t key = atomic_load(&table->keys[at]);
	uint64_t id[2] = {atomic_load(&place->id[0]), atomic_load(&place->id[1])};

	memcpy(out->id, id, sizeof(out->id));
	if (key == 0 || atomic_load(&place->first) != key ||
	    !jg_token_id_valid((struct slice){out->id, sizeof(out->id)}))
		return false;
	out->allowed = atomic_load(&place->allowed);
	out->over_rate = atomic_load(&place->over_rate);
	out->over_concurrency = atomic_load(&place->over_concurrency);
	out->running = running(table, place, key);
	return true;
}

static void
read_usages(struct limit_table *table, struct usages *out)
{
	struct usage usage;

	for (uint32_t at = 0; at < table->places; at++) {
		if (!read_usage(table, at, &usage))
			continue;
		if (out->count < out->most)
			out->tokens[out->count++] = usage;
		else
			out->left_out++;
	}
}

static void
write_requests(FILE *out, const struct usage *usage, const char *result, uint32_t count)
{
	fprintf(out, "jobgate_token_requests_total{token=\"%.*s\",result=\"%s\"} %lu\n",
	    TOKEN_ID_LEN, usage->id, result, (unsigned long)count);
}

static void
write_usages(FILE *out, const struct usages *usages)
{
	fputs("# HELP jobgate_token_requests_total Requests of tokens that have limits, by token.\n"
	      "# TYPE jobgate_token_requests_total counter\n",
	    out);
	for (size_t i = 0; i < usages->count; i++) {
		const struct usage *usage = &usages->tokens[i];

		write_requests(out, usage, "allowed", usage->allowed);
		write_requests(out, usage, "over_rate", usage->over_rate);
		write_requests(out, usage, "over_concurrency", usage->over_concurrency);
	}
	fputs("# HELP jobgate_token_running Requests that run, of tokens with a concurrency.\n"
	      "# TYPE jobgate_token_running gauge\n",
	    out);
	for (size_t i = 0; i < usages->count; i++)
		fprintf(out, "jobgate_token_running{token=\"%.*s\"} %lu\n", TOKEN_ID_LEN,
		    usages->tokens[i].id, (unsigned long)usages->tokens[i].running);
	fprintf(out,
	    "# HELP jobgate_tokens_left_out Tokens without such samples, because there are more "
	    "than control.metrics_tokens.\n# TYPE jobgate_tokens_left_out gauge\n"
	    "jobgate_tokens_left_out %zu\n",
	    usages->left_out);
}

bool
limit_table_write_usage(struct limit_table *table, size_t most, FILE *out)
{
	struct usages usages = {.most = most};

	usages.tokens = calloc(most, sizeof(*usages.tokens));
	if (usages.tokens == NULL)
		return false;
	read_usages(table, &usages);
	write_usages(out, &usages);
	free(usages.tokens);
	return true;
}
