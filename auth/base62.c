/* base62.c - numbers in base62. */
#include "auth/base62.h"

const char base62_digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

void
base62_write(uint64_t number, char *out, size_t len)
{
	for (size_t i = len; i > 0; i--, number /= 62)
		out[i - 1] = base62_digits[number % 62];
}
