/* authorize_world.h - the world of tests that authorize requests: counts what credentials cost. */
#ifndef JOBGATE_TEST_AUTHORIZE_WORLD_H
#define JOBGATE_TEST_AUTHORIZE_WORLD_H

#include "exchange_world.h"

/* Of the request of world_get, as the backend gets it. */
#define HEAD "GET 192.0.2.1:8000 /path ?q "

static struct world world;
static size_t hashes;	   /* of credentials */
static size_t comparisons; /* of such hashes with those of records */
static uint64_t stop_ms;   /* how long the worker is stopped there, after it read the clock */

/* Linked with --wrap: counts what credentials cost. */
bool __real_jg_token_hash(struct slice value, unsigned char out[TOKEN_HASH_LEN]);
bool __wrap_jg_token_hash(struct slice value, unsigned char out[TOKEN_HASH_LEN]);

bool
__wrap_jg_token_hash(struct slice value, unsigned char out[TOKEN_HASH_LEN])
{
	hashes++;
	return __real_jg_token_hash(value, out);
}

bool __real_jg_token_hash_equal(
    const unsigned char a[TOKEN_HASH_LEN], const unsigned char b[TOKEN_HASH_LEN]);
bool __wrap_jg_token_hash_equal(
    const unsigned char a[TOKEN_HASH_LEN], const unsigned char b[TOKEN_HASH_LEN]);

bool
__wrap_jg_token_hash_equal(
    const unsigned char a[TOKEN_HASH_LEN], const unsigned char b[TOKEN_HASH_LEN])
{
	comparisons++;
	ahead_ms += stop_ms;
	return __real_jg_token_hash_equal(a, b);
}

static inline int
setup(void **state)
{
	(void)state;
	world_open(&world);
	hashes = comparisons = 0;
	stop_ms = 0;
	return 0;
}

static inline int
teardown(void **state)
{
	(void)state;
	world_close(&world);
	return 0;
}

/* Other values are read while it waits, in each place that the worker keeps what it read in. */
static inline void
fill_digests(void)
{
	const struct mint *mint = jg_directory_mint(world.context->directory, world_now(&world));
	char text[32];

	for (unsigned i = 0; i < 32 * DIGEST_CACHE_SLOTS; i++)
		jg_bearer_recall(&world.context->digests, mint,
		    (struct slice){text, (size_t)snprintf(text, sizeof(text), "jgt_%u", i)});
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
