/* store_mint_test.c - enforcing the store's mint key and looking at all tokens is one step. */
#include "store_world.h"

#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static enum store_result
change(struct world *world, enum store_mint_change what)
{
	unsigned char key[MINT_KEY_LEN] = {1};
	struct question question = {0};

	store_mint_change(world->store, what, key, on_answer, &question);
	RUN_UNTIL(&world->turner, question.answered);
	return question.result;
}

static void
add_token(struct world *world, const char *id, unsigned version, unsigned minted)
{
	redis_do(world->admin, "ZADD jobgate:tokens 1 %s", id);
	redis_do(world->admin, "HSET jobgate:token:%s version %u", id, version);
	if (minted > 0)
		redis_do(world->admin, "HSET jobgate:token:%s minted %u", id, minted);
}

static bool
is_enforced(struct world *world)
{
	return redis_do(world->admin, "EXISTS jobgate:mint:enforced") == 1;
}

/* A count from before may be too old. */
static void
a_token_that_is_not_minted_is_not_shut_out(void **state)
{
	struct world *world = *state;

	assert_int_equal(change(world, STORE_MINT_ENFORCE), STORE_ABSENT);
	redis_do(world->admin, "SET jobgate:mint " KEY);
	for (unsigned i = 0; i < 2500; i++) {
		char id[17];

		snprintf(id, sizeof(id), "minted%010u", i);
		add_token(world, id, 3, 3);
	}
	add_token(world, "zzzz000000000000", 1, 0);
	assert_int_equal(change(world, STORE_MINT_ENFORCE), STORE_CONFLICT);
	assert_false(is_enforced(world));
	assert_int_equal(store_mint(world->store)->state, MINT_STARTED);
	add_token(world, "zzzz000000000000", 2, 1); /* renewed by an older gateway */
	assert_int_equal(change(world, STORE_MINT_ENFORCE), STORE_CONFLICT);
	assert_false(is_enforced(world));
	add_token(world, "zzzz000000000000", 2, 2);
	assert_int_equal(change(world, STORE_MINT_ENFORCE), STORE_OK);
	assert_true(is_enforced(world));
	assert_int_equal(store_mint(world->store)->state, MINT_ENFORCED);
}

static enum store_result
create(struct world *world, const char *id, const unsigned char *key)
{
	struct record record = {.kind = RECORD_TOKEN,
	    .token = {.id = slice_of(id),
		.name = SLICE("new"),
		.role = ROLE_READ,
		.version = 1,
		.created_at = SLICE("2026-01-01T00:00:00Z"),
		.updated_at = SLICE("2026-01-01T00:00:00Z")}};
	struct question question = {0};

	store_token_create(world->store, &record, 1, NULL, key, on_answer, &question);
	RUN_UNTIL(&world->turner, question.answered);
	return question.result;
}

static enum store_result
renew(struct world *world, const char *id, uint64_t version, const unsigned char *key)
{
	const struct record record = {.kind = RECORD_TOKEN,
	    .token = {.id = slice_of(id),
		.hash = {2},
		.version = version + 1,
		.updated_at = SLICE("2026-01-01T00:00:00Z")}};
	const struct store_renewal renewal = {.record = &record, .mint_key = key};
	const struct label_set anywhere = {0};
	const struct store_caller local = {.scope = &anywhere};
	struct question question = {0};

	store_token_renew(world->store, &local, &renewal, on_answer, &question);
	RUN_UNTIL(&world->turner, question.answered);
	return question.result;
}

/* A control process that has not seen the key yet makes nothing that would be shut out. */
static void
with_a_key_all_new_values_are_minted(void **state)
{
	struct world *world = *state;
	unsigned char key[MINT_KEY_LEN];

	assert_true(jg_mint_key_parse(SLICE(KEY), key));
	assert_int_equal(create(world, "before0000000000", NULL), STORE_OK);
	redis_do(world->admin, "SET jobgate:mint " KEY);
	assert_int_equal(create(world, "after00000000000", NULL), STORE_OTHER_MINT);
	assert_int_equal(renew(world, "before0000000000", 1, NULL), STORE_OTHER_MINT);
	assert_int_equal(redis_do(world->admin, "EXISTS jobgate:token:after00000000000"), 0);
	assert_int_equal(store_mint(world->store)->state, MINT_STARTED);
	assert_int_equal(create(world, "after00000000000", key), STORE_OK);
	assert_int_equal(renew(world, "before0000000000", 1, key), STORE_OK);
	assert_int_equal(change(world, STORE_MINT_ENFORCE), STORE_OK);
}

/* It cannot mint anything, so values are not minted. */
static void
with_a_key_that_is_none_values_are_not_minted(void **state)
{
	struct world *world = *state;

	redis_do(world->admin, "SET jobgate:mint nonsense");
	assert_int_equal(create(world, "before0000000000", NULL), STORE_OK);
	assert_int_equal(renew(world, "before0000000000", 1, NULL), STORE_OK);
}

static void
force_shuts_out(void **state)
{
	struct world *world = *state;

	redis_do(world->admin, "SET jobgate:mint " KEY);
	add_token(world, "zzzz000000000000", 1, 0);
	assert_int_equal(change(world, STORE_MINT_FORCE), STORE_OK);
	assert_true(is_enforced(world));
}

/* Other keys do not count as tokens that would be refused. */
static void
other_things_in_the_index_do_not_matter(void **state)
{
	struct world *world = *state;

	redis_do(world->admin, "SET jobgate:mint " KEY);
	redis_do(world->admin, "ZADD jobgate:tokens 1 gone 2 astring");
	redis_do(world->admin, "SET jobgate:token:astring x");
	assert_int_equal(change(world, STORE_MINT_ENFORCE), STORE_OK);
	assert_true(is_enforced(world));
}

static void
know(struct world *world)
{
	struct question question = {0};
	uint64_t asked_ms = now_ms();

	/* It is asked for again when it is a second old. */
	RUN_UNTIL(&world->turner, now_ms() > asked_ms + 1100);
	store_mint_know(world->store, on_answer, &question);
	RUN_UNTIL(&world->turner, question.answered);
	assert_int_equal(question.result, STORE_OK);
}

static unsigned
warnings(struct world *world)
{
	char text[4096] = "";
	unsigned count = 0;

	assert_true(pread(world->log.fd, text, sizeof(text) - 1, 0) >= 0);
	for (const char *at = text; (at = strstr(at, "warning")) != NULL; at++)
		count++;
	return count;
}

static void
a_loosened_check_is_told(void **state)
{
	struct world *world = *state;
	unsigned before = warnings(world);

	redis_do(world->admin, "MSET jobgate:mint " KEY " jobgate:mint:enforced 1");
	know(world);
	assert_int_equal(store_mint(world->store)->state, MINT_ENFORCED);
	redis_do(world->admin, "DEL jobgate:mint:enforced");
	redis_do(world->admin, "SADD jobgate:mint:enforced x");
	know(world);
	assert_int_equal(store_mint(world->store)->state, MINT_ENFORCED);
	assert_int_equal(warnings(world), before);
	redis_do(world->admin, "DEL jobgate:mint:enforced");
	know(world);
	assert_int_equal(store_mint(world->store)->state, MINT_STARTED);
	assert_int_equal(warnings(world), before + 1);
	redis_do(world->admin, "DEL jobgate:mint");
	redis_do(world->admin, "RPUSH jobgate:mint x");
	know(world);
	assert_int_equal(store_mint(world->store)->state, MINT_NONE);
	assert_int_equal(warnings(world), before + 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_at_socket, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_token_that_is_not_minted_is_not_shut_out),
	    TEST(with_a_key_all_new_values_are_minted),
	    TEST(with_a_key_that_is_none_values_are_not_minted),
	    TEST(force_shuts_out),
	    TEST(other_things_in_the_index_do_not_matter),
	    TEST(a_loosened_check_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
