/* siphash.h - SipHash-2-4: a keyed hash for short texts (Aumasson and Bernstein, 2012). */
#ifndef JOBGATE_AUTH_SIPHASH_H
#define JOBGATE_AUTH_SIPHASH_H

#include <stdint.h>

#include "jobgate/slice.h"

/* The 64-bit hash, for hash tables whose keys come from clients. */
uint64_t siphash_64(const uint64_t key[2], struct slice text);

/* The 128-bit hash: without the key, it is infeasible to find two texts with the same hash. */
void siphash_128(const uint64_t key[2], struct slice text, uint64_t out[2]);

#endif
