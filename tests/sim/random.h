/* random.h - numbers from the seed: the same seed gives the same numbers on every machine. */
#ifndef SIM_RANDOM_H
#define SIM_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * One stream of numbers. Each part of the simulation has a stream of its own, so that a number more
 * in one of them changes no other part.
 */
struct random {
	uint64_t state;
};

void random_init(struct random *random, uint64_t seed, const char *stream, uint64_t index);

uint64_t random_next(struct random *random);

/* Less than n, which is not 0. */
uint64_t random_below(struct random *random, uint64_t n);

/* From low to high, both included. */
uint64_t random_between(struct random *random, uint64_t low, uint64_t high);

/* The same, but each power of two between them is as likely as the next: most are small. */
uint64_t random_skewed(struct random *random, uint64_t low, uint64_t high);

/* True in this many of a thousand cases. */
bool random_chance(struct random *random, unsigned per_mille);

void random_bytes(struct random *random, void *out, size_t len);

#endif
