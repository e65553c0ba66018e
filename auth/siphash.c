/* siphash.c - SipHash-2-4 with 64 and 128 bits, and SipHash-1-3 with 64. */
#include "auth/siphash.h"

/* The state. It is passed by value, so that it stays in registers. */
struct sip {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t
rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static inline struct sip
sip_round(struct sip s)
{
	s.v0 += s.v1;
	s.v1 = rotate(s.v1, 13) ^ s.v0;
	s.v0 = rotate(s.v0, 32);
	s.v2 += s.v3;
	s.v3 = rotate(s.v3, 16) ^ s.v2;
	s.v0 += s.v3;
	s.v3 = rotate(s.v3, 21) ^ s.v0;
	s.v2 += s.v1;
	s.v1 = rotate(s.v1, 17) ^ s.v2;
	s.v2 = rotate(s.v2, 32);
	return s;
}

static inline struct sip
sip_rounds(struct sip s, int count)
{
	for (int i = 0; i < count; i++)
		s = sip_round(s);
	return s;
}

static inline struct sip
sip_word(struct sip s, uint64_t word, int rounds)
{
	s.v3 ^= word;
	s = sip_rounds(s, rounds);
	s.v0 ^= word;
	return s;
}

/* The last rounds, and the words of the state in one. */
static inline struct sip
sip_end(struct sip s, int rounds, uint64_t *out)
{
	s = sip_rounds(s, rounds);
	*out = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
	return s;
}

static inline uint64_t
load_word(const char *at)
{
	uint64_t word;

	memcpy(&word, at, 8);
	return word;
}

/* The bytes of the text from i on, less than eight, as a word. */
static inline uint64_t
load_rest(struct slice text, size_t i)
{
	uint64_t word = 0;

	if (i == text.len)
		return 0;
	if (i > 0) /* the last eight bytes, without those that came before */
		return load_word(text.at + text.len - 8) >> (8 * (8 - (text.len - i)));
	for (; i < text.len; i++)
		word |= (uint64_t)(unsigned char)text.at[i] << (8 * i);
	return word;
}

/* The state after the whole text; words are little-endian. */
static inline struct sip
sip_absorb(const uint64_t key[2], struct slice text, uint64_t length_mark, int rounds)
{
	struct sip s = {key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d ^ length_mark,
	    key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573};
	size_t i = 0;

	for (; i + 8 <= text.len; i += 8)
		s = sip_word(s, load_word(text.at + i), rounds);
	return sip_word(s, (uint64_t)text.len << 56 | load_rest(text, i), rounds);
}

uint64_t
siphash_64(const uint64_t key[2], struct slice text)
{
	struct sip s = sip_absorb(key, text, 0, 2);
	uint64_t out;

	s.v2 ^= 0xff;
	sip_end(s, 4, &out);
	return out;
}

uint64_t
siphash13_64(const uint64_t key[2], struct slice text)
{
	struct sip s = sip_absorb(key, text, 0, 1);
	uint64_t out;

	s.v2 ^= 0xff;
	sip_end(s, 3, &out);
	return out;
}

void
siphash_128(const uint64_t key[2], struct slice text, uint64_t out[2])
{
	struct sip s = sip_absorb(key, text, 0xee, 2);

	s.v2 ^= 0xee;
	s = sip_end(s, 4, &out[0]);
	s.v1 ^= 0xdd;
	sip_end(s, 4, &out[1]);
}
