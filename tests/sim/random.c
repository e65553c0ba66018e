/* random.c - splitmix64 (a random number generator). */
#include "random.h"

#include <string.h>

uint64_t
random_next(struct random *random)
{
	uint64_t z = random->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

void
random_init(struct random *random, uint64_t seed, const char *stream, uint64_t index)
{
	random->state = seed;
	for (; *stream != '\0'; stream++)
		random->state = random_next(random) ^ (unsigned char)*stream;
	random->state = random_next(random) ^ index;
	random->state = random_next(random);
}

uint64_t
random_below(struct random *random, uint64_t n)
{
	return (uint64_t)((unsigned __int128)random_next(random) * n >> 64);
}

uint64_t
random_between(struct random *random, uint64_t low, uint64_t high)
{
	return low + random_below(random, high - low + 1);
}

uint64_t
random_skewed(struct random *random, uint64_t low, uint64_t high)
{
	uint64_t span = high - low + 1, bits = 0;

	while (bits < 63 && (uint64_t)1 << bits < span)
		bits++;
	span = (uint64_t)1 << random_between(random, 0, bits);
	if (span > high - low + 1)
		span = high - low + 1;
	return low + random_below(random, span);
}

bool
random_chance(struct random *random, unsigned per_mille)
{
	return random_below(random, 1000) < per_mille;
}

void
random_bytes(struct random *random, void *out, size_t len)
{
	char *at = out;

	while (len > 0) {
		uint64_t number = random_next(random);
		size_t n = len < sizeof(number) ? len : sizeof(number);

		memcpy(at, &number, n);
		at += n;
		len -= n;
	}
}
