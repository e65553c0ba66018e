/* siphash.h - SipHash-2-4: a keyed hash for short texts (Aumasson and Bernstein, 2012). */
#ifndef JOBGATE_AUTH_SIPHASH_H
#define JOBGATE_AUTH_SIPHASH_H

#include <stdint.h>

#include "jobgate/slice.h"

/* The result of 64 bits, for hash tables that strangers fill. */
uint64_t siphash_64(const uint64_t key[2], struct slice text);

/* The result of 128 bits: without the key, no one can find two texts with the same result. */
void siphash_128(const uint64_t key[2], struct slice text, uint64_t out[2]);

#endif
