/* usage.c - metrics by token. */
#include "limits/usage.h"

#include <stdlib.h>
#include <string.h>

#include "jobgate/token.h"
#include "limits/place.h"

/* A token that has not been used for longer has no samples, unless requests run. */
#define SHOWN_S 3600

/* What one token uses, read while workers go on. */
struct usage {
	char id[TOKEN_ID_LEN];
	uint32_t used_s, allowed, over_rate, over_concurrency, running;
	bool has_concurrency;
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
	uint32_t high = atomic_load((_Atomic uint16_t *)&first->high), taken = cells_taken(first);

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
	if (atomic_load(&place->first) != key ||
	    !jg_token_id_valid((struct slice){out->id, sizeof(out->id)}))
		return false;
	out->used_s = atomic_load(&place->used_s);
	out->allowed = atomic_load(&place->allowed);
	out->over_rate = atomic_load(&place->over_rate);
	out->over_concurrency = atomic_load(&place->over_concurrency);
	out->has_concurrency = atomic_load(&place->high) > 0;
	out->running = running(table, place, key);
	return true;
}

/* Read those that have samples. The caller frees them; NULL when memory is short. */
static struct usage *
read_usages(struct limit_table *table, uint64_t now_us, size_t *count)
{
	uint32_t now_s = (uint32_t)(now_us / 1000000);
	struct usage *usages = NULL, *more;
	size_t room = 0;

	*count = 0;
	for (uint32_t at = 0; at < table->places; at++) {
		if (*count == room) {
			room = room > 0 ? 2 * room : 64;
			more = realloc(usages, room * sizeof(*usages));
			if (more == NULL) {
				free(usages);
				return NULL;
			}
			usages = more;
		}
		/* A worker may have used it since now_us. */
		if (atomic_load(&table->keys[at]) != 0 && read_usage(table, at, &usages[*count]) &&
		    (usages[*count].running > 0 || usages[*count].used_s + SHOWN_S > now_s))
			++*count;
	}
	return usages;
}

/* Those that were used last come first. */
static int
compare(const void *a, const void *b)
{
	const struct usage *one = a, *other = b;

	if (one->used_s != other->used_s)
		return one->used_s > other->used_s ? -1 : 1;
	return memcmp(one->id, other->id, sizeof(one->id));
}

static void
write_requests(FILE *out, const struct usage *usage, const char *result, uint32_t count)
{
	fprintf(out, "jobgate_token_requests_total{token=\"%.*s\",result=\"%s\"} %lu\n",
	    TOKEN_ID_LEN, usage->id, result, (unsigned long)count);
}

static void
write_usages(FILE *out, const struct usage *usages, size_t count, size_t left_out)
{
	fputs("# HELP jobgate_token_requests_total Requests of tokens that have limits, by token.\n"
	      "# TYPE jobgate_token_requests_total counter\n",
	    out);
	for (size_t i = 0; i < count; i++) {
		write_requests(out, &usages[i], "allowed", usages[i].allowed);
		write_requests(out, &usages[i], "over_rate", usages[i].over_rate);
		write_requests(out, &usages[i], "over_concurrency", usages[i].over_concurrency);
	}
	fputs("# HELP jobgate_token_running Requests that run, of tokens with a concurrency.\n"
	      "# TYPE jobgate_token_running gauge\n",
	    out);
	for (size_t i = 0; i < count; i++)
		if (usages[i].has_concurrency)
			fprintf(out, "jobgate_token_running{token=\"%.*s\"} %lu\n", TOKEN_ID_LEN,
			    usages[i].id, (unsigned long)usages[i].running);
	fprintf(out,
	    "# HELP jobgate_tokens_left_out Tokens in use without such samples, because there are "
	    "more than control.metrics_tokens.\n# TYPE jobgate_tokens_left_out gauge\n"
	    "jobgate_tokens_left_out %zu\n",
	    left_out);
}

bool
limit_table_write_usage(struct limit_table *table, size_t most, uint64_t now_us, FILE *out)
{
	size_t count;
	struct usage *usages = read_usages(table, now_us, &count);
	size_t shown = count < most ? count : most;

	if (usages == NULL)
		return false;
	qsort(usages, count, sizeof(*usages), compare);
	write_usages(out, usages, shown, count - shown);
	free(usages);
	return true;
}
