/* store_caller_test.c - a change is not made when its caller's token has been revoked meanwhile. */
#include "store_world.h"

#include "auth/record_fields.h"

#define CALLER "caller0000000000"
#define ID "token00000000000"

static const unsigned char caller_hash[TOKEN_HASH_LEN] = {[TOKEN_HASH_LEN - 1] = 0xab};

/* The records that are changed, as they are at the beginning. */
static void
put_records(struct world *world)
{
	redis_do(
	    world->admin, "DEL jobgate:token:" ID " jobgate:job:j jobgate:tokens jobgate:jobs");
	redis_do(world->admin, "ZADD jobgate:tokens 1 " ID);
	redis_do(world->admin, "ZADD jobgate:jobs 1 j");
	redis_do(world->admin,
	    "HSET jobgate:token:" ID " name n role read version 1 selector %s hash %064d", "", 1);
	redis_do(world->admin, "HSET jobgate:job:j url http://x.test lease 60");
	redis_do(world->admin, "EXPIRE jobgate:job:j 1000");
}

static bool
is_untouched(struct world *world)
{
	return redis_do(world->admin, "EXISTS jobgate:token:" ID " jobgate:job:j") == 2 &&
	       redis_do(world->admin, "HLEN jobgate:token:" ID) == 5 &&
	       redis_do(world->admin, "HLEN jobgate:job:j") == 2 &&
	       redis_do(world->admin, "ZCARD jobgate:tokens") == 1 &&
	       redis_do(world->admin, "ZCARD jobgate:jobs") == 1 &&
	       redis_do(world->admin, "TTL jobgate:job:j") > 500;
}

enum change {
	TOKEN_DELETE,
	TOKEN_CASCADE,
	TOKEN_RENEW,
	TOKEN_LIMIT,
	JOB_DELETE,
	JOB_RENEW,
	JOB_PATCH,
	CHANGES
};

static enum store_result
make(struct world *world, enum change change, const struct store_caller *caller)
{
	const struct record token = {.kind = RECORD_TOKEN,
	    .token = {.id = SLICE(ID),
		.hash = {2},
		.version = change == TOKEN_RENEW ? 2 : 1,
		.updated_at = SLICE("2026-01-01T00:00:00Z")}};
	const struct record job = {
	    .kind = RECORD_JOB, .job = {.id = SLICE("j"), .url_text = SLICE("http://y.test")}};
	const struct store_renewal renewal = {.record = &token};
	const struct store_job_patch patch = {.record = &job,
	    .given = FIELD_BIT(JOB_FIELD_URL),
	    .updated_at = SLICE("2026-01-01T00:00:00Z")};
	struct question question = {0};

	switch (change) {
	case TOKEN_DELETE:
		store_token_delete(world->store, SLICE(ID), caller, on_answer, &question);
		break;
	case TOKEN_CASCADE:
		store_token_cascade(world->store, SLICE(ID), caller, on_answer, &question);
		break;
	case TOKEN_RENEW:
		store_token_renew(world->store, caller, &renewal, on_answer, &question);
		break;
	case TOKEN_LIMIT:
		store_token_limit(world->store, caller, &token, 0, on_answer, &question);
		break;
	case JOB_DELETE:
		store_job_delete(world->store, SLICE("j"), caller, on_answer, &question);
		break;
	case JOB_RENEW:
		store_job_renew(world->store, SLICE("j"), caller, on_answer, &question);
		break;
	case JOB_PATCH:
	case CHANGES:
		store_job_patch(world->store, SLICE("j"), caller, &patch, on_answer, &question);
		break;
	}
	RUN_UNTIL(&world->turner, question.answered);
	return question.result;
}

static void
expect_all(struct world *world, const struct store_caller *caller, enum store_result wanted)
{
	for (enum change change = 0; change < CHANGES; change++) {
		enum store_result result;

		put_records(world);
		result = make(world, change, caller);
		if (result != wanted)
			print_error("change %d: %d\n", (int)change, (int)result);
		assert_int_equal(result, wanted);
		assert_int_equal(is_untouched(world), wanted == STORE_REVOKED);
	}
}

static void
a_revoked_caller_changes_nothing(void **state)
{
	struct world *world = *state;
	const struct label_set anywhere = {0};
	const struct store_caller caller = {&anywhere, SLICE(CALLER), caller_hash};

	expect_all(world, &caller, STORE_REVOKED); /* it is gone */
	redis_do(world->admin, "HSET jobgate:token:" CALLER " hash %064d", 7);
	expect_all(world, &caller, STORE_REVOKED); /* it was renewed */
	redis_do(world->admin, "DEL jobgate:token:" CALLER);
	redis_do(world->admin, "SET jobgate:token:" CALLER " text");
	expect_all(world, &caller, STORE_REVOKED);
}

static void
other_callers_change(void **state)
{
	struct world *world = *state;
	const struct label_set anywhere = {0};
	const struct store_caller caller = {&anywhere, SLICE(CALLER), caller_hash};
	const struct store_caller local = {.scope = &anywhere};

	redis_do(world->admin, "HSET jobgate:token:" CALLER " hash %062dAB", 0);
	expect_all(world, &caller, STORE_OK);
	expect_all(world, &local, STORE_OK);
}

/* A caller that ends its own token is checked before. */
static void
a_caller_may_end_itself(void **state)
{
	struct world *world = *state;
	const struct label_set anywhere = {0};
	const struct store_caller caller = {&anywhere, SLICE(ID), caller_hash};

	put_records(world);
	redis_do(world->admin, "HSET jobgate:token:" ID " hash %062dab", 0);
	assert_int_equal(make(world, TOKEN_CASCADE, &caller), STORE_OK);
	assert_int_equal(make(world, TOKEN_CASCADE, &caller), STORE_REVOKED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		a_revoked_caller_changes_nothing, setup_at_socket, teardown),
	    cmocka_unit_test_setup_teardown(other_callers_change, setup_at_socket, teardown),
	    cmocka_unit_test_setup_teardown(a_caller_may_end_itself, setup_at_socket, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
