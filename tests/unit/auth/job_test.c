/* job_test.c - ids of jobs, and every error that a backend's URL can have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "jobgate/job.h"

static void
ids(void **state)
{
	char id[65];

	(void)state;
	memset(id, 'a', sizeof(id));
	assert_false(jg_job_id_valid((struct slice){id, 0}));
	assert_false(jg_job_id_valid((struct slice){0}));
	assert_true(jg_job_id_valid((struct slice){id, 1}));
	assert_true(jg_job_id_valid((struct slice){id, 63}));
	assert_false(jg_job_id_valid((struct slice){id, 64}));
	assert_true(jg_job_id_valid(SLICE("0-9")));
	assert_true(jg_job_id_valid(SLICE("0b9d3c1e-6f0a-4a55-9d0c-2f1f6f3f7c11")));
	assert_false(jg_job_id_valid(SLICE("-")));
	for (int c = 0; c < 256; c++)
		for (size_t at = 0; at < 3; at++) {
			char text[] = "xxx";
			bool legal = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
				     (c == '-' && at == 1);

			text[at] = (char)c;
			assert_int_equal(jg_job_id_valid((struct slice){text, 3}), legal);
		}
}

static void
ids_in_any_case(void **state)
{
	char long_id[JOB_ID_MAX + 1], out[JOB_ID_ROOM];

	(void)state;
	memset(long_id, 'X', sizeof(long_id));
	assert_true(jg_job_id_fold((struct slice){long_id, JOB_ID_MAX}, out));
	for (size_t i = 0; i < JOB_ID_MAX; i++)
		assert_int_equal(out[i], 'x');
	assert_false(jg_job_id_fold((struct slice){long_id, JOB_ID_MAX + 1}, out));
	assert_false(jg_job_id_fold((struct slice){long_id, 0}, out));
	assert_true(jg_job_id_fold(SLICE("0B9d3c1e-6F0A"), out));
	assert_memory_equal(out, "0b9d3c1e-6f0a", 13);
	for (int c = 0; c < 256; c++)
		for (size_t at = 0; at < 3; at++) {
			char text[] = "xxx";
			bool upper = c >= 'A' && c <= 'Z';
			bool legal = upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
				     (c == '-' && at == 1);

			text[at] = (char)c;
			assert_int_equal(jg_job_id_fold((struct slice){text, 3}, out), legal);
			if (legal)
				assert_int_equal(out[at], upper ? c + 32 : c);
		}
}

static void
expect_bad(struct slice text, size_t offset)
{
	struct job_url url;
	size_t bad = 9999;

	if (jg_job_url_parse(text, &url, &bad))
		fail_msg("'%.*s' was taken", (int)text.len, text.at);
	if (bad != offset)
		fail_msg("'%.*s': %zu, not %zu", (int)text.len, text.at, bad, offset);
}

static struct job_url
expect_good(struct slice text)
{
	struct job_url url;
	size_t bad;

	if (!jg_job_url_parse(text, &url, &bad))
		fail_msg("'%.*s' was refused at %zu", (int)text.len, text.at, bad);
	return url;
}

static void
no_text_is_no_url_yet(void **state)
{
	(void)state;
	assert_int_equal(expect_good(SLICE("")).scheme, JOB_URL_NONE);
	assert_int_equal(expect_good((struct slice){0}).scheme, JOB_URL_NONE);
}

static void
http_urls(void **state)
{
	const struct {
		const char *text;
		enum job_url_scheme scheme;
		const char *host;
		unsigned port;
		const char *base;
	} cases[] = {
	    {"http://h", JOB_URL_HTTP, "h", 80, ""},
	    {"https://h", JOB_URL_HTTPS, "h", 443, ""},
	    {"http://h/", JOB_URL_HTTP, "h", 80, ""},
	    {"http://h///", JOB_URL_HTTP, "h", 80, ""},
	    {"http://127.0.0.1:8888", JOB_URL_HTTP, "127.0.0.1", 8888, ""},
	    {"https://a-b_c.Example.org:1/x", JOB_URL_HTTPS, "a-b_c.Example.org", 1, "/x"},
	    {"http://h.:65535/", JOB_URL_HTTP, "h.", 65535, ""},
	    {"http://h:0080", JOB_URL_HTTP, "h", 80, ""},
	    {"https://h:80", JOB_URL_HTTPS, "h", 80, ""},
	    {"http://[::1]", JOB_URL_HTTP, "::1", 80, ""},
	    {"http://[::ffff:1.2.3.4]:9/a", JOB_URL_HTTP, "::ffff:1.2.3.4", 9, "/a"},
	    {"http://[1:2:3:4:5:6:255.255.255.255]", JOB_URL_HTTP, "1:2:3:4:5:6:255.255.255.255",
		80, ""},
	    {"http://[0000:0000:0000:0000:0000:ffff:255.255.255.255]", JOB_URL_HTTP,
		"0000:0000:0000:0000:0000:ffff:255.255.255.255", 80, ""},
	    {"http://h/a/b/", JOB_URL_HTTP, "h", 80, "/a/b"},
	    {"http://h//a//", JOB_URL_HTTP, "h", 80, "//a"},
	    {"http://h/a.b/..c/...", JOB_URL_HTTP, "h", 80, "/a.b/..c/..."},
	    {"http://h/%20-._~!$&'()*+,;=:@%C3%a4", JOB_URL_HTTP, "h", 80,
		"/%20-._~!$&'()*+,;=:@%C3%a4"},
	    {"http://h/%2e%2e%2e", JOB_URL_HTTP, "h", 80, "/%2e%2e%2e"},
	    {"h2c://h", JOB_URL_H2C, "h", 80, ""},
	    {"h2c://[::1]:8080/a/", JOB_URL_H2C, "::1", 8080, "/a"},
	    {"grpc://h:50051", JOB_URL_H2C, "h", 50051, ""},
	    {"grpcs://h", JOB_URL_GRPCS, "h", 443, ""},
	    {"grpcs://h:50051/a", JOB_URL_GRPCS, "h", 50051, "/a"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct job_url url = expect_good(slice_of(cases[i].text));

		assert_int_equal(url.scheme, cases[i].scheme);
		assert_true(slice_equal(url.host, slice_of(cases[i].host)));
		assert_int_equal(url.port, cases[i].port);
		assert_true(slice_equal(url.base, slice_of(cases[i].base)));
		assert_int_equal(url.path.len, 0);
	}
}

static void
what_is_no_http_url(void **state)
{
	const struct {
		const char *text;
		size_t bad;
	} cases[] = {
	    /* the scheme */
	    {"h", 0},
	    {"http", 0},
	    {"http:/h", 0},
	    {"h2c:/h", 0},
	    {"h2://h", 0},
	    {"grpc:h", 0},
	    {"GRPC://h", 0},
	    {"grpcss://h", 0},
	    {"grpc://", 7},
	    {"grpcs://u@h", 9},
	    {"HTTP://h", 0},
	    {"ftp://h", 0},
	    {" http://h", 0},
	    {"//h", 0},
	    /* the host */
	    {"http://", 7},
	    {"https://", 8},
	    {"http:///a", 7},
	    {"http://:80", 7},
	    {"http://.h", 7},
	    {"http://a..b", 9},
	    {"http://user@h", 11},
	    {"http://user:1@h", 13},
	    {"http://a b", 8},
	    {"http://a\\b", 8},
	    {"http://a%41", 8},
	    {"http://\303\244", 7},
	    {"http://[", 8},
	    {"http://[]", 8},
	    {"http://[::1", 8},
	    {"http://[::1]x", 12},
	    {"http://[127.0.0.1]", 8},
	    {"http://[fe80::1%25eth0]", 8},
	    {"http://[::g]", 8},
	    {"http://[1111:2222:3333:4444:5555:6666:7777:8888:9999]", 8},
	    {"http://[0000:0000:0000:0000:0000:ffff:255.255.255.2555]", 8},
	    {"http://::1", 7},
	    /* the port */
	    {"http://h:", 9},
	    {"http://h:/", 9},
	    {"http://h:0", 10},
	    {"http://h:000/", 12},
	    {"http://h:65536", 13},
	    {"http://h:99999999999999999999", 13},
	    {"http://h:-1", 9},
	    {"http://h:+80", 9},
	    {"http://h:8o", 10},
	    /* behind it */
	    {"http://h?q", 8},
	    {"http://h#f", 8},
	    {"http://h/?q", 9},
	    {"http://h/a#f", 10},
	    {"http://h/a b", 10},
	    {"http://h/a\tb", 10},
	    {"http://h/a\177", 10},
	    {"http://h/\303\244", 9},
	    {"http://h/a\\b", 10},
	    {"http://h/\"", 9},
	    {"http://h/[", 9},
	    {"http://h/%", 9},
	    {"http://h/%4", 9},
	    {"http://h/%4g", 9},
	    {"http://h/%g4", 9},
	    /* what could be another path for the backend */
	    {"http://h/.", 9},
	    {"http://h/..", 9},
	    {"http://h/./a", 9},
	    {"http://h/a/../b", 11},
	    {"http://h/a/..", 11},
	    {"http://h/a/%2e", 11},
	    {"http://h/a/%2E./b", 11},
	    {"http://h/.%2e", 9},
	    {"http://h/%2e%2E", 9},
	    {"http://h/a%2fb", 10},
	    {"http://h/a%2Fb", 10},
	    {"http://h/a%5cb", 10},
	    {"http://h/a%5Cb", 10},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_bad(slice_of(cases[i].text), cases[i].bad);
}

/* Texts come from Redis and from JSON, which both may hold NULs: none may hide what is behind it.
 */
static void
a_nul_ends_nothing(void **state)
{
	(void)state;
	expect_bad(SLICE("\0"), 0);
	expect_bad(SLICE("http://h\0"), 8);
	expect_bad(SLICE("http://[::1\0]"), 8);
	expect_bad(SLICE("http://[::1\0 evil]:80/"), 8);
	expect_bad(SLICE("http://h:80\0"), 11);
	expect_bad(SLICE("http://h/a\0b"), 10);
	expect_bad(SLICE("unix:/a\0b"), 7);
}

static void
the_bounds_of_a_host(void **state)
{
	char text[7 + 254 + 4] = "http://";

	(void)state;
	memset(text + 7, 'a', 254);
	assert_int_equal(expect_good((struct slice){text, 7 + 253}).host.len, 253);
	expect_bad((struct slice){text, 7 + 254}, 7 + 253);
	memcpy(text + 7 + 253, ":1/", 3);
	assert_int_equal(expect_good((struct slice){text, 7 + 253 + 3}).host.len, 253);
}

static void
the_bounds_of_a_url(void **state)
{
	char text[JOB_URL_MAX + 1] = "http://h/";

	(void)state;
	memset(text + 9, 'a', sizeof(text) - 9);
	assert_int_equal(expect_good((struct slice){text, JOB_URL_MAX}).base.len, JOB_URL_MAX - 8);
	expect_bad((struct slice){text, JOB_URL_MAX + 1}, JOB_URL_MAX);
}

static void
unix_urls(void **state)
{
	char text[5 + 108] = "unix:/";
	struct job_url url = expect_good(SLICE("unix:/run/a%20b\303\244?.sock"));

	(void)state;
	assert_int_equal(url.scheme, JOB_URL_UNIX);
	assert_true(slice_equal(url.path, SLICE("/run/a%20b\303\244?.sock")));
	assert_int_equal(url.host.len, 0);
	assert_int_equal(url.port, 0);
	assert_int_equal(url.base.len, 0);
	memset(text + 6, 's', sizeof(text) - 6);
	assert_int_equal(expect_good((struct slice){text, 5 + 107}).path.len, 107);
	expect_bad((struct slice){text, 5 + 108}, 5 + 107);
	expect_bad(SLICE("unix:"), 5);
	expect_bad(SLICE("unix:a"), 5);
	expect_bad(SLICE("unix:./a"), 5);
	expect_bad(SLICE("unix:@a"), 5);
	for (int c = 0; c < 256; c++) {
		char path[] = "unix:/aXb";

		path[7] = (char)c;
		if (c <= ' ' || c == 0x7f)
			expect_bad((struct slice){path, 9}, 7);
		else
			expect_good((struct slice){path, 9});
	}
}

/* Every byte in each place of an http URL: only what is named may stand there. */
static void
every_byte(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		char host[] = "http://aXa", base[] = "http://a/aXa";
		bool alnum =
		    (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		host[8] = (char)c;
		if (alnum || (c != 0 && strchr("-_./", c) != NULL))
			expect_good((struct slice){host, 10});
		else
			expect_bad((struct slice){host, 10}, c == ':' ? 9 : 8);
		base[10] = (char)c;
		if (alnum || (c != 0 && strchr("-._~!$&'()*+,;=:@/", c) != NULL))
			expect_good((struct slice){base, 12});
		else
			expect_bad((struct slice){base, 12}, 10);
	}
}

static void
a_sidecars_job_has_the_configured_url(void **state)
{
	const struct job record = {.id = SLICE("demo"), .url = {.scheme = JOB_URL_NONE}};
	const struct job_url fixed = {.scheme = JOB_URL_HTTP, .host = SLICE("h"), .port = 80};
	struct job room;

	(void)state;
	assert_ptr_equal(jg_effective_job(&record, NULL, &room), &record);
	assert_ptr_equal(jg_effective_job(&record, &fixed, &room), &room);
	assert_true(slice_equal(room.id, SLICE("demo")) && slice_equal(room.url.host, SLICE("h")));
	assert_int_equal(room.url.scheme, JOB_URL_HTTP);
	assert_int_equal(record.url.scheme, JOB_URL_NONE);
}

static void
ports(void **state)
{
	static const char *const bad[] = {
	    "", "0", "01", "65536", "+1", "-1", " 1", "1 ", "x", "99999999999999999999"};
	struct job_port ports[3], port = {.number = 2};
	struct job job = {.ports = {.items = ports}};
	uint16_t number;

	(void)state;
	assert_true(jg_job_port_parse(SLICE("1"), &number) && number == 1);
	assert_true(jg_job_port_parse(SLICE("65535"), &number) && number == 65535);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(jg_job_port_parse(slice_of(bad[i]), &number));
	jg_job_port_insert(ports, job.ports.count++, &port);
	port.number = 3;
	jg_job_port_insert(ports, job.ports.count++, &port);
	port.number = 1;
	jg_job_port_insert(ports, job.ports.count++, &port);
	for (uint16_t i = 1; i <= 3; i++) {
		assert_int_equal(ports[i - 1].number, i);
		assert_ptr_equal(jg_job_port_find(&job, i), &ports[i - 1]);
	}
	assert_null(jg_job_port_find(&job, 4));
}

static void
labels_of_ports(void **state)
{
	static const char *const bad[] = {"", "a", "a-", "-1", "1", "a--1", "a-0", "a-01",
	    "a-65536", "a-1-", "a-x", "a-1x", "a1", "-"};
	char room[JOB_PORT_LABEL_MAX];
	size_t id_len;
	uint16_t number;

	(void)state;
	assert_true(jg_job_port_split(SLICE("a-80"), &id_len, &number));
	assert_true(id_len == 1 && number == 80);
	assert_true(jg_job_port_split(SLICE("1-2-3"), &id_len, &number));
	assert_true(id_len == 3 && number == 3);
	assert_true(slice_equal(jg_job_port_label(SLICE("a"), 65535, room), SLICE("a-65535")));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(jg_job_port_split(slice_of(bad[i]), &id_len, &number));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ids),
	    cmocka_unit_test(ids_in_any_case),
	    cmocka_unit_test(no_text_is_no_url_yet),
	    cmocka_unit_test(http_urls),
	    cmocka_unit_test(what_is_no_http_url),
	    cmocka_unit_test(a_nul_ends_nothing),
	    cmocka_unit_test(the_bounds_of_a_host),
	    cmocka_unit_test(the_bounds_of_a_url),
	    cmocka_unit_test(unix_urls),
	    cmocka_unit_test(every_byte),
	    cmocka_unit_test(ports),
	    cmocka_unit_test(labels_of_ports),
	    cmocka_unit_test(a_sidecars_job_has_the_configured_url),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
