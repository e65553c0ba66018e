/* records_test.c - records of tokens and jobs from hashes. */
#include "records_world.h"

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

/* A renewal that does not know the grace's fields changes the version, and so ends the grace. */
static void
a_grace_counts_only_with_the_version_before(void **state)
{
	static const char *const others[] = {"1", "3", "4", "02", "", "999999999999999999"};
	struct hash hash = token_hash();
	struct record *record;

	(void)state;
	set(&hash, SLICE("previous_until"), SLICE("2026-01-31T12:00:00Z"));
	set(&hash, SLICE("previous_hash"), SLICE(HASH));
	for (size_t i = 0; i <= sizeof(others) / sizeof(others[0]); i++) {
		if (i > 0)
			set(&hash, SLICE("previous_version"), slice_of(others[i - 1]));
		record = decode_good(RECORD_TOKEN, &hash);
		assert_int_equal(record->token.previous_until_ms, 0);
		assert_int_equal(record->token.previous_version, 0);
		assert_int_equal(record->token.previous_hash[31], 0);
		free(record);
	}
	set(&hash, SLICE("previous_version"), SLICE("2"));
	record = decode_good(RECORD_TOKEN, &hash);
	assert_true(record->token.previous_until_ms == 1769860800000);
	assert_int_equal(record->token.previous_version, 2);
	assert_int_equal(record->token.previous_hash[31], 31);
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

/* A limit that was lost must not make a token that has none. */
static void
a_role_that_needs_a_missing_field_is_broken(void **state)
{
	struct hash hash = token_hash();
	struct record *record;

	(void)state;
	set(&hash, SLICE("role"), SLICE("read needs expires_at"));
	expect_broken(RECORD_TOKEN, &hash);
	set(&hash, SLICE("expires_at"), SLICE("2026-01-31T12:00:00Z"));
	record = decode_good(RECORD_TOKEN, &hash);
	assert_true(record->token.expires_ms == 1769860800000);
	free(record);
	drop(&hash, SLICE("expires_at"));
	expect_broken(RECORD_TOKEN, &hash);
	set(&hash, SLICE("role"), SLICE("read"));
	free(decode_good(RECORD_TOKEN, &hash));
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

/* They come in the order of their numbers, and one that breaks the rules breaks the record. */
static void
ports_of_a_job(void **state)
{
	struct hash hash = job_hash();
	const struct job_ports *ports;
	struct record *record;

	(void)state;
	set(&hash, SLICE("port:9000"), SLICE("grpc://h:1"));
	set(&hash, SLICE("port:80"), SLICE("unix:/s"));
	record = decode_good(RECORD_JOB, &hash);
	ports = &record->job.ports;
	assert_int_equal(ports->count, 2);
	assert_int_equal(ports->items[0].number, 80);
	assert_int_equal(ports->items[0].url.scheme, JOB_URL_UNIX);
	assert_int_equal(ports->items[1].number, 9000);
	assert_int_equal(ports->items[1].url.scheme, JOB_URL_H2C);
	assert_ptr_equal(ports->items[1].url.host.at, ports->items[1].url_text.at + 7);
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
addresses(void **state)
{
	static const char *const bad[] = {"", "x", "10.0.0.0/33", "10.0.0.0/8,",
	    "::1,::1,::1,::1,::1,::1,::1,::1,::1,::1,::1,::1,::1,::1,::1,::1,::1"};
	struct hash hash = token_hash();
	struct record *record;

	(void)state;
	set(&hash, SLICE("from"), SLICE("10.0.0.0/8, 2001:db8::1"));
	record = decode_good(RECORD_TOKEN, &hash);
	assert_int_equal(record->token.from.count, 2);
	assert_int_equal(record->token.from.items[0].prefix, 96 + 8);
	assert_int_equal(record->token.from.items[1].prefix, 128);
	free(record);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		set(&hash, SLICE("from"), slice_of(bad[i]));
		expect_broken(RECORD_TOKEN, &hash);
	}
}

/* ---- sign-ins ---- */

static void
a_sign_in(void **state)
{
	static const char *const needed[] = {"token", "version", "mark"};
	struct hash hash = {0};
	struct record *record;

	(void)state;
	set(&hash, SLICE("token"), SLICE("abcdefghij012345"));
	set(&hash, SLICE("version"), SLICE("7"));
	set(&hash, SLICE("mark"), SLICE("000102030405060708090a0b"));
	record = decode_good(RECORD_SIGN_IN, &hash);
	assert_memory_equal(record->sign_in.token_id, "abcdefghij012345", TOKEN_ID_LEN);
	assert_int_equal(record->sign_in.version, 7);
	for (unsigned char i = 0; i < TOKEN_MARK_LEN; i++)
		assert_int_equal(record->sign_in.mark[i], i);
	free(record);
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		struct hash less = hash;

		drop(&less, slice_of(needed[i]));
		expect_broken(RECORD_SIGN_IN, &less);
		set(&less, slice_of(needed[i]), SLICE("x"));
		expect_broken(RECORD_SIGN_IN, &less);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_sign_in),
	    cmocka_unit_test(a_token),
	    cmocka_unit_test(fields_of_others_and_dates_may_be_what_they_like),
	    cmocka_unit_test(a_token_without_a_field_is_broken),
	    cmocka_unit_test(a_token_with_a_bad_field_is_broken),
	    cmocka_unit_test(each_digit_of_a_hash_counts),
	    cmocka_unit_test(versions),
	    cmocka_unit_test(a_grace_counts_only_with_the_version_before),
	    cmocka_unit_test(roles_have_aliases),
	    cmocka_unit_test(a_role_that_needs_a_missing_field_is_broken),
	    cmocka_unit_test(addresses),
	    cmocka_unit_test(dates),
	    cmocka_unit_test(a_job),
	    cmocka_unit_test(ports_of_a_job),
	    cmocka_unit_test(a_job_may_have_next_to_nothing),
	    cmocka_unit_test(a_job_with_a_bad_field_is_broken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
