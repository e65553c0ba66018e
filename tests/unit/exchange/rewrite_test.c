/* rewrite_test.c - what a backend gets to see: nothing that a client could forge. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "exchange/rewrite.h"
#include "http/framing.h"

static const struct head_limits limits = {64 * 1024, 1024, 100};
static const struct token token = {
    .id = SLICE("0123456789abcdef"), .name = SLICE("tester"), .role = ROLE_READ};
static struct request_head head;
static struct request request;
static struct rewrite facts;
static struct rewritten rewritten;

/* A request as a connection hands it on: parsed, its framing read. fields end with CR LF each. */
static void
receive(const char *fields)
{
	static char text[64 * 1024];
	struct request_framing framing;
	int len = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: h:80\r\n%s\r\n", fields);

	assert_int_equal(
	    head_parse_request((struct slice){text, (size_t)len}, &limits, &head), HEAD_COMPLETE);
	assert_int_equal(request_framing(&head, &framing), FRAMING_OK);
	request = (struct request){.authority = framing.host,
	    .version = HTTP_1_1,
	    .fields = {head.fields, head.field_count}};
}

static bool
rewrite(const char *fields)
{
	receive(fields);
	return rewrite_request(&request, &facts, &rewritten);
}

static int
reset(void **state)
{
	(void)state;
	facts = (struct rewrite){.traced = true,
	    .peer = SLICE("192.0.2.7"),
	    .request_id = SLICE("id-1"),
	    .job = SLICE("demo"),
	    .token = &token};
	return 0;
}

/* The value added under a name; it must be there once. */
static struct slice
added(const char *name)
{
	struct slice value = {0};
	unsigned found = 0;

	for (size_t i = 0; i < rewritten.extra.count; i++) {
		const struct field *field = &rewritten.extra.items[i];

		assert_false(field->dropped);
		if (slice_equal_nocase(field->name, slice_of(name))) {
			value = field->value;
			found++;
		}
	}
	assert_true(found <= 1);
	return value;
}

static void
expect_added(const char *name, const char *value)
{
	struct slice got = added(name);

	if (!slice_equal(got, slice_of(value)))
		fail_msg("%s: %.*s", name, (int)got.len, got.at);
}

/* How many of the client's own fields of this name travel on. */
static unsigned
passed(const char *name)
{
	unsigned count = 0;

	for (size_t i = 0; i < request.fields.count; i++)
		count += !request.fields.items[i].dropped &&
			 slice_equal_nocase(request.fields.items[i].name, slice_of(name));
	return count;
}

static void
facts_are_added(void **state)
{
	(void)state;
	assert_true(rewrite("Accept: */*\r\nCookie: a=b\r\nTraceparent: 00-1-2-01\r\n"));
	expect_added("X-Jobgate-Job", "demo");
	expect_added("X-Jobgate-Token-Id", "0123456789abcdef");
	expect_added("X-Jobgate-Token-Name", "tester");
	expect_added("X-Jobgate-Role", "read");
	expect_added("X-Request-Id", "id-1");
	expect_added("X-Forwarded-For", "192.0.2.7");
	expect_added("X-Forwarded-Proto", "http");
	expect_added("X-Forwarded-Host", "h:80");
	expect_added("Forwarded", "for=192.0.2.7;host=\"h:80\";proto=http");
	expect_added("Via", "1.1 jobgate");
	assert_int_equal(added("X-Forwarded-Prefix").len, 0);
	assert_int_equal(rewritten.extra.count, 10);
	assert_int_equal(passed("Accept") + passed("Cookie") + passed("Traceparent"), 3);
}

static void
the_prefix_and_the_scheme_are_told(void **state)
{
	(void)state;
	facts.prefix = SLICE("/jobs/demo");
	facts.secure = true;
	assert_true(rewrite(""));
	expect_added("X-Forwarded-Prefix", "/jobs/demo");
	expect_added("X-Forwarded-Proto", "https");
	expect_added("Forwarded", "for=192.0.2.7;host=\"h:80\";proto=https");
}

static void
peers_of_every_kind(void **state)
{
	(void)state;
	facts.peer = SLICE("2001:db8::1");
	assert_true(rewrite(""));
	expect_added("X-Forwarded-For", "2001:db8::1");
	expect_added("Forwarded", "for=\"[2001:db8::1]\";host=\"h:80\";proto=http");
	facts.peer = SLICE("unix");
	facts.peer_is_unix = true;
	assert_true(rewrite(""));
	expect_added("Forwarded", "for=_unix;host=\"h:80\";proto=http");
}

/* HTTP/1.0 may come without a host. */
static void
requests_without_a_host(void **state)
{
	(void)state;
	receive("");
	request.authority = (struct slice){0};
	request.version = HTTP_1_0;
	assert_true(rewrite_request(&request, &facts, &rewritten));
	assert_int_equal(added("X-Forwarded-Host").len, 0);
	expect_added("Forwarded", "for=192.0.2.7;proto=http");
	expect_added("Via", "1.0 jobgate");
}

#define FORGED                                                                              \
	"X-Jobgate-Role: operator\r\nx-jobgate-anything: x\r\nX_Jobgate_Role: operator\r\n" \
	"X-Forwarded-For: 203.0.113.1\r\nX-Forwarded-For: 203.0.113.2\r\n"                  \
	"X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.example\r\n"                    \
	"X-Forwarded-Prefix: /evil\r\nForwarded: for=203.0.113.1\r\n"                       \
	"X-Request-Id: forged\r\nX_Forwarded_For: 203.0.113.3\r\nContent_Length: 5\r\n"

/* RFC 9110 section 7.6.2: counted down for OPTIONS, of no meaning to other methods. */
static void
forwards_are_counted_down(void **state)
{
	(void)state;
	assert_true(rewrite("Max-Forwards: 3\r\n"));
	assert_int_equal(passed("Max-Forwards"), 1);
	assert_int_equal(added("Max-Forwards").len, 0);
	receive("Max-Forwards: 010\r\n");
	request.method_id = METHOD_OPTIONS;
	assert_int_equal(rewrite_hops_left(&request), 10);
	assert_true(rewrite_request(&request, &facts, &rewritten));
	assert_int_equal(passed("Max-Forwards"), 0);
	expect_added("Max-Forwards", "9");
	receive("Max-Forwards: 0\r\n");
	request.method_id = METHOD_OPTIONS;
	assert_int_equal(rewrite_hops_left(&request), 0);
	receive("Max-Forwards: 99999999999999999999999999999\r\n");
	request.method_id = METHOD_OPTIONS;
	assert_true(rewrite_hops_left(&request) > UINT32_MAX / 10);
	assert_true(rewrite_hops_left(&request) < UINT64_MAX);
	receive("Max-Forwards: -1\r\n");
	request.method_id = METHOD_OPTIONS;
	assert_true(rewrite_hops_left(&request) == UINT64_MAX);
	assert_true(rewrite_request(&request, &facts, &rewritten));
	assert_int_equal(passed("Max-Forwards"), 1);
}

static void
forged_fields_are_dropped(void **state)
{
	(void)state;
	assert_true(rewrite(FORGED "X-Kept: 1\r\n"));
	expect_added("X-Jobgate-Role", "read");
	expect_added("X-Forwarded-For", "192.0.2.7");
	expect_added("X-Forwarded-Proto", "http");
	expect_added("X-Forwarded-Host", "h:80");
	expect_added("Forwarded", "for=192.0.2.7;host=\"h:80\";proto=http");
	expect_added("X-Request-Id", "id-1");
	assert_int_equal(added("X-Forwarded-Prefix").len, 0);
	for (size_t i = 0; i < request.fields.count; i++)
		assert_int_equal(request.fields.items[i].dropped,
		    !slice_equal(request.fields.items[i].name, SLICE("X-Kept")));
}

static void
a_trusted_proxys_word_counts(void **state)
{
	(void)state;
	facts.peer_trusted = true;
	facts.prefix = SLICE("/jobs/demo");
	assert_true(rewrite(FORGED "Forwarded: for=203.0.113.2;proto=https\r\n"));
	expect_added("X-Forwarded-For", "203.0.113.1, 203.0.113.2, 192.0.2.7");
	expect_added("Forwarded", "for=203.0.113.1, for=203.0.113.2;proto=https, "
				  "for=192.0.2.7;host=\"h:80\";proto=http");
	expect_added("X-Forwarded-Proto", "https");
	expect_added("X-Forwarded-Host", "evil.example");
	/* Never who the token is, whoever says so. */
	expect_added("X-Jobgate-Role", "read");
	assert_int_equal(passed("X-Jobgate-Role") + passed("X_Jobgate_Role") +
			     passed("x-jobgate-anything") + passed("X_Forwarded_For"),
	    0);
}

/* Each proxy on the way has taken its own part off the path: the backend needs all of them. */
static void
prefixes_are_joined(void **state)
{
	(void)state;
	facts.peer_trusted = true;
	facts.prefix = SLICE("/jobs/demo");
	assert_true(rewrite("X-Forwarded-Prefix: /outer\r\n"));
	expect_added("X-Forwarded-Prefix", "/outer/jobs/demo");
	assert_true(rewrite("X-Forwarded-Prefix: /outer/\r\n"));
	expect_added("X-Forwarded-Prefix", "/outer/jobs/demo");
	assert_true(rewrite("X-Forwarded-Prefix:\r\n"));
	expect_added("X-Forwarded-Prefix", "/jobs/demo");
	facts.prefix = (struct slice){0};
	assert_true(rewrite("X-Forwarded-Prefix: /outer\r\n"));
	expect_added("X-Forwarded-Prefix", "/outer");
	assert_true(rewrite("X-Forwarded-Prefix: /\r\n"));
	assert_int_equal(added("X-Forwarded-Prefix").len, 0);
}

/* Empty ones are as good as none. */
static void
empty_words_of_a_trusted_proxy(void **state)
{
	(void)state;
	facts.peer_trusted = true;
	assert_true(rewrite("X-Forwarded-For:\r\nX-Forwarded-Proto:\r\nX-Forwarded-Host:\r\n"
			    "Forwarded:\r\nVia:\r\n"));
	expect_added("X-Forwarded-For", "192.0.2.7");
	expect_added("X-Forwarded-Proto", "http");
	expect_added("X-Forwarded-Host", "h:80");
	expect_added("Forwarded", "for=192.0.2.7;host=\"h:80\";proto=http");
	expect_added("Via", "1.1 jobgate");
}

static void
via_is_always_appended(void **state)
{
	(void)state;
	assert_true(rewrite("Via: 1.1 a\r\nVia: 2 b, 1.0 c\r\n"));
	expect_added("Via", "1.1 a, 2 b, 1.0 c, 1.1 jobgate");
	assert_int_equal(passed("Via"), 0);
}

static void
the_token_stays_with_us(void **state)
{
	(void)state;
	assert_true(rewrite("Authorization: Bearer x\r\nX: 1\r\n"));
	assert_int_equal(passed("Authorization"), 0);
	facts.forward_token = true;
	assert_true(rewrite("Authorization: Bearer x\r\nX: 1\r\n"));
	assert_int_equal(passed("Authorization"), 1);
	assert_int_equal(added("Authorization").len, 0);
}

/* Connection takes away what the client sent, and never what we add. */
static void
what_connection_lists(void **state)
{
	(void)state;
	facts.forward_token = true;
	assert_true(rewrite("Connection: x-jobgate-role, x-forwarded-for, via, x, authorization\r\n"
			    "X: 1\r\nAuthorization: Bearer x\r\nY: 2\r\n"));
	assert_int_equal(passed("X"), 0);
	assert_int_equal(passed("Y"), 1);
	assert_int_equal(passed("Authorization"), 0);
	expect_added("X-Jobgate-Role", "read");
	expect_added("X-Forwarded-For", "192.0.2.7");
	expect_added("Via", "1.1 jobgate");
}

static void
a_chain_too_long_does_not_fit(void **state)
{
	size_t room = 60 * 1024;
	char *fields = malloc(room);

	(void)state;
	assert_non_null(fields);
	memset(fields, '1', room);
	memcpy(fields, "X-Forwarded-For: ", 17);
	memcpy(fields + REWRITE_TEXT_MAX - 1000, "\r\n", 3);
	facts.peer_trusted = true;
	assert_true(rewrite(fields));
	memset(fields + REWRITE_TEXT_MAX - 1000, '1', 1100);
	memcpy(fields + REWRITE_TEXT_MAX + 100, "\r\n", 3);
	assert_false(rewrite(fields));
	facts.peer_trusted = false; /* then it does not count */
	assert_true(rewrite(fields));
	expect_added("X-Forwarded-For", "192.0.2.7");
	free(fields);
}

static void
request_ids_of_trusted_proxies(void **state)
{
	(void)state;
	receive("X-Request-Id: Abc-1.2_3\r\nX-Request-Id: second\r\n");
	assert_true(slice_equal(rewrite_request_id(&request, true), SLICE("Abc-1.2_3")));
	assert_int_equal(rewrite_request_id(&request, false).len, 0);
	receive("X-Request-Id: not valid\r\n");
	assert_int_equal(rewrite_request_id(&request, true).len, 0);
	receive("");
	assert_int_equal(rewrite_request_id(&request, true).len, 0);
}

static void
values_of_fields(void **state)
{
	(void)state;
	receive("Accept: a\r\nAccept: b\r\nOrigin:\r\n");
	assert_true(slice_equal(field_value(&request.fields, FIELD_ACCEPT), SLICE("a")));
	assert_non_null(field_value(&request.fields, FIELD_ORIGIN).at);
	assert_int_equal(field_value(&request.fields, FIELD_ORIGIN).len, 0);
	assert_null(field_value(&request.fields, FIELD_COOKIE).at);
}

static void
jobs_set_no_session(void **state)
{
	(void)state;
	receive("Set-Cookie: __Host-jobgate=x; Path=/; Secure\r\n"
		"set-cookie: __HOST-Jobgate = x\r\n"
		"Set-Cookie: =__Host-jobgate=x\r\n"
		"Set-Cookie: \t=  = __host-jobgate=; Max-Age=0\r\n"
		"Set-Cookie: a=b; __Host-jobgate=x\r\n"
		"Set-Cookie: __Host-jobgate2=x\r\n"
		"Set-Cookie: __Host-other=__Host-jobgate=x\r\n"
		"Set-Cookie: __Host-jobgate\r\n"
		"Set-Cookie:\r\n"
		"Set-Cookie: ==\r\n"
		"Cookie: __Host-jobgate=x\r\n");
	rewrite_answer(&request.fields, &(struct answer_rules){0});
	for (size_t i = 1; i < request.fields.count; i++) /* behind Host */
		assert_int_equal(request.fields.items[i].dropped, i <= 4);
	assert_int_equal(request.fields.count, 12);
}

static void
jobs_set_no_cookies_for_other_jobs(void **state)
{
	(void)state;
	receive("Set-Cookie: a=b; Domain=jobs.test\r\n"
		"Set-Cookie: a=b; Path=/; domain = .JOBS.test ; Secure\r\n"
		"Set-Cookie: a=b; Domain=other.test; Domain=jobs.test.\r\n"
		"Set-Cookie: a=b;Domain=test\r\n"
		"Set-Cookie: Domain=jobs.test\r\n"
		"Set-Cookie: a=b; Domain=demo.jobs.test\r\n"
		"Set-Cookie: a=b; Domain=obs.test\r\n"
		"Set-Cookie: a=b; Domain=\r\n"
		"Set-Cookie: a=b; Domain\r\n"
		"Set-Cookie: a=b; Domain=.\r\n"
		"Set-Cookie: a=b; Domains=jobs.test\r\n");
	rewrite_answer(&request.fields, &(struct answer_rules){.domain = SLICE("jobs.test")});
	for (size_t i = 1; i < request.fields.count; i++) /* behind Host */
		assert_int_equal(request.fields.items[i].dropped, i <= 4);
	assert_int_equal(request.fields.count, 12);
}

/* What nginx, lighttpd, Apache and H2O in front of the gateway would obey. */
static void
jobs_order_no_proxy_about(void **state)
{
	(void)state;
	receive("X-Accel-Redirect: /secret\r\nx-accel-expires: 9\r\nX-Sendfile: /etc/passwd\r\n"
		"X-SENDFILE2: /a 0-1\r\nX-Lighttpd-Send-File: /a\r\nX-Reproxy-URL: http://a/\r\n"
		"X-Accelerated: 1\r\nX-Send: 1\r\nClear-Site-Data: \"cookies\"\r\n");
	rewrite_answer(&request.fields, &(struct answer_rules){0});
	for (size_t i = 1; i < request.fields.count; i++) /* behind Host */
		assert_int_equal(request.fields.items[i].dropped, i <= 6);
	assert_int_equal(request.fields.count, 10);
	rewrite_answer(&request.fields, &(struct answer_rules){.shares_site = true});
	assert_true(request.fields.items[9].dropped);
}

/* The values of a field that travels on, joined by '|'. */
static const char *
values_of(const char *name)
{
	static char text[4096];
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < request.fields.count; i++) {
		const struct field *field = &request.fields.items[i];

		if (!field->dropped && slice_equal_nocase(field->name, slice_of(name)))
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%.*s",
			    len > 0 ? "|" : "", (int)field->value.len, field->value.at);
	}
	return text;
}

static void
expect_private(const char *fields, const char *cache_control, const char *vary)
{
	static char room[1024];
	struct writer writer = writer_of(room, sizeof(room));

	receive(fields);
	rewrite_private(&request.fields, SLICE("Cookie"), &writer);
	assert_string_equal(values_of("Cache-Control"), cache_control);
	assert_string_equal(values_of("Vary"), vary);
}

static void
answers_to_sessions_are_private(void **state)
{
	(void)state;
	expect_private("", "private", "Cookie");
	expect_private("Cache-Control: public, max-age=60\r\n", "private, max-age=60", "Cookie");
	expect_private(
	    "Cache-Control: PUBLIC\r\ncache-control: S-MaxAge = 9, no-cache=\"a, b\"\r\n",
	    "private, no-cache=\"a, b\"", "Cookie");
	expect_private(
	    "Cache-Control: private=\"set-cookie\", immutable\r\n", "private, immutable", "Cookie");
	expect_private("Cache-Control: max-age=1\r\nCache-Control: No-Store\r\n",
	    "max-age=1|No-Store", "Cookie");
	expect_private(
	    "Cache-Control: no-store, must-understand, public\r\n", "private, no-store", "Cookie");
	expect_private(
	    "Cache-Control: a=\"no-store\", public\r\n", "private, a=\"no-store\"", "Cookie");
	expect_private("Cache-Control:\r\n", "private", "Cookie");
	/* What the backend's Connection takes away is not there. */
	expect_private("Connection: cache-control, vary\r\nCache-Control: no-store\r\nVary: *\r\n",
	    "private", "Cookie");
}

static void
answers_to_sessions_vary(void **state)
{
	(void)state;
	expect_private("Vary: Accept-Encoding\r\n", "private", "Accept-Encoding, Cookie");
	expect_private("Vary: A\r\nVary: b\r\n", "private", "A, Cookie|b");
	expect_private("Vary: a, COOKIE\r\n", "private", "a, COOKIE");
	expect_private("Vary: a\r\nVary: *\r\n", "private", "a|*");
	expect_private("Vary: Cookies\r\n", "private", "Cookies, Cookie");
	expect_private("Vary:\r\n", "private", "Cookie"); /* behind an empty line */
}

static void
caches_that_believe_other_fields(void **state)
{
	(void)state;
	expect_private("CDN-Cache-Control: max-age=9\r\nSurrogate-Control: max-age=9\r\n"
		       "Cloudflare-CDN-Cache-Control: public\r\nEdge-Control: max-age=1\r\n"
		       "Expires: 0\r\n",
	    "private", "Cookie");
	for (size_t i = 1; i < 5; i++)
		assert_true(request.fields.items[i].dropped);
	assert_string_equal(values_of("Expires"), "0");
}

/* Then nothing is stored at all. */
static void
no_room_for_a_longer_value(void **state)
{
	char room[16];
	struct writer writer = writer_of(room, sizeof(room));

	(void)state;
	receive("Cache-Control: public, max-age=60\r\nVary: accept-encoding, accept\r\n");
	rewrite_private(&request.fields, SLICE("Cookie"), &writer);
	assert_string_equal(values_of("Cache-Control"), "no-store");
	assert_string_equal(values_of("Vary"), "*");
}

#define CLAIMS                                                                                  \
	"True-Client-IP: 1\r\nCF-Connecting-IP: 1\r\nX-Original-URL: /\r\nX-Rewrite-URL: /\r\n" \
	"Remote-User: a\r\nX-Remote-User: a\r\nX-Remote-Groups: a\r\nFastly-Client-IP: 1\r\n"   \
	"X-Cluster-Client-IP: 1\r\nX-Auth-Request-User: a\r\nX-Original-Host: a\r\n"            \
	"X-WEBAUTH-USER: a\r\nX-Envoy-External-Address: 1\r\nAli-CDN-Real-IP: 1\r\n"            \
	"Client-Cert: a\r\nX-SSL-Client-Verify: SUCCESS\r\nX-Goog-IAP-JWT-Assertion: a\r\n"     \
	"X-MS-CLIENT-PRINCIPAL-NAME: a\r\nX-Amzn-Oidc-Identity: a\r\nKubeflow-UserID: a\r\n"    \
	"X-Accel-Mapping: /=/\r\nX-Sendfile-Type: X-Accel-Redirect\r\n"

static void
claims_are_for_trusted_proxies(void **state)
{
	(void)state;
	assert_true(rewrite(CLAIMS));
	for (size_t i = 0; i < request.fields.count; i++)
		assert_true(request.fields.items[i].dropped);
	facts.peer_trusted = true;
	assert_true(rewrite(CLAIMS "remote_user: a\r\nX-Remote_User: a\r\n"));
	for (size_t i = 1; i < request.fields.count; i++)
		assert_int_equal(request.fields.items[i].dropped, i >= request.fields.count - 2);
	/* What strangers may send: it only looks like it. */
	facts.peer_trusted = false;
	assert_true(rewrite("Remote: a\r\nX-Auth-Token: a\r\nX-User: a\r\nCFoo: a\r\n"
			    "X-Clients: a\r\nX-Originals: a\r\nCertificate: a\r\n"));
	for (size_t i = 1; i < request.fields.count; i++)
		assert_false(request.fields.items[i].dropped);
}

static void
claims_that_the_configuration_names(void **state)
{
	static const char *const listed[] = {"x-user", "x-team-*", NULL};

	(void)state;
	facts.drop_fields = listed;
	assert_true(rewrite("X-User: a\r\nX_USER: a\r\nX-Team-Name: a\r\nX-Users: a\r\n"));
	for (size_t i = 1; i < request.fields.count; i++)
		assert_int_equal(request.fields.items[i].dropped, i < 4);
	facts.peer_trusted = true;
	assert_true(rewrite("X-User: a\r\n"));
	assert_int_equal(passed("X-User"), 1);
	facts = (struct rewrite){.token = &token};
}

static void
trailers_are_asked_for(void **state)
{
	static const char *const asking[] = {"TE: trailers\r\n", "te: gzip;q=0.5, TRAILERS\r\n",
	    "TE: deflate\r\nTE: trailers\r\nConnection: TE\r\n"};
	static const char *const others[] = {
	    "TE: gzip\r\n", "TE:\r\n", "TE: trailers;q=0\r\n", "X-TE: trailers\r\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(asking) / sizeof(asking[0]); i++) {
		assert_true(rewrite(asking[i]));
		assert_true(request.takes_trailers);
		assert_null(added("TE").at);
		assert_int_equal(passed("TE") + passed("Connection"), 0);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		assert_true(rewrite(others[i]));
		assert_false(request.takes_trailers);
	}
	receive("TE: trailers\r\n");
	request.version = HTTP_1_0;
	assert_true(rewrite_request(&request, &facts, &rewritten));
	assert_false(request.takes_trailers);
}

/* However many of everything there are, the room for what is added is enough. */
static void
room_for_all_that_is_added(void **state)
{
	(void)state;
	facts.peer_trusted = true;
	facts.prefix = SLICE("/jobs/demo");
	assert_true(rewrite(FORGED FORGED "Via: 1.1 a\r\nTE: trailers\r\nCookie: a=b\r\n"));
	assert_true(rewritten.extra.count <= REWRITE_FIELDS_MAX);
	assert_ptr_equal(rewritten.extra.items, rewritten.items);
	assert_true(rewritten.used <= sizeof(rewritten.text));
}

/* The control process gets nothing of the client's fields, whatever their names. */
static void
calls_of_the_control_api(void **state)
{
	(void)state;
	facts.token = &(const struct token){.id = SLICE("0123456789abcdef"),
	    .name = SLICE("tester"),
	    .hash = {0, 1, 0xab},
	    .version = 42};
	receive("Authorization: Bearer x\r\nX-Jobgate-Control-Secret: forged\r\n"
		"X-Jobgate-Control-Token: aaaaaaaaaaaaaaaa\r\nX-Forwarded-For: 9.9.9.9\r\n"
		"X-Request-Id: forged\r\nAccept: */*\r\nContent-Type: a/b\r\n");
	assert_true(rewrite_control(&request, &facts, "secret", &rewritten));
	for (size_t i = 0; i < request.fields.count; i++)
		assert_true(request.fields.items[i].dropped);
	assert_int_equal(request.authority.len, 0);
	assert_int_equal(rewritten.extra.count, 6);
	expect_added("X-Jobgate-Control-Secret", "secret");
	expect_added("X-Jobgate-Control-Token", "0123456789abcdef");
	expect_added("X-Jobgate-Control-Version", "42");
	expect_added("X-Jobgate-Control-Mark", "0001ab000000000000000000");
	expect_added("X-Request-Id", "id-1");
	expect_added("X-Forwarded-For", "192.0.2.7");
	facts.token = NULL;
	facts.peer_trusted = true;
	receive("X-Forwarded-For: 9.9.9.9\r\n");
	assert_true(rewrite_control(&request, &facts, "secret", &rewritten));
	assert_int_equal(rewritten.extra.count, 3);
	expect_added("X-Forwarded-For", "9.9.9.9, 192.0.2.7");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(facts_are_added, reset),
	    cmocka_unit_test_setup(the_prefix_and_the_scheme_are_told, reset),
	    cmocka_unit_test_setup(peers_of_every_kind, reset),
	    cmocka_unit_test_setup(requests_without_a_host, reset),
	    cmocka_unit_test_setup(forwards_are_counted_down, reset),
	    cmocka_unit_test_setup(forged_fields_are_dropped, reset),
	    cmocka_unit_test_setup(a_trusted_proxys_word_counts, reset),
	    cmocka_unit_test_setup(prefixes_are_joined, reset),
	    cmocka_unit_test_setup(empty_words_of_a_trusted_proxy, reset),
	    cmocka_unit_test_setup(via_is_always_appended, reset),
	    cmocka_unit_test_setup(the_token_stays_with_us, reset),
	    cmocka_unit_test_setup(what_connection_lists, reset),
	    cmocka_unit_test_setup(a_chain_too_long_does_not_fit, reset),
	    cmocka_unit_test_setup(request_ids_of_trusted_proxies, reset),
	    cmocka_unit_test_setup(values_of_fields, reset),
	    cmocka_unit_test_setup(jobs_set_no_session, reset),
	    cmocka_unit_test_setup(jobs_set_no_cookies_for_other_jobs, reset),
	    cmocka_unit_test_setup(jobs_order_no_proxy_about, reset),
	    cmocka_unit_test_setup(answers_to_sessions_are_private, reset),
	    cmocka_unit_test_setup(answers_to_sessions_vary, reset),
	    cmocka_unit_test_setup(caches_that_believe_other_fields, reset),
	    cmocka_unit_test_setup(no_room_for_a_longer_value, reset),
	    cmocka_unit_test_setup(claims_are_for_trusted_proxies, reset),
	    cmocka_unit_test_setup(claims_that_the_configuration_names, reset),
	    cmocka_unit_test_setup(trailers_are_asked_for, reset),
	    cmocka_unit_test_setup(room_for_all_that_is_added, reset),
	    cmocka_unit_test_setup(calls_of_the_control_api, reset),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
