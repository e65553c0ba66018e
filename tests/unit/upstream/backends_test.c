/* backends_test.c - many backends, and names that were chosen to collide. */
#include "pool_world.h"

#define MANY 10000
#define CHOSEN 300

static struct pool_world world;

static int
set_up(void **state)
{
	(void)state;
	world_open(&world);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	world_close(&world);
	return 0;
}

static struct backend *
enter(struct slice host, uint16_t port, enum job_url_scheme scheme, enum backend_source source)
{
	const struct job_url target = {.scheme = scheme, .host = host, .port = port};
	struct backend *backend = pool_enter(world.pool, &target, source);

	assert_non_null(backend);
	return backend;
}

static struct slice
host_of(size_t number, char out[32])
{
	return (struct slice){
	    out, (size_t)snprintf(out, 32, "10.0.%zu.%zu", number >> 8 & 255, number & 255)};
}

static void
each_job_has_its_own(void **state)
{
	static struct backend *backends[MANY];
	const struct table *table = &world.pool->table;
	size_t passed = 0;
	char text[32];

	(void)state;
	for (size_t i = 0; i < MANY; i++)
		backends[i] = enter(host_of(i, text), 80, JOB_URL_HTTP, BACKEND_OF_RECORD);
	assert_int_equal(table->count, MANY);
	for (size_t i = 0; i < MANY; i++)
		assert_ptr_equal(
		    backends[i], enter(host_of(i, text), 80, JOB_URL_HTTP, BACKEND_OF_RECORD));
	assert_int_equal(table->count, MANY);
	/* A search looks at one line, but for few. */
	for (size_t i = 0; i <= table->lines.mask; i++)
		passed += table->lines.at[i].passed;
	assert_true(passed < MANY / 10);
	for (size_t i = 0; i < MANY; i++) {
		pool_leave(backends[i]);
		pool_leave(backends[i]);
	}
}

static void
each_part_of_the_place_counts(void **state)
{
	struct backend *backends[] = {
	    enter(SLICE("10.0.0.1"), 80, JOB_URL_HTTP, BACKEND_OF_RECORD),
	    enter(SLICE("10.0.0.1"), 81, JOB_URL_HTTP, BACKEND_OF_RECORD),
	    enter(SLICE("10.0.0.1"), 80, JOB_URL_H2C, BACKEND_OF_RECORD),
	    enter(SLICE("10.0.0.1"), 80, JOB_URL_HTTP, BACKEND_OF_CONFIGURATION),
	    enter(SLICE("10.0.0.2"), 80, JOB_URL_HTTP, BACKEND_OF_RECORD),
	};
	size_t count = sizeof(backends) / sizeof(backends[0]);

	(void)state;
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < i; j++)
			assert_ptr_not_equal(backends[i], backends[j]);
	for (size_t i = 0; i < count; i++)
		pool_leave(backends[i]);
}

/* Each name is a beginning of the next one, or differs in the last character; some are long. */
static void
each_byte_of_a_name_counts(void **state)
{
	enum { LENGTHS = 2 * SHORT_NAME };
	struct backend *backends[LENGTHS][2], *again;
	char name[LENGTHS];

	(void)state;
	memset(name, 'a', sizeof(name));
	for (size_t i = 0; i < LENGTHS; i++)
		for (size_t last = 0; last < 2; last++) {
			name[i] = last == 0 ? 'a' : 'b';
			backends[i][last] =
			    enter((struct slice){name, i + 1}, 80, JOB_URL_HTTP, BACKEND_OF_RECORD);
			name[i] = 'a';
		}
	assert_int_equal(world.pool->table.count, 2 * LENGTHS);
	for (size_t i = 0; i < LENGTHS; i++)
		for (size_t last = 0; last < 2; last++) {
			struct slice kept = backends[i][last]->name;

			name[i] = last == 0 ? 'a' : 'b';
			assert_int_equal(kept.len, i + 1);
			assert_memory_equal(kept.at, name, kept.len);
			again =
			    enter((struct slice){name, i + 1}, 80, JOB_URL_HTTP, BACKEND_OF_RECORD);
			assert_ptr_equal(again, backends[i][last]);
			pool_leave(again);
			pool_leave(again);
			name[i] = 'a';
		}
}

/* The hash leads to a place of another backend: the name decides. */
static void
equal_hashes_do_not_mix_backends(void **state)
{
	struct slice names[] = {SLICE("10.0.0.1"), SLICE("10.0.0.2"),
	    SLICE("a-name-of-more-than-32-characters-1"),
	    SLICE("a-name-of-more-than-32-characters-2")};
	struct pool *pool = world.pool;
	struct backend *first, *second;

	(void)state;
	for (size_t i = 0; i < 4; i += 2) {
		first = enter(names[i], 80, JOB_URL_HTTP, BACKEND_OF_RECORD);
		second = enter(names[i + 1], 80, JOB_URL_HTTP, BACKEND_OF_RECORD);
		/* The first one lies where the second one is looked up, in front of it. */
		table_remove(&pool->table, &second->node);
		table_remove(&pool->table, &first->node);
		first->node.hash = second->node.hash;
		assert_true(table_insert(&pool->table, &first->node));
		assert_true(table_insert(&pool->table, &second->node));
		assert_ptr_equal(enter(names[i + 1], 80, JOB_URL_HTTP, BACKEND_OF_RECORD), second);
		pool_leave(second);
		pool_leave(second);
		pool_leave(first);
	}
}

/* FNV-1a, which has no key: names with equal hashes are easy to choose. */
static uint32_t
plain_hash(struct slice name)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < name.len; i++)
		hash = (hash ^ (unsigned char)name.at[i]) * 16777619u;
	return (hash ^ hash >> 16) % 4096;
}

/* The lines at which searches for these backends begin are as different as chance makes them. */
static void
expect_spread(const char *before, const char *after)
{
	struct backend *backends[CHOSEN];
	bool used[1024] = {false};
	size_t found = 0, different = 0;
	char text[64];

	for (size_t i = 0; found < CHOSEN; i++) {
		struct slice name = {
		    text, (size_t)snprintf(text, sizeof(text), "%s%zu%s", before, i, after)};

		if (plain_hash(name) == 0)
			backends[found++] = enter(name, 80, JOB_URL_HTTP, BACKEND_OF_RECORD);
	}
	for (size_t i = 0; i < CHOSEN; i++) {
		size_t line = backends[i]->node.hash % 1024;

		different += !used[line];
		used[line] = true;
	}
	assert_true(different > 200); /* 260 of 1024 are expected */
	for (size_t i = 0; i < CHOSEN; i++)
		pool_leave(backends[i]);
}

static void
chosen_names_do_not_collide(void **state)
{
	(void)state;
	expect_spread("job-", ".test");
	expect_spread("", "");
	expect_spread("a-name-of-more-than-32-characters-", ".test");
}

static void
each_pool_has_a_key_of_its_own(void **state)
{
	struct pool_world other;
	const unsigned char *one = (const unsigned char *)world.pool->table.key;

	(void)state;
	world_open(&other);
	assert_memory_not_equal(one, other.pool->table.key, 16);
	assert_memory_not_equal(world.pool->hash_key, other.pool->hash_key, 16);
	world_close(&other);
}

/* Idle connections go of one backend after the other; the hand never stands at one that is gone. */
static void
the_hand_leaves_a_backend_that_goes(void **state)
{
	struct backend *stays = enter(SLICE("10.0.0.1"), 80, JOB_URL_HTTP, BACKEND_OF_RECORD);
	struct backend *goes = enter(SLICE("10.0.0.2"), 80, JOB_URL_HTTP, BACKEND_OF_RECORD);

	(void)state;
	assert_false(pool_make_room(world.pool)); /* both have been looked at */
	world.pool->hand = goes;
	pool_leave(goes);
	ahead_ms += 120000; /* until it is forgotten */
	TURN_UNTIL(&world, world.pool->table.count == 1);
	assert_ptr_equal(world.pool->hand, stays);
	assert_false(pool_make_room(world.pool));
	assert_null(world.pool->hand);
	pool_leave(stays);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(each_job_has_its_own),
	    TEST(each_part_of_the_place_counts),
	    TEST(each_byte_of_a_name_counts),
	    TEST(equal_hashes_do_not_mix_backends),
	    TEST(chosen_names_do_not_collide),
	    TEST(each_pool_has_a_key_of_its_own),
	    TEST(the_hand_leaves_a_backend_that_goes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
