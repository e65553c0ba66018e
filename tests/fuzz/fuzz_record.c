/* fuzz_record.c - hashes of Redis as records of tokens and jobs; the input is names and values, a
 * line each. */
#include <stdio.h>

#include "auth/redis/records.h"
#include "fuzz.h"

#define ELEMENTS_MAX 200

/* The answer to HGETALL that holds these lines. */
static redisReply *
reply_of(const uint8_t *data, size_t size)
{
	redisReader *reader = redisReaderCreate();
	size_t count = 0, begin = 0;
	char head[32];
	void *reply = NULL;

	CHECK(reader != NULL);
	for (size_t i = 0; i < size && count < ELEMENTS_MAX; i++)
		count += data[i] == '\n';
	redisReaderFeed(reader, head, (size_t)snprintf(head, sizeof(head), "*%zu\r\n", count));
	for (size_t i = 0; i < size && count > 0; i++) {
		if (data[i] != '\n')
			continue;
		redisReaderFeed(
		    reader, head, (size_t)snprintf(head, sizeof(head), "$%zu\r\n", i - begin));
		redisReaderFeed(reader, (const char *)data + begin, i - begin);
		redisReaderFeed(reader, "\r\n", 2);
		begin = i + 1;
		count--;
	}
	CHECK(redisReaderGetReply(reader, &reply) == REDIS_OK && reply != NULL);
	redisReaderFree(reader);
	return reply;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	redisReply *reply = reply_of(data, size);
	struct record *record;
	const char *why;

	for (int kind = RECORD_TOKEN; kind <= RECORD_JOB; kind++) {
		enum record_status status = record_decode(
		    (enum record_kind)kind, SLICE("abcdefghij012345"), reply, &record, &why);

		CHECK((status == RECORD_GOOD) == (record != NULL));
		free(record);
	}
	freeReplyObject(reply);
	return 0;
}
