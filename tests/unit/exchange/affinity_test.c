/* affinity_test.c - a cookie keeps a browser at one replica. */
#include "browser/session.h"
#include "relay_world.h"

/* The last digit of its port is the index of a replica's backend (fake_upstream.h). */
static const struct job_url urls[] = {
    {.scheme = JOB_URL_HTTP, .host = SLICE("192.0.2.1"), .port = 8001, .hash = 1},
    {.scheme = JOB_URL_HTTP, .host = SLICE("192.0.2.2"), .port = 8002, .hash = 2},
    {.scheme = JOB_URL_HTTP, .host = SLICE("192.0.2.3"), .port = 8003, .hash = 3},
};

static char fields[512]; /* of the next request */

static void
set_cookie(const char *cookie)
{
	snprintf(fields, sizeof(fields), "%s%s%s%s", world.bearer,
	    cookie[0] != '\0' ? "Cookie: " : "", cookie, cookie[0] != '\0' ? "\n" : "");
}

static void
know(size_t count, struct slice affinity)
{
	struct record *record = job_record(0, NULL);

	jg_job_set_urls(&record->job, urls, count);
	record->job.affinity = affinity;
	jg_directory_invalidate(world.store.directory, RECORD_JOB, SLICE(JOB), world_now(&world));
	jg_directory_lookup(world.store.directory, RECORD_JOB, SLICE(JOB), world_now(&world), NULL);
	world_reply(&world, RECORD_JOB, record);
}

static int
setup_three(void **state)
{
	setup(state);
	world.context->options.affinity_key = world_session_key;
	know(3, SLICE("cookie"));
	set_cookie("");
	return 0;
}

static void
begin(void)
{
	memset(&fake_pool.given, 0, sizeof(fake_pool.given));
	fake_pool.acquires = 0;
	world_ask(&world, &(struct question){"GET", JOB ".jobs.test", "/", NULL, fields});
	world_turn(&world);
}

/* A whole exchange; the index of its replica. The answer's Set-Cookie is in world.client.fields. */
static size_t
ask(void)
{
	begin();
	finish();
	return fake_pool.acquired[fake_pool.acquires - 1] - 1;
}

/* The next request has the cookie of this answer. */
static void
take_cookie(void)
{
	const char *at = strstr(world.client.fields, "Set-Cookie: " REPLICA_COOKIE "=");
	char cookie[128];

	assert_non_null(at);
	snprintf(cookie, sizeof(cookie), "%.*s",
	    (int)(sizeof(REPLICA_COOKIE "=") - 1 + REPLICA_COOKIE_LEN), at + 12);
	set_cookie(cookie);
}

static bool
sets_cookie(void)
{
	return strstr(world.client.fields, "Set-Cookie") != NULL;
}

static void
requests_with_the_cookie_stay(void **state)
{
	size_t first = ask();

	(void)state;
	assert_non_null(strstr(world.client.fields, "; Path=/; Secure; HttpOnly; SameSite=Lax"));
	take_cookie();
	for (int i = 0; i < 20; i++) {
		assert_int_equal(ask(), first);
		assert_false(sets_cookie());
		assert_null(strstr(fake_pool.given[0].lines, "Cookie"));
	}
}

static void
one_that_is_down(void **state)
{
	size_t first = ask(), second;

	(void)state;
	take_cookie();
	fake_pool.to_make[0] = true;
	begin();
	assert_int_equal(fake_pool.acquired[0], first + 1);
	assert_true(upstream()->upstream.user->elsewhere);
	TELL(failed, UPSTREAM_REFUSED, REPEAT_NOT);
	world_turn(&world);
	finish();
	second = fake_pool.acquired[1] - 1;
	assert_int_not_equal(second, first);
	fake_pool.to_make[0] = false;
	take_cookie();
	assert_int_equal(ask(), second);
}

static void
one_that_is_gone(void **state)
{
	(void)state;
	while (ask() != 2)
		set_cookie("");
	take_cookie();
	know(2, SLICE("cookie"));
	assert_true(ask() < 2);
	assert_true(sets_cookie());
}

static void
cookies_that_count_as_none(void **state)
{
	(void)state;
	set_cookie(REPLICA_COOKIE "=x");
	ask();
	assert_true(sets_cookie());
	take_cookie();
	fields[strlen(fields) - 3] ^= 1;
	ask();
	assert_true(sets_cookie());
}

static void
jobs_without_affinity(void **state)
{
	(void)state;
	know(3, (struct slice){0});
	ask();
	assert_false(sets_cookie());
	know(1, SLICE("cookie"));
	ask();
	assert_false(sets_cookie());
}

static void
sealed_for_one_job(void **state)
{
	char text[REPLICA_COOKIE_LEN];
	const struct slice sealed = {text, sizeof(text)};
	uint64_t target = 0;

	(void)state;
	assert_true(replica_seal(world_session_key, SLICE("a"), 0x123456789abcdef0, text));
	assert_true(replica_open(world_session_key, SLICE("a"), sealed, &target));
	assert_true(target == 0x123456789abcdef0);
	assert_false(replica_open(world_session_key, SLICE("b"), sealed, &target));
	assert_true(cookie_is_ours(SLICE(REPLICA_COOKIE "=x")));
}

int
main(void)
{
#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_three, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(requests_with_the_cookie_stay),
	    TEST(one_that_is_down),
	    TEST(one_that_is_gone),
	    TEST(cookies_that_count_as_none),
	    TEST(jobs_without_affinity),
	    TEST(sealed_for_one_job),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
