/* siphash.c - SipHash-2-4 with 64 and 128 bits. */
#include "auth/siphash.h"

static uint64_t
rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static void
sip_rounds(uint64_t v[4], int rounds)
{
	while (rounds-- > 0) {
		v[0] += v[1];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[0] = rotate(v[0], 32);
		v[2] += v[3];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] += v[3];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[2] += v[1];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[2] = rotate(v[2], 32);
	}
}

/* Absorb the whole text into the state; words are little-endian. */
static void
sip_absorb(const uint64_t key[2], struct slice text, uint64_t v[4])
{
	uint64_t word;
	size_t i = 0;

	v[0] ^= key[0] ^ 0x736f6d6570736575;
	v[1] ^= key[1] ^ 0x646f72616e646f6d;
	v[2] ^= key[0] ^ 0x6c7967656e657261;
	v[3] ^= key[1] ^ 0x7465646279746573;
	for (; i + 8 <= text.len; i += 8) {
		memcpy(&word, text.at + i, 8);
		v[3] ^= word;
		sip_rounds(v, 2);
		v[0] ^= word;
	}
	word = (uint64_t)text.len << 56;
	if (i < text.len)
		memcpy(&word, text.at + i, text.len - i);
	v[3] ^= word;
	sip_rounds(v, 2);
	v[0] ^= word;
}

uint64_t
siphash_64(const uint64_t key[2], struct slice text)
{
	uint64_t v[4] = {0};

	sip_absorb(key, text, v);
	v[2] ^= 0xff;
	sip_rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void
siphash_128(const uint64_t key[2], struct slice text, uint64_t out[2])
{
	uint64_t v[4] = {0, 0xee, 0, 0};

	sip_absorb(key, text, v);
	v[2] ^= 0xee;
	sip_rounds(v, 4);
	out[0] = v[0] ^ v[1] ^ v[2] ^ v[3];
	v[1] ^= 0xdd;
	sip_rounds(v, 4);
	out[1] = v[0] ^ v[1] ^ v[2] ^ v[3];
}
