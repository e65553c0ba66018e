/* role_test.c - a token's role as it is stored names the fields that limit the token. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/record_fields.h"

static void
limits_are_named(void **state)
{
	struct record record = {.kind = RECORD_TOKEN, .token = {.role = ROLE_OPERATOR}};
	char text[ROLE_TEXT_MAX];
	enum token_role role = ROLE_READ;

	(void)state;
	role_format(&record, text);
	assert_string_equal(text, "operator");
	record.token.expires_ms = 1;
	role_format(&record, text);
	assert_string_equal(text, "operator needs expires_at");
	assert_true(role_parse_stored(slice_of(text), &role));
	assert_int_equal(role, ROLE_OPERATOR);
	role_needs_format(&record, text);
	assert_string_equal(text, " needs expires_at");
	record.token.expires_ms = 0;
	role_needs_format(&record, text);
	assert_string_equal(text, "");
}

/* All fields that limit a token have room. */
static void
all_limits_fit(void **state)
{
	const struct record_fields *fields = &record_fields[RECORD_TOKEN];
	size_t len = sizeof("operator needs");

	(void)state;
	for (size_t i = 0; i < fields->count; i++)
		if ((fields->rows[i].uses & USE_BINDS) != 0)
			len += 1 + strlen(fields->rows[i].stored);
	assert_true(len < ROLE_TEXT_MAX);
}

static void
what_is_not_known_is_refused(void **state)
{
	static const char *const texts[] = {"", " ", "emperor", "read ", "read needs",
	    "read needs ", "read needs the-moon", "read needs expires_at the-moon",
	    "read needs expires_at ", "read  needs expires_at", "read expires_at",
	    "read needs expires_at  expires_at", "read needs name", "needs expires_at"};
	enum token_role role;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (role_parse_stored(slice_of(texts[i]), &role))
			fail_msg("'%s' was taken", texts[i]);
	assert_false(role_parse_stored((struct slice){0}, &role)); /* a record without one */
}

static void
aliases(void **state)
{
	enum token_role role = ROLE_OPERATOR;

	(void)state;
	assert_true(role_parse_stored(SLICE("ai_training_read needs expires_at"), &role));
	assert_int_equal(role, ROLE_READ);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(limits_are_named),
	    cmocka_unit_test(all_limits_fit),
	    cmocka_unit_test(what_is_not_known_is_refused),
	    cmocka_unit_test(aliases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
