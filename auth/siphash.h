/* siphash.h - SipHash: a keyed hash for short texts (Aumasson and Bernstein, 2012). */
#ifndef JOBGATE_AUTH_SIPHASH_H
#define JOBGATE_AUTH_SIPHASH_H

#include <stdint.h>

#include "jobgate/slice.h"

/* SipHash-2-4 with 64 bits. */
uint64_t siphash_64(const uint64_t key[2], struct slice text);

/*
 * SipHash-1-3 with 64 bits, for hash tables whose keys come from clients: they never see a hash, so
 * fewer rounds are enough to keep them from finding texts that collide.
 */
uint64_t siphash13_64(const uint64_t key[2], struct slice text);

/*
 * SipHash-2-4 with 128 bits: without the key, it is infeasible to find two texts with the same
 * hash.
 */
void siphash_128(const uint64_t key[2], struct slice text, uint64_t out[2]);

#endif
