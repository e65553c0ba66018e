/* fields_test.c - field lines, the names that matter, and lists. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "http/bytes.h"
#include "http/head.h"
#include "http/names.h"

#define CAP 4

static struct field fields[CAP];
static size_t count;

/* Parse from memory of exactly this size, so that the sanitizer sees a read behind it. */
static enum head_status
parse(struct slice section)
{
	char *copy = malloc(section.len > 0 ? section.len : 1);
	enum head_status status;

	assert_non_null(copy);
	if (section.len > 0)
		memcpy(copy, section.at, section.len);
	status = fields_parse((struct slice){copy, section.len}, fields, CAP, &count);
	for (size_t i = 0; status == HEAD_COMPLETE && i < count; i++) {
		/* Slices into the copy, read again as slices of what outlives it. */
		fields[i].name.at = section.at + (fields[i].name.at - copy);
		fields[i].value.at = section.at + (fields[i].value.at - copy);
	}
	free(copy);
	return status;
}

static void
expect_field(size_t i, const char *name, const char *value)
{
	assert_true(i < count);
	assert_true(slice_equal(fields[i].name, slice_of(name)));
	assert_true(slice_equal(fields[i].value, slice_of(value)));
	assert_false(fields[i].dropped);
}

static void
sections_that_are_right(void **state)
{
	(void)state;
	assert_int_equal(parse(SLICE("\r\n")), HEAD_COMPLETE);
	assert_int_equal(count, 0);
	fields[0].dropped = true;
	assert_int_equal(
	    parse(SLICE("A:b\r\nX-Y: \t c d\t \r\nE:\r\nE: \xc3\xa9\xff\r\n\r\n")), HEAD_COMPLETE);
	assert_int_equal(count, CAP);
	expect_field(0, "A", "b");
	expect_field(1, "X-Y", "c d");
	expect_field(2, "E", "");
	expect_field(3, "E", "\xc3\xa9\xff");
	assert_int_equal(parse(SLICE("a::b:\r\n\r\n")), HEAD_COMPLETE);
	expect_field(0, "a", ":b:");
	assert_int_equal(parse(SLICE("a:  \t \r\n\r\n")), HEAD_COMPLETE);
	expect_field(0, "a", "");
}

static void
sections_that_are_refused(void **state)
{
	static const struct slice bad[] = {
	    SLICE(""),				 /* no empty line */
	    SLICE("A: b\r\n"),			 /* */
	    SLICE("A: b"),			 /* no line end at all */
	    SLICE("\n"),			 /* bare LF */
	    SLICE("A: b\n\r\n"),		 /* */
	    SLICE("A: b\r\n\n"),		 /* */
	    SLICE("\r\nA: b\r\n\r\n"),		 /* bytes behind the empty line */
	    SLICE("\r\n\r\n"),			 /* */
	    SLICE("A: b\r\n c\r\n\r\n"),	 /* folded */
	    SLICE("A: b\r\n\tc: d\r\n\r\n"),	 /* */
	    SLICE("A : b\r\n\r\n"),		 /* white space before the colon */
	    SLICE("A\t: b\r\n\r\n"),		 /* */
	    SLICE("A B: c\r\n\r\n"),		 /* no token */
	    SLICE("(A): c\r\n\r\n"),		 /* */
	    SLICE("\xc3\xa9: c\r\n\r\n"),	 /* */
	    SLICE(": c\r\n\r\n"),		 /* no name */
	    SLICE("A\r\n\r\n"),			 /* no colon */
	    SLICE("A: b\rc\r\n\r\n"),		 /* bare CR */
	    SLICE("A: b\r\r\n\r\n"),		 /* */
	    SLICE("A: b\0c\r\n\r\n"),		 /* NUL */
	    SLICE("A\0: b\r\n\r\n"),		 /* */
	    SLICE("A: \x1b[0m\r\n\r\n"),	 /* control characters */
	    SLICE("A: \x7f\r\n\r\n"),		 /* */
	    SLICE("1: 1\r\n2: 2\r\n: \r\n\r\n"), /* after good ones */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse(bad[i]) != HEAD_BAD)
			fail_msg("case %zu is let in", i);
}

/* Values are read eight bytes at a time: no place in one lets in what another place refuses. */
static void
each_byte_is_judged_the_same_at_each_place_of_a_value(void **state)
{
	char text[64];

	(void)state;
	for (size_t len = 1; len <= 40; len++)
		for (size_t at = 0; at < len; at++)
			for (unsigned c = 0; c < 256; c++) {
				bool fits = c == '\t' || (c >= ' ' && c != 0x7f);
				size_t end = 2 + len;

				memset(text, '\xff', sizeof(text));
				memcpy(text, "A:", 2);
				text[2 + at] = (char)c;
				memcpy(text + end, "\r\n\r\n", 4);
				if (parse((struct slice){text, end + 4}) !=
				    (fits ? HEAD_COMPLETE : HEAD_BAD))
					fail_msg("byte %u at %zu of %zu", c, at, len);
			}
}

static void
no_more_fields_than_there_is_room_for(void **state)
{
	(void)state;
	assert_int_equal(parse(SLICE("1: 1\r\n2: 2\r\n3: 3\r\n4: 4\r\n\r\n")), HEAD_COMPLETE);
	assert_int_equal(
	    parse(SLICE("1: 1\r\n2: 2\r\n3: 3\r\n4: 4\r\n5: 5\r\n\r\n")), HEAD_TOO_LARGE);
	assert_int_equal(count, CAP);
	assert_int_equal(fields_parse(SLICE("1: 1\r\n\r\n"), fields, 0, &count), HEAD_TOO_LARGE);
	assert_int_equal(fields_parse(SLICE("\r\n"), fields, 0, &count), HEAD_COMPLETE);
}

static const struct {
	const char *name;
	enum field_id id;
} known[] = {
    {"Accept", FIELD_ACCEPT},
    {"Ali-Cdn-Real-IP", FIELD_PROXY_CLAIM},
    {"Authorization", FIELD_AUTHORIZATION},
    {"Cache-Control", FIELD_CACHE_CONTROL},
    {"Cdn-Cache-Control", FIELD_CDN_CACHE_CONTROL},
    {"Clear-Site-Data", FIELD_CLEAR_SITE_DATA},
    {"Client-Cert", FIELD_PROXY_CLAIM},
    {"Client-Cert-Chain", FIELD_PROXY_CLAIM},
    {"Client-IP", FIELD_PROXY_CLAIM},
    {"Cloudflare-Cdn-Cache-Control", FIELD_CDN_CACHE_CONTROL},
    {"Connection", FIELD_CONNECTION},
    {"Content-Length", FIELD_CONTENT_LENGTH},
    {"Cookie", FIELD_COOKIE},
    {"Date", FIELD_DATE},
    {"Edge-Control", FIELD_CDN_CACHE_CONTROL},
    {"Expect", FIELD_EXPECT},
    {"Forwarded", FIELD_FORWARDED},
    {"Forwarded-For", FIELD_PROXY_CLAIM},
    {"Front-End-Https", FIELD_PROXY_CLAIM},
    {"Host", FIELD_HOST},
    {"Http2-Settings", FIELD_HTTP2_SETTINGS},
    {"Incap-Client-IP", FIELD_PROXY_CLAIM},
    {"Keep-Alive", FIELD_KEEP_ALIVE},
    {"Kubeflow-Userid", FIELD_PROXY_CLAIM},
    {"Max-Forwards", FIELD_MAX_FORWARDS},
    {"Netlify-Cdn-Cache-Control", FIELD_CDN_CACHE_CONTROL},
    {"Origin", FIELD_ORIGIN},
    {"Path-Info", FIELD_PROXY_CLAIM},
    {"Proxy", FIELD_PROXY_CLAIM},
    {"Proxy-Authenticate", FIELD_PROXY_AUTHENTICATE},
    {"Proxy-Authorization", FIELD_PROXY_AUTHORIZATION},
    {"Proxy-Client-IP", FIELD_PROXY_CLAIM},
    {"Proxy-Connection", FIELD_PROXY_CONNECTION},
    {"Script-Name", FIELD_PROXY_CLAIM},
    {"Set-Cookie", FIELD_SET_COOKIE},
    {"Surrogate-Control", FIELD_CDN_CACHE_CONTROL},
    {"TE", FIELD_TE},
    {"Traceparent", FIELD_TRACEPARENT},
    {"Tracestate", FIELD_TRACESTATE},
    {"Trailer", FIELD_TRAILER},
    {"Transfer-Encoding", FIELD_TRANSFER_ENCODING},
    {"True-Client-IP", FIELD_PROXY_CLAIM},
    {"Upgrade", FIELD_UPGRADE},
    {"Vary", FIELD_VARY},
    {"Vercel-Cdn-Cache-Control", FIELD_CDN_CACHE_CONTROL},
    {"Via", FIELD_VIA},
    {"Wl-Proxy-Client-IP", FIELD_PROXY_CLAIM},
    {"X-Auth-User", FIELD_PROXY_CLAIM},
    {"X-Client-Cert", FIELD_PROXY_CLAIM},
    {"X-Client-DN", FIELD_PROXY_CLAIM},
    {"X-Client-IP", FIELD_PROXY_CLAIM},
    {"X-Client-Verify", FIELD_PROXY_CLAIM},
    {"X-Cluster-Client-IP", FIELD_PROXY_CLAIM},
    {"X-Forwarded", FIELD_PROXY_CLAIM},
    {"X-Forwarded-For", FIELD_X_FORWARDED_FOR},
    {"X-Forwarded-Host", FIELD_X_FORWARDED_HOST},
    {"X-Forwarded-Method", FIELD_X_FORWARDED_METHOD},
    {"X-Forwarded-Prefix", FIELD_X_FORWARDED_PREFIX},
    {"X-Forwarded-Proto", FIELD_X_FORWARDED_PROTO},
    {"X-Forwarded-Uri", FIELD_X_FORWARDED_URI},
    {"X-Host", FIELD_PROXY_CLAIM},
    {"X-Http-Host-Override", FIELD_PROXY_CLAIM},
    {"X-Original-Method", FIELD_X_ORIGINAL_METHOD},
    {"X-Original-Uri", FIELD_X_ORIGINAL_URI},
    {"X-Original-Url", FIELD_X_ORIGINAL_URL},
    {"X-Originating-IP", FIELD_PROXY_CLAIM},
    {"X-Proxy-User", FIELD_PROXY_CLAIM},
    {"X-Proxyuser-IP", FIELD_PROXY_CLAIM},
    {"X-Real-IP", FIELD_PROXY_CLAIM},
    {"X-Request-Id", FIELD_X_REQUEST_ID},
    {"X-Scheme", FIELD_PROXY_CLAIM},
    {"X-Script-Name", FIELD_PROXY_CLAIM},
    {"X-Sucuri-Clientip", FIELD_PROXY_CLAIM},
    {"X-True-Client-IP", FIELD_PROXY_CLAIM},
    {"X-Url-Scheme", FIELD_PROXY_CLAIM},
    {"Cf-Any", FIELD_PROXY_CLAIM},
    {"Cloudfront-Any", FIELD_PROXY_CLAIM},
    {"Fastly-Any", FIELD_PROXY_CLAIM},
    {"Mellon-Any", FIELD_PROXY_CLAIM},
    {"Oidc-Any", FIELD_PROXY_CLAIM},
    {"Remote-Any", FIELD_PROXY_CLAIM},
    {"Shib-Any", FIELD_PROXY_CLAIM},
    {"Ssl-Client-Any", FIELD_PROXY_CLAIM},
    {"Tailscale-User-Any", FIELD_PROXY_CLAIM},
    {"X-Accel-Any", FIELD_PROXY_ORDER},
    {"X-Amzn-Mtls-Any", FIELD_PROXY_CLAIM},
    {"X-Amzn-Oidc-Any", FIELD_PROXY_CLAIM},
    {"X-Appengine-Any", FIELD_PROXY_CLAIM},
    {"X-Arr-Any", FIELD_PROXY_CLAIM},
    {"X-Auth-Request-Any", FIELD_PROXY_CLAIM},
    {"X-Authenticated-Any", FIELD_PROXY_CLAIM},
    {"X-Authentik-Any", FIELD_PROXY_CLAIM},
    {"X-Azure-Any", FIELD_PROXY_CLAIM},
    {"X-Consumer-Any", FIELD_PROXY_CLAIM},
    {"X-Envoy-Any", FIELD_PROXY_CLAIM},
    {"X-Forwarded-Any", FIELD_PROXY_CLAIM},
    {"X-Goog-Authenticated-Any", FIELD_PROXY_CLAIM},
    {"X-Goog-Iap-Any", FIELD_PROXY_CLAIM},
    {"X-Jobgate-Any", FIELD_X_JOBGATE},
    {"X-Lighttpd-Any", FIELD_PROXY_ORDER},
    {"X-Ms-Client-Principal-Any", FIELD_PROXY_CLAIM},
    {"X-Original-Any", FIELD_PROXY_CLAIM},
    {"X-Pomerium-Any", FIELD_PROXY_CLAIM},
    {"X-Remote-Any", FIELD_PROXY_CLAIM},
    {"X-Reproxy-Any", FIELD_PROXY_ORDER},
    {"X-Rewrite-Any", FIELD_PROXY_CLAIM},
    {"X-Sendfile-Any", FIELD_PROXY_ORDER},
    {"X-Ssl-Any", FIELD_PROXY_CLAIM},
    {"X-Vouch-Any", FIELD_PROXY_CLAIM},
    {"X-Webauth-Any", FIELD_PROXY_CLAIM},
};
#define KNOWN (sizeof(known) / sizeof(known[0]))

static void
names_in_every_case(void **state)
{
	char name[64];

	(void)state;
	for (size_t i = 0; i < KNOWN; i++) {
		size_t len = strlen(known[i].name);

		for (unsigned style = 0; style < 4; style++) {
			for (size_t j = 0; j < len; j++) {
				char c = known[i].name[j];
				bool upper = style == 0 || (style == 1 && j % 2 == 0);
				bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';

				if (letter && style < 3)
					c = (char)(upper ? c & ~0x20 : c | 0x20);
				name[j] = c;
			}
			if (field_identify((struct slice){name, len}) != known[i].id)
				fail_msg("%.*s", (int)len, name);
		}
	}
}

/* A name that is a letter longer, shorter or different is another field. */
static void
names_that_are_nearly_known(void **state)
{
	char name[64];

	(void)state;
	for (size_t i = 0; i < KNOWN; i++) {
		size_t len = strlen(known[i].name);

		/* Of those at the end the beginning is enough. */
		if (len > 4 && strcmp(known[i].name + len - 4, "-Any") == 0)
			break;
		memcpy(name, known[i].name, len);
		name[len] = 's';
		assert_int_not_equal(field_identify((struct slice){name, len + 1}), known[i].id);
		assert_int_not_equal(field_identify((struct slice){name, len - 1}), known[i].id);
		assert_int_not_equal(
		    field_identify((struct slice){name + 1, len - 1}), known[i].id);
		name[len - 1] = '!';
		assert_int_not_equal(field_identify((struct slice){name, len}), known[i].id);
	}
	assert_int_equal(field_identify(SLICE("X-Jobgat-Role")), FIELD_OTHER);
	assert_int_equal(field_identify(SLICE("XX-Jobgate-Role")), FIELD_OTHER);
	assert_int_equal(field_identify(SLICE("X-JOBGATE-x")), FIELD_X_JOBGATE);
	assert_int_equal(field_identify(SLICE("X-Forwarded-Fors")), FIELD_PROXY_CLAIM);
	assert_int_equal(field_identify(SLICE("X-Forwarded-Fo")), FIELD_PROXY_CLAIM);
	assert_int_equal(field_identify(SLICE("X-Forwarde")), FIELD_OTHER);
	assert_int_equal(field_identify(SLICE("X-Accel-Buffering")), FIELD_OTHER);
	assert_int_equal(field_identify(SLICE("X-Accel-Buffering2")), FIELD_PROXY_ORDER);
	assert_int_equal(field_identify(SLICE("XX-Forwarded-For")), FIELD_OTHER);
}

/* Every row of the table is found, a prefix also with something behind it. */
static void
names_of_the_table(void **state)
{
	static const struct {
		const char *name;
		enum field_id id;
		bool exact;
	} rows[] = {
#define NAME(id, name) {name, FIELD_##id, true},
#define PREFIX(id, begin) {begin, FIELD_##id, false}, {begin "q-9", FIELD_##id, false},
#include "jobgate/fields.def"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (field_identify(slice_of(rows[i].name)) != rows[i].id)
			fail_msg("%s", rows[i].name);
		for (size_t j = 0; rows[i].exact && j < i; j++)
			if (rows[j].exact && strcmp(rows[i].name, rows[j].name) == 0)
				fail_msg("%s has two rows", rows[i].name);
	}
}

/* What a backend that reads '_' as '-' takes for a name that matters is told apart from both. */
static void
names_in_disguise(void **state)
{
	char name[64];

	(void)state;
	for (size_t i = 0; i < KNOWN; i++) {
		size_t len = strlen(known[i].name);

		for (size_t j = 0; j < len; j++) {
			memcpy(name, known[i].name, len);
			if (name[j] != '-')
				continue;
			name[j] = '_';
			if (field_identify((struct slice){name, len}) != FIELD_DISGUISED)
				fail_msg("%.*s", (int)len, name);
		}
		for (size_t j = 0; j < len; j++)
			name[j] = (char)(known[i].name[j] == '-' ? '_' : known[i].name[j]);
		if (memchr(name, '_', len) != NULL)
			assert_int_equal(
			    field_identify((struct slice){name, len}), FIELD_DISGUISED);
	}
	assert_int_equal(
	    field_identify(SLICE("x_jobgate_anything_at_all_however_long")), FIELD_DISGUISED);
	assert_int_equal(field_identify(SLICE("Ho_st")), FIELD_OTHER);
	assert_int_equal(field_identify(SLICE("_host")), FIELD_OTHER);
	assert_int_equal(field_identify(SLICE("x_other")), FIELD_OTHER);
}

static void
names_that_are_listed(void **state)
{
	static const char *const patterns[] = {"x-user", "x-team-*", NULL};

	(void)state;
	assert_true(name_is_listed(SLICE("X-User"), patterns));
	assert_true(name_is_listed(SLICE("x_user"), patterns));
	assert_true(name_is_listed(SLICE("X.USER"), patterns));
	assert_true(name_is_listed(SLICE("X-Team-"), patterns));
	assert_true(name_is_listed(SLICE("X_TEAM-Name"), patterns));
	assert_false(name_is_listed(SLICE("X-Use"), patterns));
	assert_false(name_is_listed(SLICE("X-Users"), patterns));
	assert_false(name_is_listed(SLICE("XX-User"), patterns));
	assert_false(name_is_listed(SLICE("X-Team"), patterns));
	assert_false(name_is_listed(SLICE("X-User"), NULL));
	assert_false(name_is_listed(SLICE("X-User"), patterns + 2));
}

static void
expect_pattern(const char *text, const char *pattern)
{
	char copy[32];

	assert_true(strlen(text) < sizeof(copy));
	memcpy(copy, text, strlen(text) + 1);
	assert_int_equal(name_pattern_make(copy), pattern != NULL);
	if (pattern != NULL)
		assert_string_equal(copy, pattern);
}

static void
patterns_of_names(void **state)
{
	(void)state;
	expect_pattern("X-User", "x-user");
	expect_pattern("X_User.Name", "x-user-name");
	expect_pattern("X-User-*", "x-user-*");
	expect_pattern("", NULL);
	expect_pattern("*", NULL);
	expect_pattern("X-*-Y", NULL);
	expect_pattern("X**", NULL);
	expect_pattern("X User", NULL);
	expect_pattern("X-User:", NULL);
	expect_pattern("X-\xc3\xa4", NULL);
}

static void
trailers_that_may_travel(void **state)
{
	static const char *const refused[] = {"Age", "Authentication-Info", "Cache-Control",
	    "Content-Encoding", "Content-Location", "Content-Range", "Content-Type", "Expires",
	    "If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since",
	    "Location", "Max-Forwards", "Pragma", "Proxy-Authentication-Info", "Range",
	    "Retry-After", "Set-Cookie", "Vary", "Warning", "WWW-Authenticate"};
	static const char *const allowed[] = {"Digest", "ETag", "Grpc-Status", "Server-Timing",
	    "X-Checksum", "Ages", "Set-Cookies", "Sec-Fetch-Site", "Content_Type", "Retry_After"};

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		assert_false(field_has(field_identify(slice_of(refused[i])), TRAILERS_TOO));
	for (size_t i = 0; i < KNOWN; i++)
		assert_false(field_has(known[i].id, TRAILERS_TOO));
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		assert_true(field_has(field_identify(slice_of(allowed[i])), TRAILERS_TOO));
	assert_false(field_has(FIELD_DISGUISED, TRAILERS_TOO));
}

/* The members of a list, put together again with '|' between them. */
static void
expect_list(const char *list, const char *members)
{
	struct slice rest = slice_of(list), member;
	char text[128] = "";
	size_t len = 0;

	while (list_next(&rest, &member))
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%.*s",
		    len > 0 ? "|" : "", (int)member.len, member.at);
	assert_string_equal(text, members);
	assert_int_equal(rest.len, 0);
}

static void
lists(void **state)
{
	(void)state;
	expect_list("", "");
	expect_list(",", "");
	expect_list(" , \t,, ", "");
	expect_list("a", "a");
	expect_list("\ta \t", "a");
	expect_list("a,b", "a|b");
	expect_list(",a ,\tb c,, d;q=1,", "a|b c|d;q=1");
	expect_list("\"a,b\",c", "\"a,b\"|c");
	expect_list("a=\"b,\\\",c\", d", "a=\"b,\\\",c\"|d");
	expect_list("\"never, closed", "\"never, closed");
	expect_list("\"ends with \\", "\"ends with \\");
	expect_list("a\\,b", "a\\|b"); /* an escape counts only inside quotes */
}

static void
tokens(void **state)
{
	(void)state;
	assert_true(is_token(SLICE("a")));
	assert_true(is_token(SLICE("!#$%&'*+-.^_`|~0Z")));
	assert_false(is_token(SLICE("")));
	assert_false(is_token((struct slice){0}));
	assert_false(is_token(SLICE("a b")));
	assert_false(is_token(SLICE("a,")));
	assert_false(is_token(SLICE("a\0b")));
	assert_false(is_token(SLICE("\xff")));
}

static bool
check_h2(const char *name, const char *value, enum field_id *id)
{
	return h2_name_identify(slice_of(name), id) && h2_value_is_good(slice_of(value));
}

/* RFC 9113 section 8.2.1. */
static void
fields_of_http_2(void **state)
{
	static const char *const bad_names[] = {"", "Accept", "accepT", "a b", " a", "a ", "a\t",
	    "a:", ":", ":a", ":Path", ":path ", "::path", "a\r\nb", "a\nb", "a\x7f", "a\xff", "a,b",
	    "a(b"};
	static const char *const bad_values[] = {" ", "\t", " a", "a ", "a\t", "\ta", "a\rb",
	    "a\nb", "a\r\nb: c", "\x01", "a\x7f", "0123456789\n", "\r", "\n"};
	enum field_id id;

	(void)state;
	for (size_t i = 0; i < sizeof(bad_names) / sizeof(bad_names[0]); i++)
		assert_false(check_h2(bad_names[i], "v", &id));
	for (size_t i = 0; i < sizeof(bad_values) / sizeof(bad_values[0]); i++) {
		assert_false(check_h2("a", bad_values[i], &id));
		assert_false(check_h2(":path", bad_values[i], &id));
	}
	assert_false(h2_value_is_good(SLICE("b\0c")));
	assert_false(h2_name_identify(SLICE("a\0b"), &id));
	assert_true(check_h2("te", "", &id));
	assert_int_equal(id, FIELD_TE);
	assert_true(check_h2("x", "a \t\xc3\xa4 b", &id));
	assert_int_equal(id, FIELD_OTHER);
	assert_true(check_h2("x_forwarded_for", "a", &id));
	assert_int_equal(id, FIELD_DISGUISED);
	assert_true(check_h2(":path", "", &id));
	assert_int_equal(id, FIELD_PSEUDO_PATH);
	assert_true(check_h2(":protocol", "a", &id));
	assert_int_equal(id, FIELD_PSEUDO_PROTOCOL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fields_of_http_2),
	    cmocka_unit_test(sections_that_are_right),
	    cmocka_unit_test(sections_that_are_refused),
	    cmocka_unit_test(each_byte_is_judged_the_same_at_each_place_of_a_value),
	    cmocka_unit_test(no_more_fields_than_there_is_room_for),
	    cmocka_unit_test(names_in_every_case),
	    cmocka_unit_test(names_that_are_nearly_known),
	    cmocka_unit_test(names_of_the_table),
	    cmocka_unit_test(names_in_disguise),
	    cmocka_unit_test(names_that_are_listed),
	    cmocka_unit_test(patterns_of_names),
	    cmocka_unit_test(trailers_that_may_travel),
	    cmocka_unit_test(lists),
	    cmocka_unit_test(tokens),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
