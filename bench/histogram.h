/* histogram.h - times in buckets that are at most 1.6 % wide, whatever their size. */
#ifndef JOBGATE_BENCH_HISTOGRAM_H
#define JOBGATE_BENCH_HISTOGRAM_H

#include <stdint.h>
#include <stdio.h>

#define HISTOGRAM_STEPS 64 /* buckets for each power of two */

struct histogram {
	uint64_t count, max_ns;
	uint64_t buckets[64 * HISTOGRAM_STEPS];
};

static inline void
histogram_add(struct histogram *histogram, uint64_t ns)
{
	unsigned shift = ns < HISTOGRAM_STEPS ? 0 : 57 - (unsigned)__builtin_clzll(ns);

	histogram->buckets[shift * HISTOGRAM_STEPS + (ns >> shift)]++;
	histogram->count++;
	if (ns > histogram->max_ns)
		histogram->max_ns = ns;
}

/* The time in microseconds that this part of all (0 to 1) does not exceed. */
static inline double
histogram_at(const struct histogram *histogram, double part)
{
	uint64_t wanted = (uint64_t)(part * (double)histogram->count), seen = 0;

	for (unsigned i = 0; i < 64 * HISTOGRAM_STEPS; i++) {
		unsigned shift = i < 2 * HISTOGRAM_STEPS ? 0 : i / HISTOGRAM_STEPS - 1;

		seen += histogram->buckets[i];
		if (seen > wanted)
			return (double)((uint64_t)(i - shift * HISTOGRAM_STEPS + 1) << shift) /
			       1000;
	}
	return (double)histogram->max_ns / 1000;
}

/* As a JSON object of percentiles. */
static inline void
histogram_print(const struct histogram *histogram)
{
	static const double parts[] = {0.5, 0.9, 0.99, 0.999};
	static const char *const names[] = {"p50", "p90", "p99", "p99.9"};

	putchar('{');
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		printf("\"%s\": %.1f, ", names[i], histogram_at(histogram, parts[i]));
	printf("\"max\": %.1f}", (double)histogram->max_ns / 1000);
}

#endif
