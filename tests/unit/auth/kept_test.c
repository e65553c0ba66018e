/* kept_test.c - what the directory gives back of a record that it was fed with. */
#include "directory_fake.h"

#include "auth/record_fields.h"

#define ID "abcdefghij012345"

static const struct label labels[] = {
    {SLICE("model"), SLICE("base")}, {SLICE("team"), SLICE("blue")}};

static struct token
plain_token(void)
{
	struct token token = {.id = SLICE(ID),
	    .name = SLICE("ci-runner"),
	    .role = ROLE_OPERATOR,
	    .selector = {2, labels},
	    .version = TOKEN_VERSION_MAX,
	    .minted = 3,
	    .created_at = SLICE("2026-01-31T12:00:00Z"),
	    .limits = {TOKEN_RATE_MAX, TOKEN_BURST_MAX, TOKEN_CONCURRENCY_MAX}};

	for (size_t i = 0; i < TOKEN_HASH_LEN; i++)
		token.hash[i] = (unsigned char)(i * 7 + 1);
	return token;
}

/* Feed the directory with a copy of the record; what it says of it then. */
static struct directory_answer
feed(struct fake *fake, struct slice id, const struct record *record)
{
	struct directory *directory = fake->directory;
	struct directory_answer answer =
	    jg_directory_lookup(directory, record->kind, id, START, NULL);

	if (!answer.pending) { /* it has changed */
		jg_directory_invalidate(directory, record->kind, id, START);
		assert_true(jg_directory_lookup(directory, record->kind, id, START, NULL).pending);
	}
	jg_directory_feed(
	    directory, fake->asked[fake->first++], FEED_RECORD, record_copy(record), START);
	answer = jg_directory_lookup(directory, record->kind, id, START, NULL);
	assert_int_equal(answer.known, RECORD_KNOWN);
	return answer;
}

static struct directory_answer
feed_token(struct fake *fake, const struct token *token, uint64_t ends_ms)
{
	return feed(fake, token->id,
	    &(struct record){.kind = RECORD_TOKEN, .ends_ms = ends_ms, .token = *token});
}

static void
expect_token(struct directory_answer answer, const struct token *token)
{
	struct token room;
	const struct token *found = jg_directory_token(answer.entry, &room);

	assert_true(slice_equal(found->id, token->id));
	assert_true(slice_equal(found->name, token->name));
	assert_int_equal(found->role, token->role);
	assert_int_equal(found->selector.count, token->selector.count);
	assert_true(jg_selector_match(&token->selector, &found->selector));
	assert_memory_equal(found->hash, token->hash, TOKEN_HASH_LEN);
	assert_true(found->version == token->version && found->expires_ms == token->expires_ms);
	assert_true(found->limits.rate == token->limits.rate &&
		    found->limits.burst == token->limits.burst &&
		    found->limits.concurrency == token->limits.concurrency);
	assert_true(jg_ip_ranges_equal(&found->from, &token->from));
	assert_true(found->previous_until_ms == token->previous_until_ms &&
		    found->previous_version == token->previous_version);
	assert_memory_equal(found->previous_hash, token->previous_hash, TOKEN_HASH_LEN);
}

static void
a_plain_token_has_a_card(void **state)
{
	struct fake *fake = *state;
	struct token token = plain_token();
	struct directory_answer answer = feed_token(fake, &token, 0);

	expect_token(answer, &token);
	assert_true(answer.entry->plain);
	assert_memory_equal(answer.card.id, ID, TOKEN_ID_LEN);
	assert_memory_equal(answer.card.hash, token.hash, TOKEN_HASH_LEN);
	assert_int_equal(answer.card.selector->count, 2);
	/* It is renewed: neither the card nor the rest is what it was. */
	token.hash[31] ^= 1;
	token.version--;
	token.selector.count = 1;
	token.name = SLICE("a-name-that-is-much-longer-than-the-one-it-had-before.and-63-long");
	token.name.len = TOKEN_NAME_MAX;
	answer = feed_token(fake, &token, 0);
	expect_token(answer, &token);
	assert_memory_equal(answer.card.hash, token.hash, TOKEN_HASH_LEN);
	assert_int_equal(answer.card.selector->count, 1);
	/* Without a record there is nothing. */
	jg_directory_invalidate(fake->directory, RECORD_TOKEN, token.id, START);
	jg_directory_lookup(fake->directory, RECORD_TOKEN, token.id, START, NULL);
	fake_reply(fake, FEED_ABSENT, 0, START);
	answer = jg_directory_lookup(fake->directory, RECORD_TOKEN, token.id, START, NULL);
	assert_int_equal(answer.known, RECORD_ABSENT);
	assert_null(answer.card.hash);
	jg_directory_tick(fake->directory, START + 1);
	assert_int_equal(fake->directory->sets.table.count, 0);
}

/* Whatever a decision has to look at besides, there is no card. */
static void
other_tokens_have_none(void **state)
{
	struct fake *fake = *state;
	struct ip_range range = {.prefix = 128};
	struct token token = plain_token();

	token.expires_ms = 5;
	expect_token(feed_token(fake, &token, 0), &token);
	assert_null(feed_token(fake, &token, 0).card.hash);
	token = plain_token();
	token.from = (struct ip_ranges){1, &range};
	expect_token(feed_token(fake, &token, 0), &token);
	assert_null(feed_token(fake, &token, 0).card.hash);
	token = plain_token();
	token.previous_until_ms = 9;
	token.previous_version = token.version - 1;
	token.previous_hash[0] = 4;
	expect_token(feed_token(fake, &token, 0), &token);
	assert_null(feed_token(fake, &token, 0).card.hash);
	token = plain_token();
	expect_token(feed_token(fake, &token, START + 1), &token);
	assert_null(feed_token(fake, &token, START + 1).card.hash);
	/* A number too large for what is kept: no gateway writes one. */
	token.limits.rate = 1ull << 40;
	expect_token(feed_token(fake, &token, 0), &token);
	assert_null(feed_token(fake, &token, 0).card.hash);
	token = plain_token();
	expect_token(feed_token(fake, &token, 0), &token);
	assert_non_null(feed_token(fake, &token, 0).card.hash);
}

static void
tokens_share_a_selector(void **state)
{
	struct fake *fake = *state;
	struct token token = plain_token();
	const struct label_set *selector = feed_token(fake, &token, 0).card.selector;

	token.id = SLICE("bbbbbbbbbb012345");
	assert_ptr_equal(feed_token(fake, &token, 0).card.selector, selector);
	assert_int_equal(fake->directory->sets.table.count, 1);
}

static void
a_job_with_a_url_has_labels(void **state)
{
	struct fake *fake = *state;
	struct record record = {.kind = RECORD_JOB,
	    .job = {.id = SLICE("demo"), .labels = {2, labels}, .url_text = SLICE("http://h")}};
	struct directory_answer answer = feed(fake, record.job.id, &record);

	assert_int_equal(answer.labels->count, 2);
	assert_int_equal(jg_directory_job(answer.entry)->url.port, 80);
	record.job.url_text = SLICE("");
	answer = feed(fake, record.job.id, &record);
	assert_null(answer.labels);
	assert_int_equal(jg_directory_job(answer.entry)->labels.count, 2);
	assert_int_equal(jg_directory_job(answer.entry)->url.scheme, JOB_URL_NONE);
}

static void
ignore(struct directory_watch *watch)
{
	(void)watch;
}

/*
 * Names that fit into the entry and names that do not, one after the other, and now and then a
 * token that is kept as a record: each takes the place of the one before. The last use is not lost.
 */
static void
names_of_each_length_are_kept(void **state)
{
	struct fake *fake = *state;
	struct directory_watch watch = {.changed = ignore}; /* so that the entry stays */
	struct ip_range range = {.prefix = 128};
	struct directory_answer answer;
	char name[TOKEN_NAME_MAX];
	struct slice used;

	for (size_t i = 0; i < sizeof(name); i++)
		name[i] = (char)('a' + i % 26);
	for (size_t i = 0; i <= 2 * TOKEN_NAME_MAX; i++) {
		struct token token = plain_token();

		/* 0, 63, 1, 62 and so on */
		token.name.at = name;
		token.name.len = i % 2 == 0 ? i / 2 : TOKEN_NAME_MAX - i / 2;
		if (i % 5 == 4)
			token.from = (struct ip_ranges){1, &range};
		if (i % 3 == 1)
			token.expires_ms = 1000 + i;
		answer = feed_token(fake, &token, i % 7 == 6 ? START + 1 : 0);
		if (i == 0)
			jg_directory_watch(answer.entry, &watch);
		assert_ptr_equal(answer.entry, watch.entry);
		expect_token(answer, &token);
		assert_int_equal(answer.entry->plain, i % 5 != 4 && i % 7 != 6);
		assert_int_equal(answer.card.hash != NULL, answer.entry->plain && i % 3 != 1);
		assert_int_equal(jg_directory_use(answer.entry, 30000000, &used), i == 0);
	}
	assert_true(jg_directory_use(answer.entry, 30000001, &used));
	assert_true(slice_equal(used, SLICE(ID)));
	jg_directory_unwatch(&watch);
}

/* A record that breaks the rules takes the place of a token that was kept without its record. */
static void
what_is_kept_goes_with_its_record(void **state)
{
	struct fake *fake = *state;
	struct token token = plain_token();
	struct directory_watch watch = {.changed = ignore};
	struct directory_answer answer;

	token.name = SLICE("a-name-that-has-no-room-in-the-entry");
	answer = feed_token(fake, &token, 0);
	assert_true(answer.entry->plain);
	jg_directory_watch(answer.entry, &watch);
	jg_directory_invalidate(fake->directory, RECORD_TOKEN, token.id, START);
	fake_reply(fake, FEED_BROKEN, 0, START);
	answer = jg_directory_lookup(fake->directory, RECORD_TOKEN, token.id, START, NULL);
	assert_true(answer.known == RECORD_ABSENT && answer.broken);
	assert_false(answer.entry->plain);
	assert_null(answer.entry->record);
	expect_token(feed_token(fake, &token, 0), &token);
	jg_directory_unwatch(&watch);
}

/* Ids that fit into the first line and ids that do not, which begin with the same bytes. */
static void
long_ids_are_told_apart(void **state)
{
	struct fake *fake = *state;
	char id[JOB_ID_MAX];
	struct record record = {.kind = RECORD_JOB};

	memset(id, 'a', sizeof(id));
	for (size_t len = ENTRY_INLINE - 1; len <= sizeof(id); len++)
		for (char last = 'a'; last <= 'b'; last++) {
			id[len - 1] = last;
			record.job.id = (struct slice){id, len};
			record.job.lease = len * 2 + (size_t)(last - 'a');
			feed(fake, record.job.id, &record);
			id[len - 1] = 'a';
		}
	for (size_t len = ENTRY_INLINE - 1; len <= sizeof(id); len++) {
		struct directory_answer answer = jg_directory_lookup(
		    fake->directory, RECORD_JOB, (struct slice){id, len}, START, NULL);

		assert_int_equal(jg_directory_job(answer.entry)->lease, len * 2);
		assert_true(slice_equal(entry_id(answer.entry), (struct slice){id, len}));
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_plain_token_has_a_card),
	    TEST(other_tokens_have_none),
	    TEST(tokens_share_a_selector),
	    TEST(a_job_with_a_url_has_labels),
	    TEST(names_of_each_length_are_kept),
	    TEST(what_is_kept_goes_with_its_record),
	    TEST(long_ids_are_told_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
