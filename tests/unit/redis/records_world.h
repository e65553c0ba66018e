/* records_world.h - replies to HGETALL, and the records that they become. */
#ifndef JOBGATE_TEST_RECORDS_WORLD_H
#define JOBGATE_TEST_RECORDS_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/redis/records.h"

#define ID SLICE("abcdefghij012345")
#define TOO_LARGE                                                                              \
	"it is larger than 1 MiB or 1024 fields; delete it, or the fields that do not belong " \
	"there (HDEL)"
#define HASH "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F"

/* A hash as a test writes it; a field without name ends it. */
struct field {
	struct slice name, value;
};

#define FIELDS_MAX 1100

struct hash {
	size_t count;
	struct field fields[FIELDS_MAX];
};

static inline void
set(struct hash *hash, struct slice name, struct slice value)
{
	size_t i = 0;

	while (i < hash->count && !slice_equal(hash->fields[i].name, name))
		i++;
	assert_true(i < FIELDS_MAX);
	hash->fields[i] = (struct field){name, value};
	if (i == hash->count)
		hash->count++;
}

static inline void
drop(struct hash *hash, struct slice name)
{
	size_t i = 0;

	while (!slice_equal(hash->fields[i].name, name))
		assert_true(++i < hash->count);
	hash->fields[i] = hash->fields[--hash->count];
}

/* Whatever these bytes say in Redis's protocol. */
static inline redisReply *
reply_of_bytes(const char *text, size_t len)
{
	redisReader *reader = redisReaderCreate();
	void *reply = NULL;

	assert_int_equal(redisReaderFeed(reader, text, len), REDIS_OK);
	assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
	assert_non_null(reply);
	redisReaderFree(reader);
	return reply;
}

static inline redisReply *
reply_of(const struct hash *hash)
{
	size_t cap = 64, len;
	redisReply *reply;
	char *text;

	for (size_t i = 0; i < hash->count; i++)
		cap += hash->fields[i].name.len + hash->fields[i].value.len + 64;
	text = malloc(cap);
	len = (size_t)snprintf(text, cap, "*%zu\r\n", 2 * hash->count);
	for (size_t i = 0; i < 2 * hash->count; i++) {
		struct slice part = i % 2 ? hash->fields[i / 2].value : hash->fields[i / 2].name;

		len += (size_t)snprintf(text + len, cap - len, "$%zu\r\n", part.len);
		if (part.len > 0)
			memcpy(text + len, part.at, part.len);
		len += part.len;
		memcpy(text + len, "\r\n", 2);
		len += 2;
	}
	reply = reply_of_bytes(text, len);
	free(text);
	return reply;
}

/* The record; the reply it was made of is gone by then. */
static inline struct record *
decode_good(enum record_kind kind, const struct hash *hash)
{
	redisReply *reply = reply_of(hash);
	struct record *record = NULL;
	const char *why = "";

	if (record_decode(kind, ID, reply, &record, &why) != RECORD_GOOD)
		fail_msg("refused: %s", why);
	assert_non_null(record);
	assert_int_equal(record->kind, kind);
	freeReplyObject(reply);
	return record;
}

static inline void
expect_broken(enum record_kind kind, const struct hash *hash)
{
	redisReply *reply = reply_of(hash);
	struct record *record = (struct record *)1;
	const char *why = NULL;

	assert_int_equal(record_decode(kind, ID, reply, &record, &why), RECORD_BROKEN);
	assert_null(record);
	assert_non_null(why);
	freeReplyObject(reply);
}

static inline struct hash
token_hash(void)
{
	struct hash hash = {0};

	set(&hash, SLICE("name"), SLICE("basetoken"));
	set(&hash, SLICE("role"), SLICE("read"));
	set(&hash, SLICE("selector"), SLICE("model=base,team="));
	set(&hash, SLICE("hash"), SLICE(HASH));
	set(&hash, SLICE("version"), SLICE("3"));
	set(&hash, SLICE("created_at"), SLICE("2026-01-02T03:04:05Z"));
	set(&hash, SLICE("updated_at"), SLICE("2026-01-02T03:04:05.678Z"));
	return hash;
}

static inline struct hash
job_hash(void)
{
	struct hash hash = {0};

	set(&hash, SLICE("url"), SLICE("http://127.0.0.1:8888/base/"));
	set(&hash, SLICE("label:model"), SLICE("base"));
	set(&hash, SLICE("label:example.com/team"), SLICE(""));
	set(&hash, SLICE("created_at"), SLICE("2026-01-02T03:04:05Z"));
	set(&hash, SLICE("updated_at"), SLICE("2026-01-02T03:04:05+00:00"));
	return hash;
}

static inline void
expect_size(const struct hash *hash, enum record_status wanted)
{
	redisReply *reply = reply_of(hash);
	struct record *record;
	const char *why;

	assert_int_equal(record_decode(RECORD_JOB, ID, reply, &record, &why), wanted);
	if (wanted == RECORD_TOO_LARGE)
		assert_string_equal(why, TOO_LARGE);
	free(record);
	freeReplyObject(reply);
}

#endif
