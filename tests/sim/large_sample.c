/* large_sample.c - keeps all values, and sorts them in the end. */
#include "large_sample.h"

#include <stdio.h>
#include <stdlib.h>

void
large_sample_add(struct large_sample *sample, uint64_t ns)
{
	if (sample->count == sample->room) {
		sample->room = sample->room == 0 ? 1024 : 2 * sample->room;
		sample->ns = realloc(sample->ns, sample->room * sizeof(*sample->ns));
		if (sample->ns == NULL)
			abort();
	}
	sample->ns[sample->count++] = ns;
}

static int
compare(const void *a, const void *b)
{
	uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;

	return first < second ? -1 : first > second;
}

void
large_sample_print(struct large_sample *sample, const char *name)
{
	static const struct {
		const char *name;
		double share;
	} parts[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"longest", 1}};

	if (sample->count == 0)
		return;
	qsort(sample->ns, sample->count, sizeof(*sample->ns), compare);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		size_t at = (size_t)((double)sample->count * parts[i].share);

		printf("%s_%s %.3f\n", name, parts[i].name,
		    (double)sample->ns[at < sample->count ? at : sample->count - 1] / 1e6);
	}
}
