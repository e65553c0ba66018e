/* records_test.c - what a hash must hold to be a token or a job; all else is absent or unknown. */
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

static void
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

static void
drop(struct hash *hash, struct slice name)
{
	size_t i = 0;

	while (!slice_equal(hash->fields[i].name, name))
		assert_true(++i < hash->count);
	hash->fields[i] = hash->fields[--hash->count];
}

/* Whatever these bytes say in Redis's protocol. */
static redisReply *
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

static redisReply *
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
static struct record *
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

static void
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

static struct hash
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

static struct hash
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

/* ---- tokens ---- */

static void
a_token(void **state)
{
	struct hash hash = token_hash();
	struct record *record = decode_good(RECORD_TOKEN, &hash);
	const struct token *token = &record->token;

	(void)state;
	assert_true(slice_equal(token->id, ID));
	assert_true(token->id.at != ID.at);
	assert_true(slice_equal(token->name, SLICE("basetoken")));
	assert_int_equal(token->role, ROLE_READ);
	assert_int_equal(token->selector.count, 2);
	assert_true(slice_equal(token->selector.items[0].name, SLICE("model")));
	assert_true(slice_equal(token->selector.items[0].value, SLICE("base")));
	assert_true(slice_equal(token->selector.items[1].name, SLICE("team")));
	assert_int_equal(token->selector.items[1].value.len, 0);
	for (unsigned char i = 0; i < TOKEN_HASH_LEN; i++)
		assert_int_equal(token->hash[i], i);
	assert_int_equal(token->version, 3);
	assert_true(slice_equal(token->created_at, SLICE("2026-01-02T03:04:05Z")));
	assert_true(slice_equal(token->updated_at, SLICE("2026-01-02T03:04:05.678Z")));
	free(record);
}

static void
fields_of_others_and_dates_may_be_what_they_like(void **state)
{
	struct hash hash = token_hash();
	struct record *record;

	(void)state;
	set(&hash, SLICE("comment"), SLICE("\0\1\2"));
	set(&hash, SLICE(""), SLICE(""));
	set(&hash, SLICE("Role"), SLICE("admin"));
	drop(&hash, SLICE("created_at"));
	set(&hash, SLICE("selector"), SLICE(""));
	record = decode_good(RECORD_TOKEN, &hash);
	assert_int_equal(record->token.created_at.len, 0);
	assert_int_equal(record->token.selector.count, 0);
	free(record);
}

static void
a_token_without_a_field_is_broken(void **state)
{
	static const char *const needed[] = {"name", "role", "selector", "hash", "version"};

	(void)state;
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		struct hash hash = token_hash();

		drop(&hash, slice_of(needed[i]));
		expect_broken(RECORD_TOKEN, &hash);
	}
}

static void
a_token_with_a_bad_field_is_broken(void **state)
{
	const struct {
		const char *name;
		struct slice value;
	} cases[] = {
	    {"name", SLICE("")},
	    {"name", SLICE("-a")},
	    {"name", SLICE("a b")},
	    {"name", SLICE("a\0")},
	    {"role", SLICE("")},
	    {"role", SLICE("admin")},
	    {"role", SLICE("Operator")},
	    {"role", SLICE("operator\0")},
	    {"selector", SLICE("model")},
	    {"selector", SLICE(" ")},
	    {"selector", SLICE("\0")},
	    {"selector", SLICE("a=b,")},
	    {"selector", SLICE("a=b,a=c")},
	    {"selector", SLICE("a=b\0")},
	    {"hash", SLICE("")},
	    {"hash", SLICE("00010203")},
	    {"hash", SLICE(HASH "0")},
	    {"hash", SLICE(HASH "00")},
	    {"version", SLICE("")},
	    {"version", SLICE("0")},
	    {"version", SLICE("01")},
	    {"version", SLICE("-1")},
	    {"version", SLICE("+1")},
	    {"version", SLICE("1.0")},
	    {"version", SLICE("1 ")},
	    {"version", SLICE("0x1")},
	    {"version", SLICE("1\0")},
	    {"version", SLICE("1000000000000000000")},
	    {"version", SLICE("18446744073709551617")},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hash hash = token_hash();

		set(&hash, slice_of(cases[i].name), cases[i].value);
		expect_broken(RECORD_TOKEN, &hash);
	}
}

static void
each_digit_of_a_hash_counts(void **state)
{
	char text[] = HASH;
	struct hash hash = token_hash();

	(void)state;
	set(&hash, SLICE("hash"), (struct slice){text, 64});
	for (size_t i = 0; i < 64; i++) {
		char right = text[i];

		for (const char *bad = "gG:/@` \n"; *bad != '\0'; bad++) {
			text[i] = *bad;
			expect_broken(RECORD_TOKEN, &hash);
		}
		text[i] = right;
	}
}

static void
versions(void **state)
{
	struct hash hash = token_hash();
	struct record *record;

	(void)state;
	set(&hash, SLICE("version"), SLICE("1"));
	record = decode_good(RECORD_TOKEN, &hash);
	assert_int_equal(record->token.version, 1);
	free(record);
	set(&hash, SLICE("version"), SLICE("999999999999999999"));
	record = decode_good(RECORD_TOKEN, &hash);
	assert_true(record->token.version == 999999999999999999);
	free(record);
}

static void
roles_have_aliases(void **state)
{
	struct hash hash = token_hash();
	struct record *record;

	(void)state;
	set(&hash, SLICE("role"), SLICE("ai_training_operator"));
	record = decode_good(RECORD_TOKEN, &hash);
	assert_int_equal(record->token.role, ROLE_OPERATOR);
	free(record);
}

static void
dates(void **state)
{
	static const char *const good[] = {"2026-01-02T03:04:05Z", "2026-01-02T03:04:05.1Z",
	    "2026-01-02T03:04:05+00:00", "2026-01-02T03:04:05.123456789+00:00"};
	static const char *const bad[] = {"", "today", "2026-01-02", "2026-01-02T03:04:05",
	    "2026-01-02 03:04:05Z", "2026-01-02T03:04:05z", "2026-01-02T03:04:05.Z",
	    "2026-01-02T03:04:05,1Z", "2026-01-02T03:04:05+01:00", "2026-01-02T03:04:05.1",
	    "2026-01-02T03:04:05ZZ", "2026-01-0aT03:04:05Z", "1767322800",
	    "2026-01-02T03:04:05.123456789012345678901Z"};
	struct hash hash = token_hash();
	struct record *record;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		set(&hash, SLICE("created_at"), slice_of(good[i]));
		record = decode_good(RECORD_TOKEN, &hash);
		assert_true(slice_equal(record->token.created_at, slice_of(good[i])));
		free(record);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		set(&hash, SLICE("created_at"), slice_of(bad[i]));
		record = decode_good(RECORD_TOKEN, &hash);
		assert_int_equal(record->token.created_at.len, 0);
		free(record);
	}
}

/* ---- jobs ---- */

static void
a_job(void **state)
{
	struct hash hash = job_hash();
	struct record *record = decode_good(RECORD_JOB, &hash);
	const struct job *job = &record->job;

	(void)state;
	assert_true(slice_equal(job->id, ID));
	assert_true(slice_equal(job->url_text, SLICE("http://127.0.0.1:8888/base/")));
	assert_int_equal(job->url.scheme, JOB_URL_HTTP);
	assert_true(slice_equal(job->url.host, SLICE("127.0.0.1")));
	assert_int_equal(job->url.port, 8888);
	assert_true(slice_equal(job->url.base, SLICE("/base")));
	/* The parts point into the record, not into the reply that is gone. */
	assert_ptr_equal(job->url.host.at, job->url_text.at + 7);
	assert_int_equal(job->labels.count, 2);
	assert_true(slice_equal(job->labels.items[0].name, SLICE("model")));
	assert_true(slice_equal(job->labels.items[0].value, SLICE("base")));
	assert_true(slice_equal(job->labels.items[1].name, SLICE("example.com/team")));
	assert_int_equal(job->labels.items[1].value.len, 0);
	assert_true(slice_equal(job->updated_at, SLICE("2026-01-02T03:04:05+00:00")));
	free(record);
}

static void
a_job_may_have_next_to_nothing(void **state)
{
	struct hash hash = {0};
	struct record *record;

	(void)state;
	set(&hash, SLICE("labels:x"), SLICE("is no label"));
	record = decode_good(RECORD_JOB, &hash);
	assert_int_equal(record->job.url.scheme, JOB_URL_NONE);
	assert_int_equal(record->job.url_text.len, 0);
	assert_int_equal(record->job.labels.count, 0);
	free(record);
	set(&hash, SLICE("url"), SLICE(""));
	record = decode_good(RECORD_JOB, &hash);
	assert_int_equal(record->job.url.scheme, JOB_URL_NONE);
	free(record);
}

static void
a_job_with_a_bad_field_is_broken(void **state)
{
	const struct {
		struct slice name, value;
	} cases[] = {
	    {SLICE("url"), SLICE("ftp://h")},
	    {SLICE("url"), SLICE("http://h\0")},
	    {SLICE("url"), SLICE("http://[::1\0]")},
	    {SLICE("url"), SLICE("http://h/../x")},
	    {SLICE("url"), SLICE(" ")},
	    {SLICE("label:"), SLICE("x")},
	    {SLICE("label:-x"), SLICE("x")},
	    {SLICE("label:x\0"), SLICE("x")},
	    {SLICE("label:a b"), SLICE("x")},
	    {SLICE("label:a=b"), SLICE("x")},
	    {SLICE("label:/a"), SLICE("x")},
	    {SLICE("label:model"), SLICE("-")},
	    {SLICE("label:model"), SLICE("a b")},
	    {SLICE("label:model"), SLICE("base\0")},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hash hash = job_hash();

		set(&hash, cases[i].name, cases[i].value);
		expect_broken(RECORD_JOB, &hash);
	}
}

static void
a_job_has_at_most_64_labels(void **state)
{
	struct hash hash = {0};
	char names[JOB_LABELS_MAX + 1][16];
	struct record *record;

	(void)state;
	set(&hash, SLICE("url"), SLICE("unix:/run/x"));
	for (size_t i = 0; i < JOB_LABELS_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "label:n%zu", i);
		set(&hash, slice_of(names[i]), SLICE("v"));
	}
	record = decode_good(RECORD_JOB, &hash);
	assert_int_equal(record->job.labels.count, JOB_LABELS_MAX);
	assert_true(slice_equal(record->job.labels.items[63].name, SLICE("n63")));
	assert_true(slice_equal(record->job.url.path, SLICE("/run/x")));
	free(record);
	set(&hash, SLICE("label:more"), SLICE("v"));
	expect_broken(RECORD_JOB, &hash);
}

/* ---- sizes ---- */

static void
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

static void
a_record_has_at_most_1_mib(void **state)
{
	char *notes = calloc(1, 1 << 20);
	struct hash hash = {0};

	(void)state;
	set(&hash, SLICE("url"), SLICE("unix:/run/x"));
	set(&hash, SLICE("notes"), (struct slice){notes, (1 << 20) - 19});
	expect_size(&hash, RECORD_GOOD);
	set(&hash, SLICE("notes"), (struct slice){notes, (1 << 20) - 18});
	expect_size(&hash, RECORD_TOO_LARGE);
	free(notes);
}

static void
a_record_has_at_most_1024_fields(void **state)
{
	struct hash *hash = calloc(1, sizeof(*hash));
	char names[1024][16];

	(void)state;
	for (size_t i = 0; i < 1024; i++) {
		snprintf(names[i], sizeof(names[i]), "f%zu", i);
		set(hash, slice_of(names[i]), SLICE(""));
	}
	expect_size(hash, RECORD_GOOD);
	set(hash, SLICE("more"), SLICE(""));
	expect_size(hash, RECORD_TOO_LARGE);
	free(hash);
}

/* ---- what is no hash ---- */

static void
replies(void **state)
{
	const struct {
		const char *text;
		enum record_status status;
		const char *why; /* NULL: any */
	} cases[] = {
	    {"*0\r\n", RECORD_MISSING, NULL},
	    {"-WRONGTYPE Operation against a key\r\n", RECORD_BROKEN,
		"WRONGTYPE Operation against a key"},
	    {"-TOOLONG is this reply\r\n", RECORD_TOO_LARGE, TOO_LARGE},
	    {"-LOADING Redis is loading\r\n", RECORD_FAILED, "LOADING Redis is loading"},
	    {"-NOPERM no\r\n", RECORD_FAILED, "NOPERM no"},
	    {"-\r\n", RECORD_FAILED, ""},
	    {"+OK\r\n", RECORD_FAILED, NULL},
	    {":1\r\n", RECORD_FAILED, NULL},
	    {"$-1\r\n", RECORD_FAILED, NULL},
	    {"$4\r\nname\r\n", RECORD_FAILED, NULL},
	    {"*-1\r\n", RECORD_FAILED, NULL},
	    {"*1\r\n$4\r\nname\r\n", RECORD_FAILED, NULL},
	    {"*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n", RECORD_FAILED, NULL},
	    {"*2\r\n$4\r\nname\r\n:1\r\n", RECORD_FAILED, NULL},
	    {"*2\r\n$4\r\nname\r\n$-1\r\n", RECORD_FAILED, NULL},
	    {"*2\r\n*0\r\n$1\r\na\r\n", RECORD_FAILED, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (int kind = RECORD_TOKEN; kind <= RECORD_JOB; kind++) {
			redisReply *reply = reply_of_bytes(cases[i].text, strlen(cases[i].text));
			struct record *record = (struct record *)1;
			const char *why = NULL;

			assert_int_equal(
			    record_decode((enum record_kind)kind, ID, reply, &record, &why),
			    cases[i].status);
			assert_null(record);
			if (cases[i].why != NULL)
				assert_string_equal(why, cases[i].why);
			else
				assert_int_equal(why == NULL, cases[i].status == RECORD_MISSING);
			freeReplyObject(reply);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_token),
	    cmocka_unit_test(fields_of_others_and_dates_may_be_what_they_like),
	    cmocka_unit_test(a_token_without_a_field_is_broken),
	    cmocka_unit_test(a_token_with_a_bad_field_is_broken),
	    cmocka_unit_test(each_digit_of_a_hash_counts),
	    cmocka_unit_test(versions),
	    cmocka_unit_test(roles_have_aliases),
	    cmocka_unit_test(dates),
	    cmocka_unit_test(a_job),
	    cmocka_unit_test(a_job_may_have_next_to_nothing),
	    cmocka_unit_test(a_job_with_a_bad_field_is_broken),
	    cmocka_unit_test(a_job_has_at_most_64_labels),
	    cmocka_unit_test(a_record_has_at_most_1_mib),
	    cmocka_unit_test(a_record_has_at_most_1024_fields),
	    cmocka_unit_test(replies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
