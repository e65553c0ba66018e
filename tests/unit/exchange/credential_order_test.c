/* credential_order_test.c - which credential counts, and what is not for the job. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "exchange/credential_order.h"

static char room[8192];
static struct presented presented;

/* Read fields: A is Authorization, J X-Jobgate-Authorization, S Sec-WebSocket-Protocol, U says that
 * there is an upgrade, Q is the query, X is another field; NULL ends them. */
static void
read(const char *const *lines)
{
	struct field items[8];
	struct fields fields = {items, 0};
	struct credential_sources sources = {.fields = &fields};

	for (; *lines != NULL; lines++) {
		enum field_id id = (*lines)[0] == 'A'	? FIELD_AUTHORIZATION
				   : (*lines)[0] == 'J' ? FIELD_X_JOBGATE_AUTHORIZATION
				   : (*lines)[0] == 'S' ? FIELD_SEC_WEBSOCKET_PROTOCOL
							: FIELD_OTHER;

		sources.upgrade = sources.upgrade || (*lines)[0] == 'U';
		if ((*lines)[0] == 'Q')
			sources.query = slice_of(*lines + 2);
		items[fields.count++] = (struct field){.value = slice_of(*lines + 2), .id = id};
	}
	credential_order(&sources, room, sizeof(room), &presented);
}
#define READ(...) read((const char *const[]){__VA_ARGS__, NULL})

#define EXPECT(expected_credential, expected_carrier, expected_value)                            \
	do {                                                                                     \
		assert_int_equal(presented.credential, expected_credential);                     \
		assert_int_equal(presented.carrier, expected_carrier);                           \
		assert_int_equal(presented.value.len, strlen(expected_value));                   \
		assert_memory_equal(presented.value.at, expected_value, strlen(expected_value)); \
	} while (0)

#define EXPECT_NONE(expected_credential)                                     \
	do {                                                                 \
		assert_int_equal(presented.credential, expected_credential); \
		assert_int_equal(presented.carrier, CARRIER_NONE);           \
	} while (0)

/* user:password, as a field of the scheme Basic. */
static const char *
basic(const char *pair)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static char field[512];
	size_t len = strlen(pair), at = (size_t)sprintf(field, "A Basic ");

	for (size_t i = 0; i < len; i += 3) {
		uint32_t bits = (uint32_t)(unsigned char)pair[i] << 16;

		if (i + 1 < len)
			bits |= (uint32_t)(unsigned char)pair[i + 1] << 8;
		if (i + 2 < len)
			bits |= (unsigned char)pair[i + 2];
		field[at++] = digits[bits >> 18];
		field[at++] = digits[bits >> 12 & 63];
		field[at++] = digits[bits >> 6 & 63];
		field[at++] = digits[bits & 63];
	}
	field[at] = '\0';
	for (size_t i = 1; len % 3 != 0 && i <= 3 - len % 3; i++)
		field[at - i] = '=';
	return field;
}

static void
without_a_credential(void **state)
{
	(void)state;
	READ("X Bearer jgt_x");
	EXPECT_NONE(CREDENTIAL_NONE);
	assert_false(presented.ours_in_authorization);
}

static void
schemes_of_authorization(void **state)
{
	static const char *const counted[] = {"A Bearer jgt_x", "A bEARER jgt_x",
	    "A Bearer   jgt_x", "A token jgt_x", "A TOKEN  jgt_x"};

	(void)state;
	for (size_t i = 0; i < sizeof(counted) / sizeof(counted[0]); i++) {
		READ("X 1", counted[i], "X 2");
		EXPECT(CREDENTIAL_BEARER, CARRIER_AUTHORIZATION, "jgt_x");
		assert_true(presented.ours_in_authorization);
		assert_false(presented.basic);
		assert_int_equal(presented.bearer.len > 0, i < 3);
	}
}

static void
a_foreign_authorization_is_the_jobs(void **state)
{
	static const char *const foreign[] = {"A Bearer x", "A token x", "A Token", "A Digest a=b",
	    "A Negotiate abc", "A ", "A Bearerx", "A Bearer\tx", "A Basic", "A Basic !",
	    "A Bearer xjgt_y", "A Bearer eyJ.x-jgt_.jgt_x", "A token aGk_jgt_",
	    "A Bearer xjgt_0123456789abcdef", "A Bearer xjgt_0123456789abcdEf_x",
	    "A Bearer xjgt_0123456789abcde_xy", "A Basic =", "A Basic\tYTpi", "A Basic =YTpi"};

	(void)state;
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		READ(foreign[i]);
		EXPECT_NONE(CREDENTIAL_FOREIGN);
		assert_false(presented.ours_in_authorization);
	}
	READ(basic("user:password"));
	EXPECT_NONE(CREDENTIAL_FOREIGN);
	assert_false(presented.ours_in_authorization);
	READ(basic("user:xjgt_password"));
	assert_false(presented.ours_in_authorization);
}

/* It does not count in this form, and is still not for the job. */
static void
what_looks_like_ours_is_not_the_jobs(void **state)
{
	static const char *const ours[] = {"A jgt_x", "A Bearerx jgt_x", "A Bearer\tjgt_x",
	    "A Digest username=\"jgt_x\", a=b", "A token \tjgt_x", "A Custom a:jgt_x",
	    "A Xjgt_ jgt_x",
	    /* A whole value, whatever precedes. */
	    "A Custom key%3Djgt_0123456789abcdef_x", "A ApiKey svc-jgt_0123456789abcdef_x",
	    "A Bearer jgt-jgt_jgt_0123456789abcdef_",
	    /* user:jgt_x for some decoders. */
	    "A Basic\tdXNlcjpqZ3RfeA==", "A bASIC\t dXNlcjpqZ3RfeA==x=",
	    "A Basic =dXNlcjpqZ3RfeA==", "A Basic ==dXNlcjpqZ3RfeA", "A Basic d=XNlcjpqZ3RfeA",
	    "A Basic dXNlcjo=amd0X3g=", "A Basic dXNlcg==OmpndF94"};
	static const char *const pairs[] = {"jgt_x:password", "user: jgt_x", "a,jgt_x:b",
	    "svc.jgt_0123456789abcdef_x:", "user:svc-jgt_0123456789abcdef_x"};

	(void)state;
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		READ(ours[i]);
		EXPECT_NONE(CREDENTIAL_FOREIGN);
		assert_true(presented.ours_in_authorization);
	}
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		READ(basic(pairs[i]));
		EXPECT_NONE(CREDENTIAL_FOREIGN);
		assert_true(presented.ours_in_authorization);
	}
}

static void
basic_is_read(void **state)
{
	static const char *const pairs[] = {
	    "user:jgt_x", ":jgt_x", "jgt_x:", "jgt_x", "jgt_y:jgt_x"};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		READ(basic(pairs[i]));
		EXPECT(CREDENTIAL_BEARER, CARRIER_AUTHORIZATION, "jgt_x");
		assert_true(presented.basic);
		assert_true(presented.ours_in_authorization);
		assert_int_equal(presented.bearer.len, 0);
		assert_int_equal(presented.used, strlen(pairs[i])); /* to be wiped */
	}
	READ(basic("a:jgt_x:y"));
	EXPECT(CREDENTIAL_BEARER, CARRIER_AUTHORIZATION, "jgt_x:y");
	READ(basic("user:jgt_x\n"));
	EXPECT(CREDENTIAL_BEARER, CARRIER_AUTHORIZATION, "jgt_x\n");
	/* Decoders differ: without padding, in base64url, with bytes of neither. */
	READ("A basic  OmpndF94");
	EXPECT(CREDENTIAL_BEARER, CARRIER_AUTHORIZATION, "jgt_x");
	READ("A Basic YTpqZ3RfeA");
	EXPECT(CREDENTIAL_BEARER, CARRIER_AUTHORIZATION, "jgt_x");
	READ("A Basic YTpq Z3!RfeA");
	EXPECT(CREDENTIAL_BEARER, CARRIER_AUTHORIZATION, "jgt_x");
	READ("A Basic OmpndF8-Pz8_");
	EXPECT(CREDENTIAL_BEARER, CARRIER_AUTHORIZATION, "jgt_>???");
}

static void
what_does_not_fit_is_cut(void **state)
{
	struct field item = {
	    .value = slice_of(basic("user:jgt_xyz") + 2), .id = FIELD_AUTHORIZATION};
	struct fields fields = {&item, 1};

	(void)state;
	credential_order(&(struct credential_sources){.fields = &fields}, room, 10, &presented);
	EXPECT(CREDENTIAL_BEARER, CARRIER_AUTHORIZATION, "jgt_x");
}

static void
our_own_field_goes_first(void **state)
{
	static const char *const others[] = {"A Bearer x", "A Basic YTpi", "A Custom jgt", "A "};

	(void)state;
	READ("J Bearer jgt_x");
	EXPECT(CREDENTIAL_BEARER, CARRIER_OWN_FIELD, "jgt_x");
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		READ(others[i], "J bearer jgt_x");
		EXPECT(CREDENTIAL_BEARER, CARRIER_OWN_FIELD, "jgt_x");
		assert_false(presented.ours_in_authorization);
		READ("J bearer jgt_x", others[i]);
		EXPECT(CREDENTIAL_BEARER, CARRIER_OWN_FIELD, "jgt_x");
		assert_false(presented.ours_in_authorization);
	}
	READ("A Bearer jgt_y", "J Bearer jgt_x");
	EXPECT(CREDENTIAL_BEARER, CARRIER_OWN_FIELD, "jgt_x");
	assert_true(presented.ours_in_authorization); /* whatever counts */
	READ(basic("a:jgt_y"), "J Bearer jgt_x");
	EXPECT(CREDENTIAL_BEARER, CARRIER_OWN_FIELD, "jgt_x");
	assert_false(presented.basic);
	assert_true(presented.ours_in_authorization);
	assert_int_equal(presented.used, 7);
}

/* One that is not ours is skipped there, too. */
static void
a_foreign_value_in_our_own_field(void **state)
{
	(void)state;
	READ("J Bearer x");
	EXPECT_NONE(CREDENTIAL_FOREIGN);
	READ("J Bearer x", "A Bearer y");
	EXPECT_NONE(CREDENTIAL_FOREIGN);
	READ("J Bearer x", "A Bearer jgt_y");
	EXPECT(CREDENTIAL_BEARER, CARRIER_AUTHORIZATION, "jgt_y");
}

static void
what_is_no_credential(void **state)
{
	static const char *const own[] = {
	    "J ", "J Bearer", "J jgt_x", "J Basic YTpi", "J token jgt_x", "J Bearer a b"};
	static const char *const authorization[] = {
	    "A Bearer", "A Bearer ", "A Bearer a b", "A Bearer \"jgt_x\"", "A Bearer <token>"};

	(void)state;
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		READ(own[i]);
		EXPECT_NONE(CREDENTIAL_MALFORMED);
		READ(own[i], "A Bearer jgt_x");
		EXPECT_NONE(CREDENTIAL_MALFORMED);
	}
	for (size_t i = 0; i < sizeof(authorization) / sizeof(authorization[0]); i++) {
		READ(authorization[i]);
		EXPECT_NONE(CREDENTIAL_MALFORMED);
		READ(authorization[i], "J Bearer jgt_x");
		EXPECT_NONE(CREDENTIAL_MALFORMED);
	}
	READ("A Bearer \"jgt_x\"");
	assert_true(presented.ours_in_authorization);
}

static void
two_of_one_kind(void **state)
{
	static const char *const values[] = {"Bearer jgt_x", "Basic YTpi", ""};
	char first[32], second[32];

	(void)state;
	for (int kind = 0; kind < 2; kind++)
		for (size_t i = 0; i < 9; i++) {
			snprintf(first, sizeof(first), "%c %s", "AJ"[kind], values[i / 3]);
			snprintf(second, sizeof(second), "%c %s", "AJ"[kind], values[i % 3]);
			READ(first, "X 1", second);
			EXPECT_NONE(CREDENTIAL_MALFORMED);
			READ(first, "J Bearer jgt_z", "A Bearer jgt_z", second);
			EXPECT_NONE(CREDENTIAL_MALFORMED);
		}
}

/* "jgt_x" and "x" in base64url. */
#define OURS "base64url.bearer.authorization.jobgate.amd0X3g"
#define NOT_OURS "base64url.bearer.authorization.jobgate.eA"
#define JUPYTERS "v1.token.websocket.jupyter.org.jgt_x"

static void
a_subprotocol_counts_at_an_upgrade(void **state)
{
	static const char *const lists[] = {"S " OURS, "S a, " OURS, "S " OURS " ,,b",
	    "S " JUPYTERS, "S v1.kernel.websocket.jupyter.org," JUPYTERS, "S jobgate.v1, " OURS};

	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		READ("U ", lists[i]);
		EXPECT(CREDENTIAL_BEARER, CARRIER_SUBPROTOCOL, "jgt_x");
		assert_int_equal(presented.bearer.len, 0);
		assert_false(presented.basic || presented.ours_in_authorization);
		READ(lists[i]);
		EXPECT_NONE(CREDENTIAL_NONE);
	}
	READ("S a", "S " OURS, "U ");
	EXPECT(CREDENTIAL_BEARER, CARRIER_SUBPROTOCOL, "jgt_x");
	assert_int_equal(presented.used, 5); /* to be wiped */
}

static void
a_subprotocol_goes_behind_the_others(void **state)
{
	(void)state;
	READ("U ", "S " OURS, "J Bearer jgt_j", "A Bearer jgt_a");
	EXPECT(CREDENTIAL_BEARER, CARRIER_OWN_FIELD, "jgt_j");
	READ("U ", "S " OURS, "A Bearer jgt_a");
	EXPECT(CREDENTIAL_BEARER, CARRIER_AUTHORIZATION, "jgt_a");
	READ("U ", "S " OURS, "A Bearer a", "J Bearer j");
	EXPECT(CREDENTIAL_BEARER, CARRIER_SUBPROTOCOL, "jgt_x");
	assert_false(presented.ours_in_authorization);
	READ("U ", "S " OURS, basic("a:jgt_y"));
	EXPECT(CREDENTIAL_BEARER, CARRIER_AUTHORIZATION, "jgt_y");
	assert_int_equal(presented.used, 12);
}

static void
subprotocols_that_do_not_count(void **state)
{
	static const char *const none[] = {"S ", "S a, b", "S jobgate.v1", "S jgt_x",
	    "S v1.token.websocket.jupyter.org.abc", "S v1.token.websocket.jupyter.org",
	    "S base64url.bearer.authorization.k8s.io.amd0X3g",
	    "S Base64url.bearer.authorization.jobgate.amd0X3g", "S x" OURS};
	static const char *const malformed[] = {"S base64url.bearer.authorization.jobgate.",
	    "S " OURS "=", "S " OURS ".", "S base64url.bearer.authorization.jobgate.amd0X3h",
	    "S " OURS ", " OURS, "S " OURS ", " JUPYTERS, "S " OURS ", " NOT_OURS,
	    "S " NOT_OURS ", " JUPYTERS};

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		READ("U ", none[i]);
		EXPECT_NONE(CREDENTIAL_NONE);
		assert_int_equal(presented.used, 0);
	}
	READ("U ", "S " NOT_OURS);
	EXPECT_NONE(CREDENTIAL_FOREIGN);
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		READ("U ", malformed[i]);
		EXPECT_NONE(CREDENTIAL_MALFORMED);
		READ("U ", malformed[i], "J Bearer jgt_x");
		EXPECT_NONE(CREDENTIAL_MALFORMED);
		READ(malformed[i], "J Bearer jgt_x");
		EXPECT(CREDENTIAL_BEARER, CARRIER_OWN_FIELD, "jgt_x");
	}
	READ("U ", "S " OURS, "S " OURS);
	EXPECT_NONE(CREDENTIAL_MALFORMED);
	READ("U ", "S " OURS, "A Bearer a b");
	EXPECT_NONE(CREDENTIAL_MALFORMED);
}

static void
the_query_goes_last(void **state)
{
	static const char *const counted[] = {"Q ?access_token=jgt_x", "Q ?a=b&access_token=jgt_x",
	    "Q ?access%5ftoken=%6Agt_x", "Q ?a;access_token=jgt_x&", "Q ?ACCESS_TOKEN=jgt_x"};
	static const char *const none[] = {"Q ", "Q ?", "Q ?access_token",
	    "Q ?access_token=", "Q ?access_token=x", "Q ?access_token=x&access_token=y",
	    "Q ?token=jgt_x", "Q ?access_tokens=jgt_x", "Q ?access_token:jgt_x",
	    "Q ?x=access_token=jgt_x", "Q ?access_token=+jgt_x"};
	static const char *const two[] = {"Q ?access_token=jgt_x&access_token=jgt_x",
	    "Q ?access_token=jgt_x&access_token=y", "Q ?access_token=&a&access%5Ftoken=jgt_x"};

	(void)state;
	for (size_t i = 0; i < sizeof(counted) / sizeof(counted[0]); i++) {
		READ(counted[i], "A Bearer a", "J Bearer b");
		EXPECT(CREDENTIAL_BEARER, CARRIER_QUERY, "jgt_x");
		assert_int_equal(presented.used, 5); /* to be wiped */
		READ(counted[i], "A Bearer jgt_a");
		EXPECT(CREDENTIAL_BEARER, CARRIER_AUTHORIZATION, "jgt_a");
		READ(counted[i], "U ", "S " OURS);
		EXPECT(CREDENTIAL_BEARER, CARRIER_SUBPROTOCOL, "jgt_x");
		READ(counted[i], "A Bearer a b");
		EXPECT_NONE(CREDENTIAL_MALFORMED);
	}
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		READ(none[i]);
		EXPECT_NONE(CREDENTIAL_NONE);
	}
	for (size_t i = 0; i < sizeof(two) / sizeof(two[0]); i++) {
		READ(two[i]);
		EXPECT_NONE(CREDENTIAL_MALFORMED);
		READ(two[i], "A Bearer jgt_a");
		EXPECT_NONE(CREDENTIAL_MALFORMED);
	}
}

static void
basic_under_another_name(void **state)
{
	static const char *const ours[] = {"any:jgt_x", "jgt_x:", "jgt_x", "a:b jgt_x"};
	static const char *const others[] = {"any:x", "", "any:ajgt_x"};
	char none[8192] = {0};

	(void)state;
	memset(room, 0, sizeof(room));
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		assert_true(basic_holds_ours(slice_of(basic(ours[i]) + 2), room, sizeof(room)));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(basic_holds_ours(slice_of(basic(others[i]) + 2), room, sizeof(room)));
	assert_true(basic_holds_ours(SLICE("basic\tOmpndF94"), room, sizeof(room)));
	assert_false(basic_holds_ours(SLICE(""), room, sizeof(room)));
	assert_false(basic_holds_ours(SLICE("Bearer OmpndF94"), room, sizeof(room)));
	assert_memory_equal(room, none, sizeof(room)); /* it is wiped */
}

static void
what_shared_caches_do_not_know(void **state)
{
	(void)state;
	assert_int_equal(carrier_field(CARRIER_NONE).len, 0);
	assert_int_equal(carrier_field(CARRIER_AUTHORIZATION).len, 0);
	assert_int_equal(carrier_field(CARRIER_QUERY).len, 0);
	assert_false(
	    carrier_is_for_caches(CARRIER_QUERY) || carrier_is_for_caches(CARRIER_SIGN_IN));
	assert_true(carrier_is_for_caches(CARRIER_AUTHORIZATION));
	assert_true(slice_equal(carrier_field(CARRIER_SIGN_IN), SLICE("Cookie")));
	assert_true(
	    slice_equal(carrier_field(CARRIER_SUBPROTOCOL), SLICE("Sec-WebSocket-Protocol")));
	assert_true(
	    slice_equal(carrier_field(CARRIER_OWN_FIELD), SLICE("X-Jobgate-Authorization")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(without_a_credential),
	    cmocka_unit_test(schemes_of_authorization),
	    cmocka_unit_test(a_foreign_authorization_is_the_jobs),
	    cmocka_unit_test(what_looks_like_ours_is_not_the_jobs),
	    cmocka_unit_test(basic_is_read),
	    cmocka_unit_test(what_does_not_fit_is_cut),
	    cmocka_unit_test(our_own_field_goes_first),
	    cmocka_unit_test(a_foreign_value_in_our_own_field),
	    cmocka_unit_test(what_is_no_credential),
	    cmocka_unit_test(two_of_one_kind),
	    cmocka_unit_test(a_subprotocol_counts_at_an_upgrade),
	    cmocka_unit_test(a_subprotocol_goes_behind_the_others),
	    cmocka_unit_test(subprotocols_that_do_not_count),
	    cmocka_unit_test(the_query_goes_last),
	    cmocka_unit_test(basic_under_another_name),
	    cmocka_unit_test(what_shared_caches_do_not_know),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
