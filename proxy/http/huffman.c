/*
 * huffman.c - the Huffman code of HPACK, with tables that huffman_tables.py derives from the code
 * lengths.
 */
#include "http/huffman.h"

#include <endian.h>

#include "http/huffman_tables.h"

#define WORD_BITS 64
#define EOS 256 /* the symbol after the last byte */

/*
 * A word holds at least this many codes of at most 8 bits, even if up to 7 bits at its end are
 * missing.
 */
#define SHORT_IN_WORD 7

/* A string as bits; those before `pos` have been decoded. */
struct reader {
	const char *at;
	size_t bits;   /* of the string */
	size_t pos;    /* may be more than `bits` when a code is cut */
	uint64_t last; /* the last bits of the string, in the lowest bits */
};

static uint64_t
load_word(const char *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return be64toh(word);
}

static struct reader
reader_of(struct slice code)
{
	struct reader reader = {.at = code.at, .bits = code.len * 8};

	if (code.len >= sizeof(uint64_t))
		reader.last = load_word(code.at + code.len - sizeof(uint64_t));
	else
		for (size_t i = 0; i < code.len; i++)
			reader.last = reader.last << 8 | (unsigned char)code.at[i];
	return reader;
}

/*
 * The next bits, at least 57 of them, from the highest bit down. After the end of the string there
 * are ones.
 */
static inline uint64_t
next_word(const struct reader *reader)
{
	size_t left = reader->bits - reader->pos;

	if (left >= WORD_BITS)
		return load_word(reader->at + reader->pos / 8) << reader->pos % 8;
	if (left == 0)
		return UINT64_MAX;
	return reader->last << (WORD_BITS - left) | UINT64_MAX >> left;
}

/* Decode a code of more than 8 bits. It may be EOS. */
static unsigned
find_long(uint64_t word, unsigned *bits)
{
	uint32_t code = (uint32_t)(word >> 32);
	const struct huffman_long *row = huffman_long;
	unsigned symbol;

	/* It ends here at the latest, because the last row has only ones. */
	while (code > row->last)
		row++;
	*bits = row->bits;
	symbol = row->symbol + ((code >> (32 - row->bits)) - row->first);
	return symbol < EOS ? huffman_symbols[symbol] : EOS;
}

/* The first symbol of a word, and how many bits its code has. */
static inline unsigned
find_symbol(uint64_t word, unsigned *bits)
{
	struct huffman_short found = huffman_short[word >> (WORD_BITS - 8)];

	*bits = found.bits;
	return found.bits != 0 ? found.symbol : find_long(word, bits);
}

/*
 * Decode short codes until a long one comes, or as many as fit into a word; *out advances. True
 * when there may be more of them. A mark in the lowest bit of the word shows how far the word has
 * been shifted, which is cheaper than counting. A code that is cut is completed with ones, so pos
 * may pass the end.
 */
static inline bool
take_short(struct reader *reader, char **out)
{
	uint64_t word = next_word(reader) | 1;
	char *at = *out, *full = at + SHORT_IN_WORD;

	for (int i = 0; i < SHORT_IN_WORD; i++) {
		struct huffman_short found = huffman_short[word >> (WORD_BITS - 8)];

		if (found.bits == 0)
			break;
		*at++ = (char)found.symbol;
		word <<= found.bits;
	}
	reader->pos += (unsigned)__builtin_ctzll(word);
	*out = at;
	return at == full && reader->pos < reader->bits;
}

/* RFC 7541 section 5.2: fewer than 8 bits of the string are left, and all are ones. */
static inline bool
is_padding(const struct reader *reader, uint64_t word)
{
	return reader->bits - reader->pos < 8 && word == UINT64_MAX;
}

enum huffman_status
huffman_decode(struct slice code, char *out, size_t cap, size_t *len)
{
	struct reader reader = reader_of(code);
	char *at = out, *end = out + cap;

	for (;;) {
		unsigned symbol, bits;
		uint64_t word;

		while (end - at >= SHORT_IN_WORD && take_short(&reader, &at))
			;
		if (reader.pos > reader.bits)
			return HUFFMAN_BAD;
		word = next_word(&reader);
		if (is_padding(&reader, word)) {
			*len = (size_t)(at - out);
			return HUFFMAN_OK;
		}
		symbol = find_symbol(word, &bits);
		if (symbol == EOS || bits > reader.bits - reader.pos)
			return HUFFMAN_BAD;
		if (at == end)
			return HUFFMAN_FULL;
		*at++ = (char)symbol;
		reader.pos += bits;
	}
}

size_t
huffman_len(struct slice text)
{
	size_t bits = 0;

	for (size_t i = 0; i < text.len; i++)
		bits += huffman_codes[(unsigned char)text.at[i]].bits;
	return (bits + 7) / 8;
}

size_t
huffman_encode(struct slice text, char *out)
{
	uint64_t word = 0; /* its lowest `count` bits are not written yet */
	unsigned count = 0;
	char *at = out;

	for (size_t i = 0; i < text.len; i++) {
		struct huffman_code code = huffman_codes[(unsigned char)text.at[i]];

		word = word << code.bits | code.code;
		for (count += code.bits; count >= 8; count -= 8)
			*at++ = (char)(word >> (count - 8));
	}
	if (count > 0)
		*at++ = (char)(word << (8 - count) | 0xffu >> count);
	return (size_t)(at - out);
}
