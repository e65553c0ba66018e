/* h2_long_block.h - a field block that is longer than any that is served. */
#ifndef JOBGATE_TEST_H2_LONG_BLOCK_H
#define JOBGATE_TEST_H2_LONG_BLOCK_H

#include <stddef.h>
#include <string.h>

/*
 * Fill `bytes` with literals with indexing, of the name "x" and 1,000 letters each, so that the
 * table is full of them; behind them `rest` (an index of the static table) again and again. Returns
 * where the rest begins.
 */
static inline size_t
fill_block(char *bytes, size_t size, char rest)
{
	static const char head[] = "\x40\x01x\x7f\xe9\x06"; /* 7f e9 06: 1,000 */
	size_t at = 0, piece = sizeof(head) - 1 + 1000;

	while (at + piece <= size) {
		memcpy(bytes + at, head, sizeof(head) - 1);
		memset(bytes + at + sizeof(head) - 1, 'v', 1000);
		at += piece;
	}
	memset(bytes + at, rest, size - at);
	return at;
}

#endif
