/* decision_time_test.c - decisions on tokens that expire, and on values within a grace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "decision_cards.h"

#define ID "0123456789abcdef"
#define WALL 1000000

static const struct job job = {.id = SLICE("demo"), .url = {.scheme = JOB_URL_HTTP}};

/* A token of version 3 whose value has the hash {3}, and that before it {2}. */
static struct token
make_token(void)
{
	return (struct token){.id = SLICE(ID), .version = 3, .hash = {3}, .previous_hash = {2}};
}

static struct bearer
bearer_of(unsigned char version)
{
	struct bearer bearer = {.formed = true, .hash = {version}};

	memcpy(bearer.id, ID, TOKEN_ID_LEN);
	return bearer;
}

static struct evidence
evidence_of(const struct token *token, const struct bearer *bearer, uint64_t wall_ms)
{
	return (struct evidence){.credential = CREDENTIAL_BEARER,
	    .bearer = bearer,
	    .token_known = RECORD_KNOWN,
	    .token = token,
	    .names_job = true,
	    .job_known = RECORD_KNOWN,
	    .job = &job,
	    .wall_ms = wall_ms};
}

static enum verdict
decide(const struct token *token, unsigned char version, uint64_t wall_ms)
{
	struct bearer bearer = bearer_of(version);
	struct evidence evidence = evidence_of(token, &bearer, wall_ms);

	return decide_twice(&evidence);
}

static void
a_token_is_valid_until_it_expires(void **state)
{
	struct token token = make_token();

	(void)state;
	assert_int_equal(decide(&token, 3, 0), VERDICT_ALLOW);
	token.expires_ms = WALL;
	assert_int_equal(decide(&token, 3, WALL - 1), VERDICT_ALLOW);
	assert_int_equal(decide(&token, 3, WALL), VERDICT_EXPIRED);
	assert_int_equal(decide(&token, 3, WALL + 1), VERDICT_EXPIRED);
	assert_int_equal(decide(&token, 3, 0), VERDICT_EXPIRED);
	assert_int_equal(decide(&token, 4, WALL), VERDICT_INVALID_TOKEN);
}

static void
an_expired_token_learns_nothing_of_jobs(void **state)
{
	struct token token = make_token();
	struct bearer bearer = bearer_of(3);
	struct evidence evidence = evidence_of(&token, &bearer, WALL);

	(void)state;
	token.expires_ms = WALL;
	evidence.job_known = RECORD_ABSENT;
	evidence.job = NULL;
	assert_int_equal(decide_twice(&evidence), VERDICT_EXPIRED);
	evidence.names_job = false;
	assert_int_equal(decide_twice(&evidence), VERDICT_EXPIRED);
	token.role = ROLE_OPERATOR;
	evidence.names_control = true;
	assert_int_equal(decide_twice(&evidence), VERDICT_EXPIRED);
}

static void
both_values_are_valid_within_the_grace(void **state)
{
	struct token token = make_token();

	(void)state;
	assert_int_equal(decide(&token, 2, WALL), VERDICT_INVALID_TOKEN);
	token.previous_until_ms = WALL;
	assert_int_equal(decide(&token, 2, WALL - 1), VERDICT_ALLOW);
	assert_int_equal(decide(&token, 2, WALL), VERDICT_INVALID_TOKEN);
	assert_int_equal(decide(&token, 2, 0), VERDICT_INVALID_TOKEN);
	assert_int_equal(decide(&token, 3, WALL - 1), VERDICT_ALLOW);
	assert_int_equal(decide(&token, 3, WALL + 1), VERDICT_ALLOW);
	assert_int_equal(decide(&token, 1, WALL - 1), VERDICT_INVALID_TOKEN);
	token.expires_ms = WALL - 2;
	assert_int_equal(decide(&token, 2, WALL - 1), VERDICT_EXPIRED);
	token.id = SLICE("fedcba9876543210");
	assert_int_equal(decide(&token, 2, WALL - 1), VERDICT_INVALID_TOKEN);
}

static void
a_session_of_the_value_before_lives_as_long(void **state)
{
	struct token token = make_token();
	struct bearer bearer = {.formed = true};
	struct evidence evidence = evidence_of(&token, &bearer, WALL - 1);

	(void)state;
	token.previous_until_ms = WALL;
	evidence.credential = CREDENTIAL_SESSION;
	evidence.version = 2;
	memcpy(evidence.mark, token.previous_hash, TOKEN_MARK_LEN);
	assert_int_equal(decide_twice(&evidence), VERDICT_ALLOW);
	assert_int_equal(jg_proved_edition(&evidence).version, 2);
	evidence.version = 3;
	assert_int_equal(decide_twice(&evidence), VERDICT_INVALID_TOKEN);
	memcpy(evidence.mark, token.hash, TOKEN_MARK_LEN);
	assert_int_equal(decide_twice(&evidence), VERDICT_ALLOW);
	assert_int_equal(jg_proved_edition(&evidence).version, 3);
	evidence.version = 2;
	assert_int_equal(decide_twice(&evidence), VERDICT_INVALID_TOKEN);
	memcpy(evidence.mark, token.previous_hash, TOKEN_MARK_LEN);
	evidence.wall_ms = WALL;
	assert_int_equal(decide_twice(&evidence), VERDICT_INVALID_TOKEN);
}

static enum verdict
again(const struct token *token, const struct token_edition *edition, uint64_t wall_ms)
{
	return jg_decide_again(RECORD_KNOWN, token, edition, wall_ms, NULL, RECORD_KNOWN, &job);
}

/* What the value before let in ends with the grace, whether it came in before or after the renewal.
 */
static void
what_runs_ends_with_its_edition(void **state)
{
	struct token token = make_token();
	struct token_edition older = {1, {1}}, before = {2, {2}}, present = {3, {3}};
	struct token_edition mixed = {2, {3}};

	(void)state;
	assert_int_equal(again(&token, &before, WALL - 1), VERDICT_INVALID_TOKEN);
	assert_false(jg_edition_is_previous(&before, &token));
	token.previous_until_ms = WALL;
	assert_true(jg_edition_is_previous(&before, &token));
	assert_int_equal(again(&token, &before, WALL - 1), VERDICT_ALLOW);
	assert_int_equal(again(&token, &before, WALL), VERDICT_INVALID_TOKEN);
	assert_int_equal(again(&token, &before, 0), VERDICT_INVALID_TOKEN);
	assert_int_equal(again(&token, &present, WALL), VERDICT_ALLOW);
	assert_int_equal(again(&token, &older, WALL - 1), VERDICT_INVALID_TOKEN);
	assert_int_equal(again(&token, &mixed, WALL - 1), VERDICT_INVALID_TOKEN);
	token.expires_ms = WALL - 1;
	assert_int_equal(again(&token, &present, WALL - 2), VERDICT_ALLOW);
	assert_int_equal(again(&token, &present, WALL - 1), VERDICT_EXPIRED);
	assert_int_equal(again(&token, &present, 0), VERDICT_EXPIRED);
}

static void
the_edition_is_that_of_the_value_that_was_shown(void **state)
{
	struct token token = make_token();
	struct bearer bearer = bearer_of(2);
	struct evidence evidence = evidence_of(&token, &bearer, WALL - 1);
	struct token_edition edition;

	(void)state;
	token.previous_until_ms = WALL;
	edition = jg_proved_edition(&evidence);
	assert_int_equal(edition.version, 2);
	assert_memory_equal(edition.hash, token.previous_hash, TOKEN_HASH_LEN);
	bearer = bearer_of(3);
	edition = jg_proved_edition(&evidence);
	assert_int_equal(edition.version, 3);
	assert_memory_equal(edition.hash, token.hash, TOKEN_HASH_LEN);
}

static void
decisions_turn_at_these_moments(void **state)
{
	struct token token = make_token();

	(void)state;
	assert_false(jg_token_is_timed(&token));
	assert_int_equal(jg_token_turns_ms(&token, 0), 0);
	token.expires_ms = 20;
	assert_true(jg_token_is_timed(&token));
	assert_int_equal(jg_token_turns_ms(&token, 0), 20);
	token.previous_until_ms = 10;
	assert_int_equal(jg_token_turns_ms(&token, 0), 10);
	assert_int_equal(jg_token_turns_ms(&token, 10), 20);
	assert_int_equal(jg_token_turns_ms(&token, 20), 0);
	token.expires_ms = 0;
	assert_true(jg_token_is_timed(&token));
	assert_int_equal(jg_token_turns_ms(&token, 9), 10);
}

static struct ip_range office = {.address.s6_addr = {[10] = 0xff, 0xff, 192, 0, 2}, .prefix = 120};
static const struct in6_addr at_office = {.s6_addr = {[10] = 0xff, 0xff, 192, 0, 2, 9}};
static const struct in6_addr elsewhere = {.s6_addr = {[10] = 0xff, 0xff, 192, 0, 3, 9}};

/* Without a known address such a token is refused, and a wrong value learns nothing of the limit.
 */
static void
a_token_is_limited_to_addresses(void **state)
{
	struct token token = make_token();
	struct bearer bearer = bearer_of(3), wrong = bearer_of(1);
	struct evidence evidence = evidence_of(&token, &bearer, WALL);

	(void)state;
	assert_int_equal(decide_twice(&evidence), VERDICT_ALLOW);
	token.from = (struct ip_ranges){1, &office};
	assert_int_equal(decide_twice(&evidence), VERDICT_OTHER_ADDRESS);
	evidence.address = &elsewhere;
	assert_int_equal(decide_twice(&evidence), VERDICT_OTHER_ADDRESS);
	evidence.address = &at_office;
	assert_int_equal(decide_twice(&evidence), VERDICT_ALLOW);
	evidence.address = &elsewhere;
	evidence.job_known = RECORD_ABSENT;
	assert_int_equal(decide_twice(&evidence), VERDICT_OTHER_ADDRESS);
	evidence.names_control = true;
	assert_int_equal(decide_twice(&evidence), VERDICT_OTHER_ADDRESS);
	evidence.bearer = &wrong;
	assert_int_equal(decide_twice(&evidence), VERDICT_INVALID_TOKEN);
	evidence.bearer = &bearer;
	token.expires_ms = WALL;
	assert_int_equal(decide_twice(&evidence), VERDICT_EXPIRED);
}

static void
what_runs_is_judged_by_its_address(void **state)
{
	struct token token = make_token();
	struct token_edition edition = jg_token_edition(&token);
	const struct {
		const struct in6_addr *address;
		enum verdict verdict;
	} cases[] = {{&at_office, VERDICT_ALLOW}, {&elsewhere, VERDICT_OTHER_ADDRESS},
	    {NULL, VERDICT_OTHER_ADDRESS}};

	(void)state;
	token.from = (struct ip_ranges){1, &office};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(jg_decide_again(RECORD_KNOWN, &token, &edition, WALL,
				     cases[i].address, RECORD_KNOWN, &job),
		    cases[i].verdict);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_token_is_valid_until_it_expires),
	    cmocka_unit_test(an_expired_token_learns_nothing_of_jobs),
	    cmocka_unit_test(a_token_is_limited_to_addresses),
	    cmocka_unit_test(what_runs_is_judged_by_its_address),
	    cmocka_unit_test(both_values_are_valid_within_the_grace),
	    cmocka_unit_test(a_session_of_the_value_before_lives_as_long),
	    cmocka_unit_test(what_runs_ends_with_its_edition),
	    cmocka_unit_test(the_edition_is_that_of_the_value_that_was_shown),
	    cmocka_unit_test(decisions_turn_at_these_moments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
