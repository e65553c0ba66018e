/*
 * fuzz_reply.c - bytes from Redis: a reply ends at the same place in pieces of any size, and
 * hiredis agrees.
 */
#include <hiredis/hiredis.h>

#include "auth/redis/reply_scan.h"
#include "fuzz.h"

#define ELEMENTS_MAX (1u << 20)

/* True when hiredis finds a reply in this many bytes; an error counts as one. */
static bool
is_reply(const char *bytes, size_t len)
{
	redisReader *reader = redisReaderCreate();
	void *reply = NULL;
	bool found;

	CHECK(reader != NULL && redisReaderFeed(reader, bytes, len) == REDIS_OK);
	found = redisReaderGetReply(reader, &reply) != REDIS_OK || reply != NULL;
	freeReplyObject(reply);
	redisReaderFree(reader);
	return found;
}

static void
check_pieces(const uint8_t *data, size_t end, size_t piece, enum reply_scan_state wanted)
{
	struct reply_scan scan = {0};
	enum reply_scan_state state = REPLY_UNFINISHED;

	for (size_t at = 0; at < end; at += piece) {
		size_t len = end - at < piece ? end - at : piece;
		char *copy = exact_copy(data + at, len);

		CHECK(state == REPLY_UNFINISHED);
		CHECK(reply_scan(&scan, copy, len, &state) == len);
		CHECK(scan.depth <= REPLY_DEPTH_MAX);
		free(copy);
	}
	CHECK(end == 0 || state == wanted);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *bytes = exact_copy(data, size);
	struct reply_scan scan = {0};
	enum reply_scan_state state;
	size_t end = reply_scan(&scan, bytes, size, &state);

	CHECK(end <= size && (state != REPLY_UNFINISHED || end == size));
	for (size_t piece = 1; piece < 8; piece++)
		check_pieces(data, end, piece, state);
	if (state == REPLY_FINISHED && scan.elements <= ELEMENTS_MAX) {
		CHECK(scan.bytes == end);
		CHECK(is_reply(bytes, end));
	}
	free(bytes);
	return 0;
}
