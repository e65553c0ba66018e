/* decision_test.c - the table of README.md, over every combination of evidence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "decision_cards.h"

#define ID "abcdefghij012345"

static char value[TOKEN_VALUE_LEN], other_value[TOKEN_VALUE_LEN];
static const struct label base[] = {{{"model", 5}, {"base", 4}}};
static const struct label large[] = {{{"model", 5}, {"large", 5}}, {{"team", 4}, {"blue", 4}}};

static struct token
make_token(bool scoped)
{
	struct token token = {.id = SLICE(ID), .name = SLICE("t"), .version = 3};

	if (scoped)
		token.selector = (struct label_set){1, base};
	assert_true(jg_token_hash((struct slice){value, sizeof(value)}, token.hash));
	return token;
}

/* What the bearer of a credential shows. */
enum shown { SHOWN_RIGHT, SHOWN_OTHER_SECRET, SHOWN_BROKEN_CHECK, SHOWN_GARBAGE };

/* What the job is to the token. */
enum asked {
	ASKED_NONE,
	ASKED_UNKNOWN,
	ASKED_ABSENT,
	ASKED_IN_SCOPE,
	ASKED_OUT_OF_SCOPE,
	ASKED_NO_URL
};

static enum verdict
expected(enum credential credential, enum shown shown, enum knowledge known, bool scoped,
    enum asked asked)
{
	if (credential == CREDENTIAL_MALFORMED)
		return VERDICT_BAD_CREDENTIAL;
	if (credential == CREDENTIAL_FOREIGN)
		return VERDICT_INVALID_TOKEN;
	if (credential != CREDENTIAL_BEARER)
		return VERDICT_NO_CREDENTIAL;
	if (shown == SHOWN_BROKEN_CHECK || shown == SHOWN_GARBAGE)
		return VERDICT_INVALID_TOKEN; /* whatever the store says or cannot say */
	if (known == RECORD_UNKNOWN)
		return VERDICT_UNAVAILABLE;
	if (known == RECORD_ABSENT || shown == SHOWN_OTHER_SECRET)
		return VERDICT_INVALID_TOKEN;
	switch (asked) {
	case ASKED_NONE:
		return VERDICT_NOT_A_JOB;
	case ASKED_UNKNOWN:
		return VERDICT_UNAVAILABLE;
	case ASKED_ABSENT:
		return scoped ? VERDICT_OUT_OF_SCOPE : VERDICT_NO_SUCH_JOB;
	case ASKED_IN_SCOPE:
		return VERDICT_ALLOW;
	case ASKED_OUT_OF_SCOPE:
		return scoped ? VERDICT_OUT_OF_SCOPE : VERDICT_ALLOW;
	case ASKED_NO_URL:
		return VERDICT_NO_URL;
	}
	fail();
	return VERDICT_ALLOW;
}

static struct slice
credential_text(enum shown shown, char *room)
{
	switch (shown) {
	case SHOWN_RIGHT:
		return (struct slice){value, sizeof(value)};
	case SHOWN_OTHER_SECRET:
		return (struct slice){other_value, sizeof(other_value)};
	case SHOWN_BROKEN_CHECK:
		memcpy(room, value, sizeof(value));
		room[sizeof(value) - 1] = room[sizeof(value) - 1] == '0' ? '1' : '0';
		return (struct slice){room, sizeof(value)};
	case SHOWN_GARBAGE:
		return SLICE("garbage");
	}
	return (struct slice){0};
}

static struct job
make_job(enum asked asked)
{
	struct job job = {
	    .id = SLICE("demo"), .labels = {1, base}, .url = {.scheme = JOB_URL_HTTP}};

	if (asked == ASKED_OUT_OF_SCOPE)
		job.labels = (struct label_set){2, large};
	if (asked == ASKED_NO_URL)
		job.url.scheme = JOB_URL_NONE;
	return job;
}

static const struct mint no_mint = {.state = MINT_NONE};

static struct bearer
read_bearer(struct slice text)
{
	struct bearer bearer;

	jg_bearer_read(&no_mint, text, &bearer);
	return bearer;
}

static void
every_combination(void **state)
{
	char room[TOKEN_VALUE_LEN];
	size_t tried = 0;

	(void)state;
	for (int credential = CREDENTIAL_NONE; credential <= CREDENTIAL_BEARER; credential++)
		for (int shown = SHOWN_RIGHT; shown <= SHOWN_GARBAGE; shown++)
			for (int known = RECORD_UNKNOWN; known <= RECORD_KNOWN; known++)
				for (int scoped = 0; scoped <= 1; scoped++)
					for (int asked = ASKED_NONE; asked <= ASKED_NO_URL;
					     asked++, tried++) {
						struct token token = make_token(scoped);
						struct job job = make_job((enum asked)asked);
						struct bearer bearer = read_bearer(
						    credential_text((enum shown)shown, room));
						struct evidence evidence = {
						    .credential = (enum credential)credential,
						    .bearer = &bearer,
						    .token_known = (enum knowledge)known,
						    .token = known == RECORD_KNOWN ? &token : NULL,
						    .names_job = asked != ASKED_NONE,
						    .job_known =
							asked == ASKED_UNKNOWN	? RECORD_UNKNOWN
							: asked == ASKED_ABSENT ? RECORD_ABSENT
										: RECORD_KNOWN,
						    .job = asked > ASKED_ABSENT ? &job : NULL,
						};

						assert_int_equal(decide_twice(&evidence),
						    expected((enum credential)credential,
							(enum shown)shown, (enum knowledge)known,
							scoped, (enum asked)asked));
						assert_int_not_equal(
						    jg_decide_proved(&evidence, false),
						    VERDICT_ALLOW);
					}
	assert_int_equal(tried, 4 * 4 * 3 * 2 * 6);
}

/* The control API takes operators of any scope; whether a host is its own never excuses a token. */
static void
at_the_control_api(void **state)
{
	struct bearer bearer = read_bearer((struct slice){value, sizeof(value)});
	struct bearer other = read_bearer((struct slice){other_value, sizeof(other_value)});

	(void)state;
	for (int scoped = 0; scoped <= 1; scoped++) {
		struct token token = make_token(scoped);
		struct evidence evidence = {.credential = CREDENTIAL_BEARER,
		    .bearer = &bearer,
		    .token_known = RECORD_KNOWN,
		    .token = &token,
		    .names_control = true};

		token.role = ROLE_OPERATOR;
		assert_int_equal(decide_twice(&evidence), VERDICT_ALLOW);
		token.role = ROLE_READ;
		assert_int_equal(decide_twice(&evidence), VERDICT_OUT_OF_SCOPE);
		token.role = ROLE_OPERATOR;
		evidence.bearer = &other;
		assert_int_equal(decide_twice(&evidence), VERDICT_INVALID_TOKEN);
		evidence.token_known = RECORD_UNKNOWN;
		evidence.token = NULL;
		assert_int_equal(decide_twice(&evidence), VERDICT_UNAVAILABLE);
		evidence.credential = CREDENTIAL_NONE;
		assert_int_equal(decide_twice(&evidence), VERDICT_NO_CREDENTIAL);
	}
}

static void
without_a_credential_nothing_is_proved(void **state)
{
	static const enum credential others[] = {
	    CREDENTIAL_NONE, CREDENTIAL_FOREIGN, CREDENTIAL_MALFORMED};
	struct token token = make_token(false);
	struct bearer bearer = read_bearer((struct slice){value, sizeof(value)});
	struct evidence evidence = {.credential = CREDENTIAL_BEARER,
	    .bearer = &bearer,
	    .token_known = RECORD_KNOWN,
	    .token = &token};

	(void)state;
	assert_true(jg_evidence_proves(&evidence));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		evidence.credential = others[i];
		evidence.bearer = &bearer;
		assert_false(jg_evidence_proves(&evidence));
		evidence.bearer = NULL;
		assert_false(jg_evidence_proves(&evidence));
	}
}

/* Only with a listed job whose record is known, and says so. */
static void
a_public_job_needs_no_token(void **state)
{
	static const enum credential credentials[] = {
	    CREDENTIAL_NONE, CREDENTIAL_FOREIGN, CREDENTIAL_MALFORMED};
	static const enum verdict refusals[] = {
	    VERDICT_NO_CREDENTIAL, VERDICT_INVALID_TOKEN, VERDICT_BAD_CREDENTIAL};

	(void)state;
	for (size_t i = 0; i < 3; i++)
		for (int bits = 0; bits < 16; bits++)
			for (int known = RECORD_UNKNOWN; known <= RECORD_KNOWN; known++) {
				struct job job =
				    make_job((bits & 1) ? ASKED_NO_URL : ASKED_IN_SCOPE);
				struct evidence evidence = {.credential = credentials[i],
				    .is_listed_public = (bits & 2) != 0,
				    .names_job = (bits & 4) != 0,
				    .job_known = (enum knowledge)known,
				    .job = known == RECORD_KNOWN ? &job : NULL};
				bool counts =
				    (bits & 6) == 6 && credentials[i] != CREDENTIAL_MALFORMED;
				enum verdict wanted = refusals[i];

				job.access = (bits & 8) ? SLICE("public") : SLICE("");
				if (counts && known == RECORD_UNKNOWN)
					wanted = VERDICT_UNAVAILABLE;
				if (counts && known == RECORD_KNOWN && (bits & 8))
					wanted = (bits & 1) ? VERDICT_NO_URL : VERDICT_PUBLIC;
				assert_int_equal(jg_decide(&evidence), wanted);
				evidence.names_control = true;
				assert_int_equal(jg_decide(&evidence), refusals[i]);
			}
}

/* What runs without a token, when the job's record has changed. */
static void
a_public_job_is_decided_again(void **state)
{
	struct job job = make_job(ASKED_IN_SCOPE), no_url = make_job(ASKED_NO_URL);

	(void)state;
	job.access = no_url.access = SLICE("public");
	assert_int_equal(jg_decide_public_again(RECORD_KNOWN, &job), VERDICT_PUBLIC);
	assert_int_equal(jg_decide_public_again(RECORD_KNOWN, &no_url), VERDICT_NO_URL);
	assert_int_equal(jg_decide_public_again(RECORD_UNKNOWN, NULL), VERDICT_UNAVAILABLE);
	assert_int_equal(jg_decide_public_again(RECORD_ABSENT, NULL), VERDICT_NO_CREDENTIAL);
	job.access = SLICE("");
	assert_int_equal(jg_decide_public_again(RECORD_KNOWN, &job), VERDICT_NO_CREDENTIAL);
}

static void
a_record_of_another_id_is_no_proof(void **state)
{
	struct token token = make_token(false);
	struct job job = make_job(ASKED_IN_SCOPE);
	struct bearer bearer = read_bearer((struct slice){value, sizeof(value)});
	struct evidence evidence = {.credential = CREDENTIAL_BEARER,
	    .bearer = &bearer,
	    .token_known = RECORD_KNOWN,
	    .token = &token,
	    .names_job = true,
	    .job_known = RECORD_KNOWN,
	    .job = &job};

	(void)state;
	assert_int_equal(decide_twice(&evidence), VERDICT_ALLOW);
	token.id = SLICE("0123456789abcdef");
	assert_int_equal(decide_twice(&evidence), VERDICT_INVALID_TOKEN);
}

static void
a_session_is_of_one_version(void **state)
{
	struct token token = make_token(true);
	struct job job = make_job(ASKED_IN_SCOPE);
	struct bearer bearer = {.formed = true};
	struct evidence evidence = {.credential = CREDENTIAL_SESSION,
	    .bearer = &bearer,
	    .version = token.version,
	    .token_known = RECORD_KNOWN,
	    .token = &token,
	    .names_job = true,
	    .job_known = RECORD_KNOWN,
	    .job = &job};

	(void)state;
	assert_int_equal(decide_twice(&evidence), VERDICT_INVALID_TOKEN);
	memcpy(evidence.mark, token.hash, TOKEN_MARK_LEN);
	assert_int_equal(decide_twice(&evidence), VERDICT_ALLOW);
	assert_int_equal(jg_decide_proved(&evidence, false), VERDICT_INVALID_TOKEN);
	evidence.version++;
	assert_int_equal(decide_twice(&evidence), VERDICT_INVALID_TOKEN);
	evidence.version--;
	evidence.token_known = RECORD_UNKNOWN;
	assert_int_equal(decide_twice(&evidence), VERDICT_UNAVAILABLE);
	evidence.token_known = RECORD_ABSENT;
	assert_int_equal(decide_twice(&evidence), VERDICT_INVALID_TOKEN);
	evidence.token_known = RECORD_KNOWN;
	evidence.job_known = RECORD_ABSENT;
	assert_int_equal(decide_twice(&evidence), VERDICT_OUT_OF_SCOPE);
}

static void
a_record_that_differs_in_one_bit_is_no_proof(void **state)
{
	struct token token = make_token(false);
	struct bearer bearer = read_bearer((struct slice){value, sizeof(value)});
	struct evidence evidence = {.credential = CREDENTIAL_BEARER,
	    .bearer = &bearer,
	    .token_known = RECORD_KNOWN,
	    .token = &token};

	(void)state;
	assert_int_equal(decide_twice(&evidence), VERDICT_NOT_A_JOB);
	for (size_t bit = 0; bit < 8 * sizeof(token.hash); bit++) {
		token.hash[bit / 8] ^= (unsigned char)(1 << bit % 8);
		assert_int_equal(decide_twice(&evidence), VERDICT_INVALID_TOKEN);
		token.hash[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
}

#define WALL 1000 /* the wall clock */

static void
what_runs_is_judged_by_edition_scope_and_job(void **state)
{
	struct token token = make_token(true);
	struct job in = make_job(ASKED_IN_SCOPE), out = make_job(ASKED_OUT_OF_SCOPE);
	struct job no_url = make_job(ASKED_NO_URL);
	struct token_edition same = jg_token_edition(&token), older = same, other = same;

	(void)state;
	older.version--;
	other.hash[TOKEN_HASH_LEN - 1] ^= 1;
	assert_int_equal(
	    jg_decide_again(RECORD_KNOWN, &token, &other, WALL, NULL, RECORD_KNOWN, &in),
	    VERDICT_INVALID_TOKEN);
	assert_int_equal(
	    jg_decide_again(RECORD_KNOWN, &token, &same, WALL, NULL, RECORD_KNOWN, &in),
	    VERDICT_ALLOW);
	assert_int_equal(
	    jg_decide_again(RECORD_KNOWN, &token, &older, WALL, NULL, RECORD_KNOWN, &in),
	    VERDICT_INVALID_TOKEN);
	assert_int_equal(jg_decide_again(RECORD_ABSENT, NULL, &same, WALL, NULL, RECORD_KNOWN, &in),
	    VERDICT_INVALID_TOKEN);
	assert_int_equal(
	    jg_decide_again(RECORD_UNKNOWN, NULL, &same, WALL, NULL, RECORD_KNOWN, &in),
	    VERDICT_UNAVAILABLE);
	assert_int_equal(
	    jg_decide_again(RECORD_KNOWN, &token, &same, WALL, NULL, RECORD_UNKNOWN, NULL),
	    VERDICT_UNAVAILABLE);
	assert_int_equal(
	    jg_decide_again(RECORD_KNOWN, &token, &same, WALL, NULL, RECORD_ABSENT, NULL),
	    VERDICT_OUT_OF_SCOPE);
	assert_int_equal(
	    jg_decide_again(RECORD_KNOWN, &token, &same, WALL, NULL, RECORD_KNOWN, &out),
	    VERDICT_OUT_OF_SCOPE);
	assert_int_equal(
	    jg_decide_again(RECORD_KNOWN, &token, &same, WALL, NULL, RECORD_KNOWN, &no_url),
	    VERDICT_NO_URL);
}

static void
each_verdict_has_its_status_and_its_name(void **state)
{
	const unsigned statuses[VERDICT_COUNT] = {
	    200, 200, 400, 401, 401, 401, 403, 503, 404, 404, 403, 503, 429, 429, 503};

	(void)state;
	for (int i = 0; i < VERDICT_COUNT; i++) {
		assert_int_equal(jg_verdict_status((enum verdict)i), statuses[i]);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(
			    jg_verdict_name((enum verdict)i), jg_verdict_name((enum verdict)j));
	}
	assert_int_equal(jg_verdict_status((enum verdict)99), 403);
	assert_string_equal(jg_verdict_name((enum verdict)99), "refused");
}

static int
make_values(void **state)
{
	(void)state;
	return jg_token_value_make(SLICE(ID), NULL, value) &&
		       jg_token_value_make(SLICE(ID), NULL, other_value)
		   ? 0
		   : -1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_combination),
	    cmocka_unit_test(at_the_control_api),
	    cmocka_unit_test(without_a_credential_nothing_is_proved),
	    cmocka_unit_test(a_public_job_needs_no_token),
	    cmocka_unit_test(a_public_job_is_decided_again),
	    cmocka_unit_test(a_record_of_another_id_is_no_proof),
	    cmocka_unit_test(a_session_is_of_one_version),
	    cmocka_unit_test(a_record_that_differs_in_one_bit_is_no_proof),
	    cmocka_unit_test(what_runs_is_judged_by_edition_scope_and_job),
	    cmocka_unit_test(each_verdict_has_its_status_and_its_name),
	};
	return cmocka_run_group_tests(tests, make_values, NULL);
}
