/*
 * fuzz_record.c - Redis's answers as records of tokens and jobs. The input is names and values, one
 * on each line; "(nil)", "(integer)" and "(array)" stand for elements of those types.
 */
#include <stdio.h>

#include "auth/redis/records.h"
#include "fuzz.h"

#define ELEMENTS_MAX 200

/* One line as an element of the answer. */
static void
feed(redisReader *reader, struct slice line)
{
	char head[32];

	if (slice_equal(line, SLICE("(nil)"))) {
		redisReaderFeed(reader, "$-1\r\n", 5);
	} else if (slice_equal(line, SLICE("(integer)"))) {
		redisReaderFeed(reader, ":7\r\n", 4);
	} else if (slice_equal(line, SLICE("(array)"))) {
		redisReaderFeed(reader, "*0\r\n", 4);
	} else {
		redisReaderFeed(
		    reader, head, (size_t)snprintf(head, sizeof(head), "$%zu\r\n", line.len));
		redisReaderFeed(reader, line.at, line.len);
		redisReaderFeed(reader, "\r\n", 2);
	}
}

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
		feed(reader, (struct slice){(const char *)data + begin, i - begin});
		begin = i + 1;
		count--;
	}
	CHECK(redisReaderGetReply(reader, &reply) == REDIS_OK && reply != NULL);
	redisReaderFree(reader);
	return reply;
}

static void
check_labels(const struct label_set *labels, size_t max)
{
	size_t bad;

	CHECK(labels->count <= max);
	for (size_t i = 0; i < labels->count; i++) {
		CHECK(jg_label_name_check(labels->items[i].name, &bad) == LABEL_OK);
		CHECK(jg_label_value_check(labels->items[i].value, &bad) == LABEL_OK);
	}
}

/* A record that is taken keeps every rule that the decision relies on. (That no label occurs twice
 * is Redis's promise: a hash has no field twice.) */
static bool
same_url(const struct job_url *a, const struct job_url *b)
{
	return a->scheme == b->scheme && a->port == b->port && slice_equal(a->host, b->host) &&
	       slice_equal(a->base, b->base) && slice_equal(a->path, b->path);
}

static void
check_record(const struct record *record)
{
	struct job_url urls[JOB_URLS_MAX];
	size_t count, bad;

	switch (record->kind) {
	case RECORD_TOKEN:
		CHECK(slice_equal(record->token.id, SLICE("abcdefghij012345")));
		CHECK(jg_token_name_valid(record->token.name) && record->token.version > 0);
		CHECK(record->token.role == ROLE_READ || record->token.role == ROLE_OPERATOR);
		check_labels(&record->token.selector, SELECTOR_LABELS_MAX);
		return;
	case RECORD_JOB:
		CHECK(slice_equal(record->job.id, SLICE("abcdefghij012345")));
		CHECK(jg_job_urls_parse(record->job.url_text, urls, &count, &bad));
		CHECK(count == 0 || same_url(&urls[0], &record->job.url));
		CHECK(record->job.replicas.count == (count > 1 ? count : 0));
		for (size_t i = 0; i < record->job.replicas.count; i++)
			CHECK(same_url(&urls[i], &record->job.replicas.items[i]));
		check_labels(&record->job.labels, JOB_LABELS_MAX);
		return;
	case RECORD_SIGN_IN:
		CHECK(record->sign_in.version > 0);
		CHECK(jg_token_id_valid((struct slice){record->sign_in.token_id, TOKEN_ID_LEN}));
		return;
	}
	CHECK(false);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	redisReply *reply = reply_of(data, size);
	struct record *record;
	const char *why;

	for (int kind = RECORD_TOKEN; kind <= RECORD_SIGN_IN; kind++) {
		enum record_status status = record_decode(
		    (enum record_kind)kind, SLICE("abcdefghij012345"), reply, &record, &why);

		CHECK((status == RECORD_GOOD) == (record != NULL));
		if (record != NULL)
			check_record(record);
		else if (status != RECORD_MISSING)
			CHECK(why != NULL && why[0] != '\0');
		free(record);
	}
	freeReplyObject(reply);
	return 0;
}
