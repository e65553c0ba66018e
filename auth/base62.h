/* base62.h - numbers in base62, as in token values. */
#ifndef JOBGATE_AUTH_BASE62_H
#define JOBGATE_AUTH_BASE62_H

#include <stddef.h>
#include <stdint.h>

/* 0-9, A-Z, a-z */
extern const char base62_digits[];

/* Write the last len digits of a number, most significant first, padded with '0'. */
void base62_write(uint64_t number, char *out, size_t len);

#endif
