/* credential_mistake_test.c - what a refusal says of a credential, and what it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "exchange/credential_mistake.h"

/* A value of the right form; nothing is said of it. */
#define VALUE "jgt_0123456789abcdef_0123456789012345678901234567890123456789012345678"

static char room[4096];

static enum credential_mistake
find(const char *authorization, const char *own, const char *query, bool query_counts)
{
	struct field items[2];
	struct fields fields = {items, 0};
	const struct credential_sources sources = {.fields = &fields, .query = slice_of(query)};

	if (authorization != NULL)
		items[fields.count++] =
		    (struct field){.value = slice_of(authorization), .id = FIELD_AUTHORIZATION};
	if (own != NULL)
		items[fields.count++] =
		    (struct field){.value = slice_of(own), .id = FIELD_X_JOBGATE_AUTHORIZATION};
	return credential_mistake_find(&sources, query_counts, room, sizeof(room));
}

static const struct {
	enum credential_mistake mistake;
	const char *field;
} fields[] = {
    {MISTAKE_NONE, "Bearer " VALUE},
    {MISTAKE_NONE, "token " VALUE},
    {MISTAKE_NONE, "Digest a=b"},
    {MISTAKE_NONE, "Negotiate abc"},
    {MISTAKE_EMPTY, ""},
    {MISTAKE_EMPTY, "Bearer"},
    {MISTAKE_EMPTY, "Bearer  "},
    {MISTAKE_PLACEHOLDER, "Bearer <token>"},
    {MISTAKE_PLACEHOLDER, "Bearer $TOKEN"},
    {MISTAKE_PLACEHOLDER, "Bearer ${TOKEN}"},
    {MISTAKE_PLACEHOLDER, "Bearer {{ token }}"},
    {MISTAKE_PLACEHOLDER, "token %TOKEN%"},
    {MISTAKE_QUOTES, "Bearer \"" VALUE "\""},
    {MISTAKE_QUOTES, "Bearer '" VALUE "'"},
    {MISTAKE_QUOTES, "Bearer \xe2\x80\x9c" VALUE "\xe2\x80\x9d"},
    {MISTAKE_QUOTES, "Bearer " VALUE "\""},
    {MISTAKE_QUOTES, "Bearer " VALUE ">"},
    {MISTAKE_NO_SCHEME, VALUE},
    {MISTAKE_SCHEME_TWICE, "Bearer Bearer " VALUE},
    {MISTAKE_SPACE, "Bearer " VALUE "\\n"},
    {MISTAKE_SPACE, "Bearer " VALUE "%0A"},
    {MISTAKE_SPACE, "Bearer " VALUE " x"},
    {MISTAKE_SPACE, "Bearer \t" VALUE},
    {MISTAKE_SHORT, "Bearer jgt_"},
    {MISTAKE_SHORT, "Bearer jgt_0123456789abcdef_01234"},
    {MISTAKE_LONG, "Bearer " VALUE "x"},
    {MISTAKE_LONG, "Bearer " VALUE VALUE},
    {MISTAKE_NOT_OURS, "Bearer sk-1"},
    {MISTAKE_NOT_OURS, "Basic YTpi"},
    /* user:jgt_x and a line end, as echo writes one. */
    {MISTAKE_SPACE, "Basic dXNlcjpqZ3RfeAo="},
};

static void
mistakes_of_fields(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (find(fields[i].field, NULL, "", false) != fields[i].mistake)
			fail_msg("%s: %d", fields[i].field, find(fields[i].field, NULL, "", false));
		if (strncmp(fields[i].field, "token", 5) != 0)
			assert_int_equal(find(NULL, fields[i].field, "", false) == MISTAKE_NONE,
			    fields[i].mistake == MISTAKE_NONE);
	}
	assert_int_equal(find(NULL, NULL, "", false), MISTAKE_NONE);
}

static void
the_own_field_is_looked_at_first(void **state)
{
	(void)state;
	assert_int_equal(find("Bearer sk-1", "Bearer <token>", "", false), MISTAKE_PLACEHOLDER);
	assert_int_equal(find("Bearer sk-1", "Bearer jgt_x", "", false), MISTAKE_SHORT);
	assert_int_equal(find("Bearer sk-1", "Bearer " VALUE, "", false), MISTAKE_NONE);
}

static void
mistakes_of_queries(void **state)
{
	(void)state;
	assert_int_equal(find(NULL, NULL, "?access_token=" VALUE, false), MISTAKE_QUERY_OFF);
	assert_int_equal(find(NULL, NULL, "?access_token=" VALUE, true), MISTAKE_NONE);
	assert_int_equal(find(NULL, NULL, "?access_token=jgt_x", true), MISTAKE_SHORT);
	assert_int_equal(find(NULL, NULL, "?access_token=x", false), MISTAKE_NONE);
	assert_int_equal(find("Bearer x", NULL, "?access_token=jgt_x", false), MISTAKE_NOT_OURS);
}

static void
two_fields(void **state)
{
	struct field items[] = {{.value = SLICE("Bearer a"), .id = FIELD_AUTHORIZATION},
	    {.value = SLICE("Bearer b"), .id = FIELD_AUTHORIZATION}};
	const struct fields both = {items, 2};
	const struct credential_sources sources = {.fields = &both};

	(void)state;
	assert_int_equal(
	    credential_mistake_find(&sources, false, room, sizeof(room)), MISTAKE_SEVERAL);
}

/* Every mistake says what to do, in a text that fits into JSON as it is. */
static void
texts(void **state)
{
	(void)state;
	assert_int_equal(credential_mistake_text(MISTAKE_NONE).len, 0);
	for (int mistake = MISTAKE_SEVERAL; mistake <= MISTAKE_QUERY_OFF; mistake++) {
		struct slice text = credential_mistake_text((enum credential_mistake)mistake);

		assert_true(text.len > 20 && text.len < 200);
		assert_null(memchr(text.at, '"', text.len));
		assert_null(memchr(text.at, '\\', text.len));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(mistakes_of_fields),
	    cmocka_unit_test(the_own_field_is_looked_at_first),
	    cmocka_unit_test(mistakes_of_queries),
	    cmocka_unit_test(two_fields),
	    cmocka_unit_test(texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
