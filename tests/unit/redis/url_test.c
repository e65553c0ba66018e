/* url_test.c - every form of the store's URL, and texts that are not one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "auth/redis/url.h"

static struct redis_url
expect_good(const char *text)
{
	char error[128] = "";
	struct redis_url url;

	if (!redis_url_parse(text, &url, error, sizeof(error)))
		fail_msg("'%s': %s", text, error);
	return url;
}

static void
expect_bad(const char *text)
{
	char error[128] = "";
	struct redis_url url;

	if (redis_url_parse(text, &url, error, sizeof(error)))
		fail_msg("'%s' was taken", text);
	assert_true(strlen(error) > 10);
	assert_null(strstr(error, "secret"));
}

static void
places(void **state)
{
	const struct {
		const char *text;
		bool tls;
		const char *host;
		unsigned port, database;
	} cases[] = {
	    {"redis://h", false, "h", 6379, 0},
	    {"redis://h/", false, "h", 6379, 0},
	    {"redis://h:1", false, "h", 1, 0},
	    {"redis://h:65535/0", false, "h", 65535, 0},
	    {"rediss://a-b_c.Example.org/15", true, "a-b_c.Example.org", 6379, 15},
	    {"redis://127.0.0.1:6380/65535", false, "127.0.0.1", 6380, 65535},
	    {"redis://[::1]", false, "::1", 6379, 0},
	    {"rediss://[2001:db8::1]:7/3", true, "2001:db8::1", 7, 3},
	    {"redis://[::1]/1", false, "::1", 6379, 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct redis_url url = expect_good(cases[i].text);

		assert_int_equal(url.tls, cases[i].tls);
		assert_string_equal(url.host, cases[i].host);
		assert_int_equal(url.port, cases[i].port);
		assert_int_equal(url.database, cases[i].database);
		assert_string_equal(url.path, "");
		assert_false(url.login.given);
	}
}

static void
sentinels(void **state)
{
	struct redis_url url;

	(void)state;
	url = expect_good("redis+sentinel://a/main");
	assert_int_equal(url.place_count, 1);
	assert_string_equal(url.places[0].host, "a");
	assert_int_equal(url.places[0].port, 26379);
	assert_string_equal(url.master, "main");
	assert_string_equal(url.host, "");
	assert_int_equal(url.port, 0);
	assert_false(url.tls || url.login.given);
	assert_int_equal(url.database, 0);
	url = expect_good("rediss+sentinel://u:p%40@a.b:1,[::1],10.0.0.1:65535/my_main-1.x/12");
	assert_int_equal(url.place_count, 3);
	assert_string_equal(url.places[0].host, "a.b");
	assert_int_equal(url.places[0].port, 1);
	assert_string_equal(url.places[1].host, "::1");
	assert_int_equal(url.places[1].port, 26379);
	assert_string_equal(url.places[2].host, "10.0.0.1");
	assert_int_equal(url.places[2].port, 65535);
	assert_string_equal(url.master, "my_main-1.x");
	assert_string_equal(url.login.user, "u");
	assert_string_equal(url.login.password, "p@");
	assert_true(url.tls);
	assert_int_equal(url.database, 12);
	assert_int_equal(expect_good("redis+sentinel://a,b,c,d,e,f,g/m/").place_count, 7);
}

static void
clusters(void **state)
{
	struct redis_url url;

	(void)state;
	url = expect_good("redis+cluster://a");
	assert_true(url.cluster);
	assert_int_equal(url.place_count, 1);
	assert_string_equal(url.places[0].host, "a");
	assert_int_equal(url.places[0].port, 6379);
	assert_int_equal(url.port, 0);
	assert_false(url.tls);
	url = expect_good("rediss+cluster://u:p@a:1,[::1]:2,c/");
	assert_true(url.cluster && url.tls);
	assert_int_equal(url.place_count, 3);
	assert_string_equal(url.places[1].host, "::1");
	assert_int_equal(url.places[2].port, 6379);
	assert_string_equal(url.login.password, "p");
	assert_false(expect_good("redis+sentinel://a/main").cluster);
	assert_string_equal(redis_default_prefix("rediss+cluster://a"), "{jobgate}:");
	assert_string_equal(redis_default_prefix("redis://a"), "jobgate:");
}

static void
logins_of_sentinels(void **state)
{
	struct redis_url url = expect_good(
	    "redis+sentinel://:r@a/m/3?sentinel_username=%61nn&sentinel_password=s%26@");

	(void)state;
	assert_string_equal(url.login.password, "r");
	assert_string_equal(url.login.user, "");
	assert_true(url.sentinel_login.given);
	assert_string_equal(url.sentinel_login.user, "ann");
	assert_string_equal(url.sentinel_login.password, "s&@");
	assert_string_equal(url.master, "m");
	assert_int_equal(url.database, 3);
	url = expect_good("rediss+sentinel://a/m?sentinel_password=s");
	assert_false(url.login.given);
	assert_true(url.sentinel_login.given);
	assert_string_equal(url.sentinel_login.user, "");
	assert_false(expect_good("redis+sentinel://:r@a/m").sentinel_login.given);
	redis_url_wipe(&url);
	assert_string_equal(url.sentinel_login.password, "");
	assert_false(url.sentinel_login.given);
}

static void
no_logins_of_sentinels(void **state)
{
	static const char *const cases[] = {"redis+sentinel://a/m?", "redis+sentinel://a/m?secret",
	    "redis+sentinel://a/m?sentinel_password", "redis+sentinel://a/m?sentinel_password=",
	    "redis+sentinel://a/m?sentinel_username=secret",
	    "redis+sentinel://a/m?sentinel_password=secret&",
	    "redis+sentinel://a/m?sentinel_password=secret&sentinel_password=secret",
	    "redis+sentinel://a/m?sentinel_password=secret&db=1",
	    "redis+sentinel://a/m?sentinel_password=secret#x",
	    "redis+sentinel://a/m?sentinel_password=secret%",
	    "redis+sentinel://a/m?Sentinel_password=secret", "redis+sentinel://a/m?password=secret",
	    "redis://a?sentinel_password=secret", "redis+sentinel://a?sentinel_password=secret",
	    "redis+sentinel://a/m/?sentinel_password=secret/x&"};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_bad(cases[i]);
}

static void
no_sentinels(void **state)
{
	static const char *const cases[] = {"redis+sentinel://", "redis+sentinel:///m",
	    "redis+sentinel://a", "redis+sentinel://a/", "redis+sentinel://a,/m",
	    "redis+sentinel://,a/m", "redis+sentinel://a,,b/m", "redis+sentinel://a:0/m",
	    "redis+sentinel://a:65536/m", "redis+sentinel://a b/m", "redis+sentinel://a/m m",
	    "redis+sentinel://a/m/x", "redis+sentinel://a/m/1/2", "redis+sentinel://a/m?x",
	    "redis+sentinel://secret@a/m", "redis+sentinel://a,b,c,d,e,f,g,h/m",
	    "redis+sentinel://a/"
	    "0123456789012345678901234567890123456789012345678901234567890123"};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_bad(cases[i]);
}

static void
valid_hosts(void **state)
{
	(void)state;
	assert_true(redis_host_valid("10.0.0.1"));
	assert_true(redis_host_valid("::1"));
	assert_true(redis_host_valid("redis-1.example.org"));
	assert_false(redis_host_valid(""));
	assert_false(redis_host_valid("a/b"));
	assert_false(redis_host_valid("a:b"));
	assert_false(redis_host_valid("a b"));
}

static void
no_places(void **state)
{
	static const char *const cases[] = {"", "h", "h:6379", "redis:", "redis:/h", "REDIS://h",
	    "http://h", "tcp://h", " redis://h", "redis://", "redis:///", "redis://:6379",
	    "redis://h:", "redis://h:0", "redis://h:00", "redis://h:65536", "redis://h:9999999999",
	    "redis://h:99999999999999999999", "redis://h:-1", "redis://h:+1", "redis://h:1a",
	    "redis://h:1 ", "redis://h:1:2", "redis://a b", "redis://a,b", "redis://a\tb",
	    "redis://\303\244", "redis://a%41", "redis://::1", "redis://[", "redis://[]",
	    "redis://[::1", "redis://[::1]6379", "redis://[::1]:", "redis://[h]",
	    "redis://[127.0.0.1]", "redis://h]", "redis://h/x", "redis://h/-1", "redis://h/65536",
	    "redis://h/1/2", "redis://h/1 ", "redis://h/9999999999", "redis://h?db=1",
	    "redis://h/1?x=2", "redis://h#1", "redis://h/#1"};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_bad(cases[i]);
}

static void
the_bounds_of_a_host(void **state)
{
	char text[8 + REDIS_TEXT_MAX + 8] = "redis://";

	(void)state;
	memset(text + 8, 'a', REDIS_TEXT_MAX - 1);
	assert_int_equal(strlen(expect_good(text).host), REDIS_TEXT_MAX - 1);
	strcat(text, "a");
	expect_bad(text);
}

static void
logins(void **state)
{
	const struct {
		const char *text, *user, *password;
	} cases[] = {
	    {"redis://ann:secret@h", "ann", "secret"},
	    {"redis://:secret@h", "", "secret"},
	    {"redis://ann:@h", "ann", ""},
	    {"redis://:a:b@h", "", "a:b"},
	    {"redis://:a@b@h", "", "a@b"},
	    {"redis://%61%3a:%40%2F%3f%23%25%C3%A4@h", "a:", "@/?#%\303\244"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct redis_url url = expect_good(cases[i].text);

		assert_true(url.login.given);
		assert_string_equal(url.login.user, cases[i].user);
		assert_string_equal(url.login.password, cases[i].password);
		assert_string_equal(url.host, "h");
	}
}

static void
no_logins(void **state)
{
	static const char *const cases[] = {"redis://@h", "redis://ann@h", "redis://:secret@",
	    "redis://:secret@:1", "redis://:secret%@h", "redis://:secret%4@h",
	    "redis://:secret%4g@h", "redis://:secret%g4@h", "redis://:secret%00@h",
	    "redis://%zz:secret@h", "redis://:secret/more@h", "redis://:secret?@h",
	    "redis://:secret@h:x", "redis://:secret@h/x", "redis://:secret@h?secret"};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_bad(cases[i]);
}

static void
the_bounds_of_a_login(void **state)
{
	char long_text[REDIS_TEXT_MAX + 1], text[2 * REDIS_TEXT_MAX];

	(void)state;
	memset(long_text, 'p', REDIS_TEXT_MAX);
	long_text[REDIS_TEXT_MAX] = '\0';
	snprintf(text, sizeof(text), "redis://:%s@h", long_text);
	expect_bad(text);
	snprintf(text, sizeof(text), "redis://%s:@h", long_text);
	expect_bad(text);
	long_text[REDIS_TEXT_MAX - 1] = '\0';
	snprintf(text, sizeof(text), "redis://:%s@h", long_text);
	assert_string_equal(expect_good(text).login.password, long_text);
	snprintf(text, sizeof(text), "redis://%s:@h", long_text);
	assert_string_equal(expect_good(text).login.user, long_text);
}

static void
unix_sockets(void **state)
{
	char text[160] = "unix:///";
	struct redis_url url = expect_good("unix:/run/redis.sock");

	(void)state;
	assert_string_equal(url.path, "/run/redis.sock");
	assert_string_equal(url.host, "");
	assert_int_equal(url.database, 0);
	assert_false(url.tls);
	assert_string_equal(expect_good("unix:///run/redis.sock").path, "/run/redis.sock");
	url = expect_good("unix:/a b%20?db=65535");
	assert_string_equal(url.path, "/a b%20");
	assert_int_equal(url.database, 65535);
	assert_int_equal(expect_good("unix:///a?db=0").database, 0);
	memset(text + 8, 's', 106);
	assert_int_equal(strlen(expect_good(text).path), 107);
	strcat(text, "?db=1");
	assert_int_equal(expect_good(text).database, 1);
	memset(text + 8, 's', 107);
	text[8 + 107] = '\0';
	expect_bad(text);
}

static void
no_unix_sockets(void **state)
{
	static const char *const cases[] = {"unix:", "unix://", "unix:a", "unix:./a", "unix://h/a",
	    "unix:?db=1", "unix://?db=1", "unix:/a?", "unix:/a?db", "unix:/a?db=", "unix:/a?db=x",
	    "unix:/a?db=-1", "unix:/a?db=65536", "unix:/a?db=1&x=2", "unix:/a?DB=1", "unix:/a?x=1",
	    "UNIX:/a"};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_bad(cases[i]);
}

static void
a_wiped_url_has_no_password(void **state)
{
	struct redis_url url = expect_good("redis://ann:secret@h");
	static const char nothing[sizeof(url.login.password)];

	(void)state;
	redis_url_wipe(&url);
	assert_memory_equal(url.login.password, nothing, sizeof(nothing));
	assert_string_equal(url.host, "h");
}

/* The sentence is cut to the room there is for it. */
static void
an_error_keeps_to_its_room(void **state)
{
	char error[8] = "#######";
	struct redis_url url;

	(void)state;
	assert_false(redis_url_parse("x", &url, error, 4));
	assert_int_equal(strlen(error), 3);
	assert_int_equal(error[4], '#');
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(places),
	    cmocka_unit_test(no_places),
	    cmocka_unit_test(sentinels),
	    cmocka_unit_test(clusters),
	    cmocka_unit_test(logins_of_sentinels),
	    cmocka_unit_test(no_logins_of_sentinels),
	    cmocka_unit_test(no_sentinels),
	    cmocka_unit_test(valid_hosts),
	    cmocka_unit_test(the_bounds_of_a_host),
	    cmocka_unit_test(logins),
	    cmocka_unit_test(no_logins),
	    cmocka_unit_test(the_bounds_of_a_login),
	    cmocka_unit_test(unix_sockets),
	    cmocka_unit_test(no_unix_sockets),
	    cmocka_unit_test(a_wiped_url_has_no_password),
	    cmocka_unit_test(an_error_keeps_to_its_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
