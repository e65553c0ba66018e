/* target_test.c - targets, authorities and dot segments: what a backend could read differently. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http/target.h"

static struct target target;

static void
expect_parts(const char *text, enum target_form form, const char *scheme, const char *authority,
    const char *path, const char *query)
{
	assert_int_equal(target_parse(slice_of(text), &target), form);
	assert_int_equal(target.form, form);
	assert_true(slice_equal(target.scheme, slice_of(scheme)));
	assert_true(slice_equal(target.authority, slice_of(authority)));
	assert_true(slice_equal(target.path, slice_of(path)));
	assert_true(slice_equal(target.query, slice_of(query)));
}

static void
expect_bad(struct slice text)
{
	if (target_parse(text, &target) != TARGET_BAD || target.form != TARGET_BAD)
		fail_msg("\"%.*s\" is let in", (int)text.len, text.at);
}

static void
origin_form(void **state)
{
	(void)state;
	expect_parts("/", TARGET_ORIGIN, "", "", "/", "");
	expect_parts("/a/b?c=d&e", TARGET_ORIGIN, "", "", "/a/b", "?c=d&e");
	expect_parts("/?", TARGET_ORIGIN, "", "", "/", "?");
	expect_parts("/a?b?c/../d", TARGET_ORIGIN, "", "", "/a", "?b?c/../d");
	expect_parts("//a//", TARGET_ORIGIN, "", "", "//a//", "");
	expect_parts("/http://b/", TARGET_ORIGIN, "", "", "/http://b/", "");
	expect_parts("/%2f%C3%a9%00", TARGET_ORIGIN, "", "", "/%2f%C3%a9%00", "");
	expect_parts(
	    "/-._~!$&'()*+,;=:@09azAZ", TARGET_ORIGIN, "", "", "/-._~!$&'()*+,;=:@09azAZ", "");
}

static void
absolute_form(void **state)
{
	(void)state;
	expect_parts("http://h/", TARGET_ABSOLUTE, "http", "h", "/", "");
	assert_false(target.pathless);
	expect_parts("HTTPS://h:1/a?b", TARGET_ABSOLUTE, "HTTPS", "h:1", "/a", "?b");
	expect_parts("http://h", TARGET_ABSOLUTE, "http", "h", "/", "");
	assert_true(target.pathless);
	expect_parts("http://h?q", TARGET_ABSOLUTE, "http", "h", "/", "?q");
	expect_parts("http://h?q/r", TARGET_ABSOLUTE, "http", "h", "/", "?q/r");
	expect_parts("http://h:/", TARGET_ABSOLUTE, "http", "h:", "/", "");
	expect_parts("http://[::1]:80/x", TARGET_ABSOLUTE, "http", "[::1]:80", "/x", "");
	expect_bad(SLICE("http:///"));
	expect_bad(SLICE("http://"));
	expect_bad(SLICE("http://:80/"));
	expect_bad(SLICE("http:/h/"));
	expect_bad(SLICE("http:h"));
	expect_bad(SLICE("http://u@h/"));
	expect_bad(SLICE("http://u:p@h/"));
	expect_bad(SLICE("http://h:0/"));
	expect_bad(SLICE("http://h:65536/"));
	expect_bad(SLICE("http://h\\a/"));
	expect_bad(SLICE("http://h#/"));
	expect_bad(SLICE("http://h/#a"));
	expect_bad(SLICE("http://h/a b"));
	expect_bad(SLICE("http://h/%"));
	expect_bad(SLICE("ftp://h/"));
	expect_bad(SLICE("ws://h/"));
	expect_bad(SLICE("unix:/run/s"));
	expect_bad(SLICE("javascript://h/%0a"));
}

static void
authority_and_asterisk_form(void **state)
{
	(void)state;
	expect_parts("h:443", TARGET_AUTHORITY, "", "h:443", "", "");
	expect_parts("[2001:db8::1]:443", TARGET_AUTHORITY, "", "[2001:db8::1]:443", "", "");
	expect_bad(SLICE("h"));
	expect_bad(SLICE("h:"));
	expect_bad(SLICE("h:443/"));
	expect_bad(SLICE("u@h:443"));
	expect_parts("*", TARGET_ASTERISK, "", "", "", "");
	expect_bad(SLICE("**"));
	expect_bad(SLICE("*/"));
	expect_bad(SLICE("*?a"));
	expect_bad(SLICE(""));
	expect_bad(SLICE("a/b"));
	expect_bad(SLICE("?a"));
	expect_bad(SLICE("../a"));
}

/* Visible ASCII but for '#' (RFC 3986 section 3.5: a fragment is no part of a target). */
static bool
may_stand_raw(int c)
{
	return c > ' ' && c < 0x7f && c != '#';
}

/* Every byte in a path and in a query. */
static void
bytes_of_targets(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		char path[] = "/a_b", query[] = "/a?b_c";
		bool good = may_stand_raw(c) && c != '\\' && c != '%';

		path[2] = query[4] = (char)c;
		assert_int_equal(target_parse((struct slice){path, 4}, &target),
		    good ? TARGET_ORIGIN : TARGET_BAD);
		assert_int_equal(
		    target.raw_path, good && c != 0 && strchr("\"<>[]^`{|}", c) != NULL);
		assert_int_equal(target_parse((struct slice){query, 6}, &target),
		    may_stand_raw(c) ? TARGET_ORIGIN : TARGET_BAD);
		assert_false(target.raw_path);
	}
	expect_parts("/a?[]^`{|}\\\"<>%", TARGET_ORIGIN, "", "", "/a", "?[]^`{|}\\\"<>%");
	expect_parts("http://h/[?\\%", TARGET_ABSOLUTE, "http", "h", "/[", "?\\%");
	assert_true(target.raw_path);
	expect_bad(SLICE("http://h/\\"));
	expect_bad(SLICE("http://h[/"));
}

/* In a path '%' stands only before two hex digits; in a query anywhere. */
static void
percent_signs(void **state)
{
	static const char *const queries[] = {"/?%", "/?%2", "/a?%zz", "/?%%20", "/?50%&b"};

	(void)state;
	for (int c = 0; c < 256; c++) {
		char first[] = "/%_0", second[] = "/%0_";
		bool hex = c != 0 && strchr("0123456789abcdefABCDEF", c) != NULL;

		first[2] = second[3] = (char)c;
		if (c == '?') /* "/%" and a query: as bad */
			continue;
		assert_int_equal(target_parse((struct slice){first, 4}, &target),
		    hex ? TARGET_ORIGIN : TARGET_BAD);
		assert_int_equal(target_parse((struct slice){second, 4}, &target),
		    hex ? TARGET_ORIGIN : TARGET_BAD);
	}
	expect_bad(SLICE("/%"));
	expect_bad(SLICE("/%2"));
	expect_bad(SLICE("/%?00"));
	expect_bad(SLICE("/%2?0"));
	expect_bad(SLICE("/%%20"));
	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++)
		assert_int_equal(target_parse(slice_of(queries[i]), &target), TARGET_ORIGIN);
}

/* The room is exactly as large as the contract asks for. */
static void
expect_escaped(const char *path, const char *escaped)
{
	size_t len = strlen(path);
	char *room = malloc(strlen(escaped));

	assert_non_null(room);
	memcpy(room, path, len);
	assert_int_equal(path_escape(room, len), strlen(escaped));
	assert_memory_equal(room, escaped, strlen(escaped));
	free(room);
}

static void
paths_are_escaped(void **state)
{
	(void)state;
	expect_escaped("/", "/");
	expect_escaped("/a%20-._~!$&'()*+,;=:@", "/a%20-._~!$&'()*+,;=:@");
	expect_escaped("/[", "/%5B");
	expect_escaped("/Untitled[1].ipynb", "/Untitled%5B1%5D.ipynb");
	expect_escaped("/\"<>[]^`{|}", "/%22%3C%3E%5B%5D%5E%60%7B%7C%7D");
	expect_escaped("/a|%7C|b", "/a%7C%7C%7Cb");
}

static struct authority authority;

static void
expect_authority(const char *text, const char *host, unsigned port)
{
	if (!authority_parse(slice_of(text), &authority))
		fail_msg("\"%s\" is refused", text);
	assert_true(slice_equal(authority.host, slice_of(host)));
	assert_int_equal(authority.port, port);
}

static void
expect_no_authority(struct slice text)
{
	/* In memory of exactly its size, so that the sanitizer sees a read behind it. */
	char *copy = malloc(text.len > 0 ? text.len : 1);

	assert_non_null(copy);
	memcpy(copy, text.at, text.len);
	if (authority_parse((struct slice){copy, text.len}, &authority))
		fail_msg("\"%.*s\" is let in", (int)text.len, text.at);
	free(copy);
}

static void
authorities(void **state)
{
	(void)state;
	expect_authority("h", "h", 0);
	expect_authority("Job-1.Example_x.org.:8080", "Job-1.Example_x.org.", 8080);
	expect_authority("192.0.2.1:1", "192.0.2.1", 1);
	expect_authority("h:65535", "h", 65535);
	expect_authority("h:", "h", 0);
	expect_authority("[::1]:", "[::1]", 0);
	expect_authority("h:00080", "h", 80);
	expect_no_authority(SLICE(""));
	expect_no_authority(SLICE(":80"));
	expect_no_authority(SLICE("."));
	expect_no_authority(SLICE(".h"));
	expect_no_authority(SLICE(":"));
	expect_no_authority(SLICE("h::"));
	expect_no_authority(SLICE("h:0"));
	expect_no_authority(SLICE("h:00000"));
	expect_no_authority(SLICE("h:65536"));
	expect_no_authority(SLICE("h:99999"));
	expect_no_authority(SLICE("h:000080"));
	expect_no_authority(SLICE("h:+80"));
	expect_no_authority(SLICE("h:-1"));
	expect_no_authority(SLICE("h:8a"));
	expect_no_authority(SLICE("h: 80"));
	expect_no_authority(SLICE("h:80 "));
	expect_no_authority(SLICE("h:80:80"));
	expect_no_authority(SLICE(" h"));
	expect_no_authority(SLICE("a b"));
	expect_no_authority(SLICE("a,b"));
	expect_no_authority(SLICE("a/b"));
	expect_no_authority(SLICE("a?b"));
	expect_no_authority(SLICE("a@b"));
	expect_no_authority(SLICE("a%41"));
	expect_no_authority(SLICE("a\0b"));
	expect_no_authority(SLICE("\xc3\xa9.org"));
	expect_no_authority(SLICE("::1"));
}

static void
authorities_are_bounded(void **state)
{
	char text[300];

	(void)state;
	memset(text, 'a', sizeof(text));
	assert_true(authority_parse((struct slice){text, 255}, &authority));
	assert_false(authority_parse((struct slice){text, 256}, &authority));
	memcpy(text + 255, ":80", 3);
	assert_true(authority_parse((struct slice){text, 258}, &authority));
}

static void
ipv6_addresses(void **state)
{
	static const char *const good[] = {"::", "::1", "1::", "1:2:3:4:5:6:7:8",
	    "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1::8", "1:2::7:8",
	    "abcd:EF01::", "::ffff:192.0.2.1", "1:2:3:4:5:6:192.0.2.1", "64:ff9b::192.0.2.1",
	    "::192.0.2.1", "::0.0.0.0", "::255.255.255.255", "1:2:3:4:5::192.0.2.1"};
	static const char *const bad[] = {"", ":", ":::", "1", "1:", ":1", "1:2:3:4:5:6:7",
	    "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8:", "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8",
	    "1::2::3", "1:::2", "12345::", "g::", "::1%25eth0", "::1%eth0", "fe80::1%1",
	    "192.0.2.1", "::192.0.2", "::192.0.2.1.1", "::192.0.2.256", "::192.0.02.1",
	    "::192.0.2.", "::192.0..1", "::1.2.3.4:5", "1:2:3:4:5:192.0.2.1",
	    "1:2:3:4:5:6:7:192.0.2.1", "1:2:3:4:5:6::192.0.2.1", "::a.0.2.1", "::1.2.3.1000",
	    "v1.x", " ::1", "::1 ", "[::1"};
	char text[64];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(text, sizeof(text), "[%s]", good[i]);
		expect_authority(text, text, 0);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "[%s]", bad[i]);
		expect_no_authority(slice_of(text));
	}
	expect_authority("[::1]:80", "[::1]", 80);
	expect_no_authority(SLICE("[::1"));
	expect_no_authority(SLICE("["));
	expect_no_authority(SLICE("[::1]80"));
	expect_no_authority(SLICE("[::1].h"));
	expect_no_authority(SLICE("x[::1]"));
}

static bool
same(const char *a, const char *b, uint16_t default_port)
{
	struct authority first, second;

	assert_true(authority_parse(slice_of(a), &first) && authority_parse(slice_of(b), &second));
	return authority_same(&first, &second, default_port);
}

static void
authorities_that_are_the_same(void **state)
{
	(void)state;
	assert_true(same("h", "H", 80));
	assert_true(same("h", "h:80", 80));
	assert_true(same("h:443", "h", 443));
	assert_true(same("h:", "h", 80));
	assert_true(same("h:", "h:443", 443));
	assert_false(same("h:", "h:81", 80));
	assert_true(same("[::a]:1", "[::A]:1", 80));
	assert_false(same("h", "h:80", 443));
	assert_false(same("h:80", "h:81", 80));
	assert_false(same("h", "i", 80));
	assert_false(same("h", "h.", 80));
}

/* out is exactly as large as the contract asks for. */
static void
expect_path(const char *path, enum path_status status, const char *resolved)
{
	size_t len = strlen(path), written = 12345;
	char *out = malloc(len);

	assert_non_null(out);
	if (path_resolve(slice_of(path), out, &written) != status ||
	    path_is_clean(slice_of(path)) != (status == PATH_CLEAN))
		fail_msg("%s", path);
	if (status != PATH_BAD &&
	    (written != strlen(resolved) || memcmp(out, resolved, written) != 0))
		fail_msg("%s becomes %.*s", path, (int)written, out);
	free(out);
}

static void
paths_that_are_clean(void **state)
{
	static const char *const clean[] = {"/", "//", "/a", "/a/", "/a//b", "/...", "/a/...",
	    "/.a", "/a.", "/..a", "/a..", "/a/.b/..c", "/%2e%2e%2e", "/%2ea", "/%2f", "/a%2fb",
	    "/%5c", "/a%2f%2fb", "/%", "/%2", "/a%25", "/%252e%252e/", "/.%00", "/a;x=1/b"};

	(void)state;
	for (size_t i = 0; i < sizeof(clean) / sizeof(clean[0]); i++)
		expect_path(clean[i], PATH_CLEAN, clean[i]);
}

static void
dot_segments(void **state)
{
	(void)state;
	/* RFC 3986 section 5.2.4, its own examples first. */
	expect_path("/a/b/c/./../../g", PATH_RESOLVED, "/a/g");
	expect_path("/.", PATH_RESOLVED, "/");
	expect_path("/..", PATH_RESOLVED, "/");
	expect_path("/./", PATH_RESOLVED, "/");
	expect_path("/../", PATH_RESOLVED, "/");
	expect_path("/../../..", PATH_RESOLVED, "/");
	expect_path("/a/.", PATH_RESOLVED, "/a/");
	expect_path("/a/..", PATH_RESOLVED, "/");
	expect_path("/a/b/..", PATH_RESOLVED, "/a/");
	expect_path("/a/b/../", PATH_RESOLVED, "/a/");
	expect_path("/a/../../b", PATH_RESOLVED, "/b");
	expect_path("/a/./b/././c", PATH_RESOLVED, "/a/b/c");
	expect_path("/./a", PATH_RESOLVED, "/a");
	/* An empty segment is one: ".." takes it away. */
	expect_path("/a//../b", PATH_RESOLVED, "/a/b");
	expect_path("//..", PATH_RESOLVED, "/");
	expect_path("//../a", PATH_RESOLVED, "/a");
	expect_path("/..//a", PATH_RESOLVED, "//a");
	expect_path("/jobs/x/../y/z", PATH_RESOLVED, "/jobs/y/z");
}

static void
dot_segments_in_escapes(void **state)
{
	static const char *const one[] = {".", "%2e", "%2E"};
	char path[64];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "/a/%s/b", one[i]);
		expect_path(path, PATH_RESOLVED, "/a/b");
		for (size_t j = 0; j < 3; j++) {
			snprintf(path, sizeof(path), "/a/b/%s%s/c", one[i], one[j]);
			expect_path(path, PATH_RESOLVED, "/a/c");
			snprintf(path, sizeof(path), "/a/b/%s%s", one[i], one[j]);
			expect_path(path, PATH_RESOLVED, "/a/");
			for (size_t k = 0; k < 3; k++) {
				snprintf(path, sizeof(path), "/a/%s%s%s", one[i], one[j], one[k]);
				expect_path(path, PATH_CLEAN, path);
			}
		}
	}
	/* What is not a dot segment keeps its escapes. */
	expect_path("/%2ea/%2e/%2Fb", PATH_RESOLVED, "/%2ea/%2Fb");
	expect_path("/%2x/..", PATH_RESOLVED, "/");
	/* An escape that the path's end cuts short is none. */
	expect_path("/a/%2", PATH_CLEAN, "/a/%2");
	expect_path("/a/.%2", PATH_CLEAN, "/a/.%2");
}

/* A backend that decodes escaped slashes before it splits would climb: refused. */
static void
dot_segments_behind_escaped_slashes(void **state)
{
	static const char *const slashes[] = {"%2f", "%2F", "%5c", "%5C"};
	static const char *const dots[] = {"..", ".%2e", "%2E.", "%2e%2E"};
	char path[64];

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		for (size_t j = 0; j < 4; j++) {
			snprintf(path, sizeof(path), "/a/%s%s", slashes[i], dots[j]);
			expect_path(path, PATH_BAD, "");
			snprintf(path, sizeof(path), "/a/%s%s/b", dots[j], slashes[i]);
			expect_path(path, PATH_BAD, "");
			snprintf(path, sizeof(path), "/a%s%s%sb", slashes[i], dots[j], slashes[3]);
			expect_path(path, PATH_BAD, "");
			snprintf(path, sizeof(path), "/a/b%s%s", slashes[i], dots[j]);
			expect_path(path, PATH_BAD, "");
			/* One dot, three dots and dots in a name do not climb. */
			snprintf(path, sizeof(path), "/a%s./b", slashes[i]);
			expect_path(path, PATH_CLEAN, path);
			snprintf(path, sizeof(path), "/a%s%s./b", slashes[i], dots[j]);
			expect_path(path, PATH_CLEAN, path);
			snprintf(path, sizeof(path), "/a%s%sb/c", slashes[i], dots[j]);
			expect_path(path, PATH_CLEAN, path);
			snprintf(path, sizeof(path), "/a%s%s%sb", slashes[i], "x", dots[j]);
			expect_path(path, PATH_CLEAN, path);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(origin_form),
	    cmocka_unit_test(absolute_form),
	    cmocka_unit_test(authority_and_asterisk_form),
	    cmocka_unit_test(bytes_of_targets),
	    cmocka_unit_test(percent_signs),
	    cmocka_unit_test(paths_are_escaped),
	    cmocka_unit_test(authorities),
	    cmocka_unit_test(authorities_are_bounded),
	    cmocka_unit_test(ipv6_addresses),
	    cmocka_unit_test(authorities_that_are_the_same),
	    cmocka_unit_test(paths_that_are_clean),
	    cmocka_unit_test(dot_segments),
	    cmocka_unit_test(dot_segments_in_escapes),
	    cmocka_unit_test(dot_segments_behind_escaped_slashes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
