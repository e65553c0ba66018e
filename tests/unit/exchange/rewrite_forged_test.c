/*
 * rewrite_forged_test.c - fields that say who a client is: dropped, unless a trusted proxy sends
 * them.
 */
#include "rewrite_world.h"

#define FORGED                                                                              \
	"X-Jobgate-Role: operator\r\nx-jobgate-anything: x\r\nX_Jobgate_Role: operator\r\n" \
	"X-Forwarded-For: 203.0.113.1\r\nX-Forwarded-For: 203.0.113.2\r\n"                  \
	"X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.example\r\n"                    \
	"X-Forwarded-Prefix: /evil\r\nForwarded: for=203.0.113.1\r\n"                       \
	"X-Request-Id: forged\r\nX_Forwarded_For: 203.0.113.3\r\nContent_Length: 5\r\n"

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
	/* Never the token's id, whatever the client says. */
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(forged_fields_are_dropped, reset),
	    cmocka_unit_test_setup(a_trusted_proxys_word_counts, reset),
	    cmocka_unit_test_setup(prefixes_are_joined, reset),
	    cmocka_unit_test_setup(empty_words_of_a_trusted_proxy, reset),
	    cmocka_unit_test_setup(a_chain_too_long_does_not_fit, reset),
	    cmocka_unit_test_setup(claims_are_for_trusted_proxies, reset),
	    cmocka_unit_test_setup(claims_that_the_configuration_names, reset),
	    cmocka_unit_test_setup(room_for_all_that_is_added, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
