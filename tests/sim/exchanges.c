/* exchanges.c - marks and content of exchanges. */
#include "exchanges.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Content comes in blocks that are also frames of a WebSocket from the server, so that the gateway
 * finds where one ends: 0x82, the length, then the mark, the offset and the direction over and
 * over. Those of gRPC calls are messages: 0, the length in four bytes, and the same.
 */
#define BLOCK 64

struct sim_exchange *
exchanges_add(struct sim_exchanges *exchanges, uint32_t *mark)
{
	if (exchanges->count == exchanges->room) {
		exchanges->room = exchanges->room == 0 ? 1024 : 2 * exchanges->room;
		exchanges->all = realloc(exchanges->all, exchanges->room * sizeof(*exchanges->all));
		if (exchanges->all == NULL)
			abort();
	}
	*mark = (uint32_t)exchanges->count + 1;
	exchanges->all[exchanges->count] = (struct sim_exchange){.backend = -1};
	return &exchanges->all[exchanges->count++];
}

struct sim_exchange *
exchanges_get(struct sim_exchanges *exchanges, uint32_t mark)
{
	mark &= ~MARK_OF_CALL;
	return mark > 0 && mark <= exchanges->count ? &exchanges->all[mark - 1] : NULL;
}

uint32_t
exchange_number(const char *text, size_t len, int base)
{
	char copy[24];

	snprintf(copy, sizeof(copy), "%.*s", (int)len, len > 0 ? text : "");
	return (uint32_t)strtoul(copy, NULL, base);
}

const char *
exchange_method(const struct exchange_plan *plan, uint32_t mark)
{
	if (plan->head_only)
		return "HEAD";
	if (plan->call)
		return "POST";
	if (plan->request_framing == FRAMING_NONE)
		return "GET";
	return mark % 2 == 0 ? "POST" : "PUT";
}

static uint64_t
word_of(uint32_t mark, bool to_backend, uint64_t block)
{
	uint64_t word = (uint64_t)mark << 32 | (uint64_t)to_backend << 31 | (block & 0x7fffffff);

	word *= 0x9e3779b97f4a7c15u;
	return word ^ word >> 32;
}

static void
block_fill(char out[BLOCK], uint32_t mark, bool to_backend, uint64_t block)
{
	static const char call[] = {0, 0, 0, 0, BLOCK - 5}, frame[] = {(char)0x82, BLOCK - 2};
	uint64_t word = word_of(mark, to_backend, block);

	for (size_t i = 0; i < BLOCK; i += sizeof(word))
		memcpy(out + i, &word, sizeof(word));
	if ((mark & MARK_OF_CALL) != 0)
		memcpy(out, call, sizeof(call));
	else
		memcpy(out, frame, sizeof(frame));
}

char
content_byte(uint32_t mark, bool to_backend, uint64_t offset)
{
	char block[BLOCK];

	block_fill(block, mark, to_backend, offset / BLOCK);
	return block[offset % BLOCK];
}

void
content_fill(char *out, size_t len, uint32_t mark, bool to_backend, uint64_t offset)
{
	char block[BLOCK];

	while (len > 0) {
		size_t at = offset % BLOCK, n = BLOCK - at < len ? BLOCK - at : len;

		block_fill(block, mark, to_backend, offset / BLOCK);
		memcpy(out, block + at, n);
		out += n;
		len -= n;
		offset += n;
	}
}

size_t
content_compare(const char *bytes, size_t len, uint32_t mark, bool to_backend, uint64_t offset)
{
	char block[BLOCK];
	size_t done = 0;

	while (done < len) {
		size_t at = (offset + done) % BLOCK;
		size_t n = BLOCK - at < len - done ? BLOCK - at : len - done;

		block_fill(block, mark, to_backend, (offset + done) / BLOCK);
		if (memcmp(bytes + done, block + at, n) != 0)
			break;
		done += n;
	}
	while (done < len && bytes[done] == content_byte(mark, to_backend, offset + done))
		done++;
	return done;
}

size_t
content_before_blank(const char *bytes, size_t len, uint32_t mark, bool to_backend, uint64_t offset)
{
	size_t good = content_compare(bytes, len, mark, to_backend, offset);

	if (good < len)
		while (good > 0 && content_is_blank(bytes + good - 1, 1))
			good--;
	return good;
}

bool
content_is_blank(const char *content, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)content[i] != 0xff)
			return false;
	return true;
}
