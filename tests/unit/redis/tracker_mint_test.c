/* tracker_mint_test.c - the store's mint key is known before a tracker is up, and stays current. */
#include "tracker_world.h"

#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define OTHER_KEY "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f"

static enum mint_state
mint_state(struct world *world)
{
	return jg_directory_mint(world->directory, clock_ms(world))->state;
}

static bool
has_key(struct world *world, const char *text)
{
	char hex[MINT_KEY_TEXT_LEN + 1];

	jg_mint_key_format(jg_directory_mint(world->directory, clock_ms(world))->key, hex);
	return strcmp(hex, text) == 0;
}

static void
it_is_known_when_the_tracker_is_up(void **state)
{
	struct world *world = *state;

	redis_do(world->admin, "MSET jobgate:mint " KEY " jobgate:mint:enforced 1");
	tracker_start(world, "unix:/nonexistent", TEST_TIMEOUT_MS);
	assert_int_equal(mint_state(world), MINT_UNKNOWN);
	redis_tracker_free(world->tracker);
	jg_directory_free(world->directory);
	tracker_up(world);
	assert_int_equal(mint_state(world), MINT_ENFORCED);
	assert_true(has_key(world, KEY));
	assert_int_equal(logged(world, "values that were not minted here are refused\n"), 1);
}

static void
begin(struct world *world)
{
	redis_do(world->admin, "SET jobgate:mint " KEY);
	RUN_UNTIL(&world->turner, mint_state(world) == MINT_STARTED);
	redis_do(world->admin, "SET jobgate:mint:enforced 1");
	RUN_UNTIL(&world->turner, mint_state(world) == MINT_ENFORCED);
}

static void
replace_key(struct world *world)
{
	uint64_t edition = jg_directory_mint(world->directory, clock_ms(world))->edition;

	redis_do(world->admin, "SET jobgate:mint " OTHER_KEY);
	RUN_UNTIL(&world->turner, has_key(world, OTHER_KEY));
	assert_int_equal(mint_state(world), MINT_ENFORCED);
	assert_int_not_equal(
	    jg_directory_mint(world->directory, clock_ms(world))->edition, edition);
}

/* It is noticed that the key has gone. */
static void
removed(struct world *world)
{
	RUN_UNTIL(&world->turner, mint_state(world) == MINT_NONE);
	assert_false(has_key(world, OTHER_KEY));
	redis_do(world->admin, "DEL jobgate:mint:enforced");
}

static void
each_change_is_noticed(void **state)
{
	struct world *world = *state;

	tracker_up(world);
	assert_int_equal(mint_state(world), MINT_NONE);
	for (unsigned i = 0; i < 3; i++) {
		begin(world);
		replace_key(world);
		assert_int_equal(logged(world, "warning"), i);
		redis_do(world->admin, "DEL jobgate:mint");
		removed(world);
		assert_int_equal(logged(world, "it is gone, but mint:enforced is there"), i + 1);
	}
}

/* Removed, or another store behind the address: what was refused is refused no longer. */
static void
a_loosened_check_is_told(void **state)
{
	struct world *world = *state;

	tracker_up(world);
	begin(world);
	redis_do(world->admin, "DEL jobgate:mint:enforced");
	RUN_UNTIL(&world->turner, mint_state(world) == MINT_STARTED);
	assert_int_equal(logged(world, "warning"), 1);
	assert_int_equal(logged(world, "jobgate:mint:enforced is gone: values"), 1);
	redis_do(world->admin, "SET jobgate:mint:enforced 1");
	RUN_UNTIL(&world->turner, mint_state(world) == MINT_ENFORCED);
	redis_do(world->admin, "FLUSHALL");
	RUN_UNTIL(&world->turner, mint_state(world) == MINT_NONE);
	assert_int_equal(logged(world, "warning"), 2);
}

/* It is enforced as long as that key exists, whatever it holds. */
static void
what_the_second_key_holds_does_not_matter(void **state)
{
	struct world *world = *state;

	tracker_up(world);
	begin(world);
	redis_do(world->admin, "DEL jobgate:mint:enforced");
	RUN_UNTIL(&world->turner, mint_state(world) == MINT_STARTED);
	redis_do(world->admin, "SADD jobgate:mint:enforced x");
	RUN_UNTIL(&world->turner, mint_state(world) == MINT_ENFORCED);
}

/* Changes that overtake a read under way, many at a time: the last one counts. */
static void
the_last_of_many_changes_counts(void **state)
{
	struct world *world = *state;
	char key[MINT_KEY_TEXT_LEN + 1];

	tracker_up(world);
	for (unsigned i = 0; i < 500; i++) {
		snprintf(key, sizeof(key), "%064x", i);
		redis_do(world->admin, "SET jobgate:mint %s", key);
		if (i % 7 == 0)
			event_base_loop(world->turner.base, EVLOOP_NONBLOCK);
	}
	RUN_UNTIL(&world->turner, has_key(world, key));
	assert_int_equal(mint_state(world), MINT_STARTED);
}

static void
one_that_is_broken_is_none(void **state)
{
	struct world *world = *state;

	redis_do(world->admin, "MSET jobgate:mint x jobgate:mint:enforced 1");
	tracker_up(world);
	assert_int_equal(mint_state(world), MINT_NONE);
	assert_int_equal(logged(world, "store: jobgate:mint cannot be used: it is not 64"), 1);
	redis_do(world->admin, "SET jobgate:mint " KEY);
	RUN_UNTIL(&world->turner, mint_state(world) == MINT_ENFORCED);
	redis_do(world->admin, "SET jobgate:mint " KEY "0");
	RUN_UNTIL(&world->turner, mint_state(world) == MINT_NONE);
	redis_do(world->admin, "DEL jobgate:mint jobgate:mint:enforced");
	RUN_UNTIL(&world->turner, logged(world, "values are not minted here") > 0);
	redis_do(world->admin, "RPUSH jobgate:mint " KEY);
	RUN_UNTIL(&world->turner, logged(world, "is of a wrong type") == 1);
	redis_do(world->admin, "HSET jobgate:mint:enforced " KEY " x");
	assert_int_equal(look_up(world, RECORD_TOKEN, TOKEN_ID).known, RECORD_ABSENT);
	assert_int_equal(mint_state(world), MINT_NONE);
}

/* A user who may not read it: as without one, but a warning tells. */
static void
one_that_may_not_be_read_is_none(void **state)
{
	struct world *world = *state;

	redis_do(world->admin, "MSET jobgate:mint " KEY " jobgate:mint:enforced 1");
	redis_do(world->admin,
	    "ACL SETUSER default resetkeys ~jobgate:token:* ~jobgate:tokens ~jobgate:job:*");
	tracker_up(world);
	assert_int_equal(mint_state(world), MINT_NONE);
	assert_int_equal(logged(world, "jobgate:mint cannot be used: NOPERM"), 1);
}

static void
past_the_bound_it_is_unknown(void **state)
{
	struct world *world = *state;

	redis_do(world->admin, "SET jobgate:mint " KEY);
	tracker_up(world);
	assert_int_equal(mint_state(world), MINT_STARTED);
	world->ahead_ms = 70000;
	assert_int_equal(mint_state(world), MINT_UNKNOWN);
	assert_false(has_key(world, KEY));
	world->ahead_ms = 0;
	assert_int_equal(mint_state(world), MINT_STARTED);
}

/* Another server with another key: known as soon as what it says is trusted. */
static void
after_a_reconnect_it_is_the_new_one(void **state)
{
	struct world *world = *state;

	redis_do(world->admin, "MSET jobgate:mint " KEY " jobgate:mint:enforced 1");
	tracker_up(world);
	stop_redis(world);
	RUN_UNTIL(&world->turner, !tracker_stats(world).up);
	assert_true(has_key(world, KEY));
	start_redis(world);
	redis_do(world->admin, "SET jobgate:mint " OTHER_KEY);
	RUN_UNTIL(&world->turner, tracker_stats(world).up);
	assert_int_equal(logged(world, "store: connected again"), 1);
	RUN_UNTIL(&world->turner, has_key(world, OTHER_KEY));
	assert_int_equal(mint_state(world), MINT_STARTED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(it_is_known_when_the_tracker_is_up),
	    TEST(each_change_is_noticed),
	    TEST(the_last_of_many_changes_counts),
	    TEST(a_loosened_check_is_told),
	    TEST(what_the_second_key_holds_does_not_matter),
	    TEST(one_that_is_broken_is_none),
	    TEST(one_that_may_not_be_read_is_none),
	    TEST(past_the_bound_it_is_unknown),
	    TEST(after_a_reconnect_it_is_the_new_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
