/* cors_test.c - which origins may read answers, and what is a preflight. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "exchange/cors.h"
#include "http/head.h"

static const char *const listed[] = {"https://app.example.org", "http://localhost:3000", NULL};
static const char *const every[] = {"*", NULL};

static struct field items[HEAD_FIELDS_MAX];
static struct fields fields;
static char room[1024];

static void
have(const char *name, const char *value)
{
	items[fields.count] = (struct field){.name = slice_of(name), .value = slice_of(value)};
	items[fields.count].id = field_identify(slice_of(name));
	fields.count++;
}

static int
reset(void **state)
{
	(void)state;
	fields = (struct fields){items, 0};
	return 0;
}

/* The values of a field of this name, joined. */
static const char *
joined(const char *name)
{
	static char text[512];
	char *at = text;

	*at = '\0';
	for (size_t i = 0; i < fields.count; i++) {
		if (!slice_equal_nocase(fields.items[i].name, slice_of(name)))
			continue;
		if (at > text)
			*at++ = '|';
		memcpy(at, fields.items[i].value.at, fields.items[i].value.len);
		at += fields.items[i].value.len;
		*at = '\0';
	}
	return text;
}

static void
only_listed_origins(void **state)
{
	static const char *const others[] = {"", "null", "https://app.example.org.evil.test",
	    "https://app.example.org:443", "HTTPS://app.example.org", "http://app.example.org",
	    "https://app.example.org/", "*", "http://localhost:30000"};

	for (size_t i = 0; listed[i] != NULL; i++) {
		reset(state);
		have("origin", listed[i]);
		assert_string_equal(cors_origin(listed, &fields), listed[i]);
		assert_string_equal(cors_origin(every, &fields), "*");
		assert_null(cors_origin(NULL, &fields));
		assert_null(cors_origin(listed + 2, &fields));
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		reset(state);
		have("Origin", others[i]);
		assert_null(cors_origin(listed, &fields));
	}
	reset(state);
	assert_null(cors_origin(every, &fields));
	have("Origin", listed[0]);
	have("Origin", listed[0]);
	assert_null(cors_origin(every, &fields));
}

static bool
is_preflight(enum method_id method, const char *asked, const char *names, struct preflight *out)
{
	struct request request = {.method_id = method};

	reset(NULL);
	have("Origin", "https://a.test");
	if (asked != NULL)
		have("Access-Control-Request-Method", asked);
	if (names != NULL)
		have("access-control-request-headers", names);
	request.fields = fields;
	return cors_preflight(&request, out);
}

static void
preflights(void **state)
{
	struct preflight preflight;
	struct request request = {.method_id = METHOD_OPTIONS};

	assert_true(
	    is_preflight(METHOD_OPTIONS, "POST", "authorization, content-type", &preflight));
	assert_true(slice_equal(preflight.method, SLICE("POST")));
	assert_true(slice_equal(preflight.fields, SLICE("authorization, content-type")));
	assert_true(is_preflight(METHOD_OPTIONS, "CHICKEN", NULL, &preflight));
	assert_int_equal(preflight.fields.len, 0);
	assert_true(is_preflight(METHOD_OPTIONS, "POST", "", &preflight));
	assert_false(is_preflight(METHOD_GET, "POST", NULL, &preflight));
	assert_false(is_preflight(METHOD_OPTIONS, NULL, "a", &preflight));
	assert_false(is_preflight(METHOD_OPTIONS, "", NULL, &preflight));
	assert_false(is_preflight(METHOD_OPTIONS, "a b", NULL, &preflight));
	assert_false(is_preflight(METHOD_OPTIONS, "POST", "a b", &preflight));
	assert_false(is_preflight(METHOD_OPTIONS, "POST", "a, <b>", &preflight));
	reset(state);
	have("Access-Control-Request-Method", "POST");
	request.fields = fields;
	assert_false(cors_preflight(&request, &preflight)); /* no Origin */
	have("Origin", "https://a.test");
	have("Access-Control-Request-Method", "POST");
	request.fields = fields;
	assert_false(cors_preflight(&request, &preflight));
}

static void
what_preflights_repeat_is_bounded(void **state)
{
	static char longest[PREFLIGHT_FIELDS_MAX + 2];
	struct preflight preflight;

	(void)state;
	memset(longest, 'x', sizeof(longest) - 1);
	assert_false(is_preflight(METHOD_OPTIONS, "POST", longest, &preflight));
	longest[PREFLIGHT_FIELDS_MAX] = '\0';
	assert_true(is_preflight(METHOD_OPTIONS, "POST", longest, &preflight));
}

static void
answer(const char *origin)
{
	struct writer writer = writer_of(room, sizeof(room));

	cors_answer(&fields, origin, &writer);
}

static void
answers(void **state)
{
	(void)state;
	have("Vary", "Accept");
	answer("https://a.test");
	assert_string_equal(joined("Access-Control-Allow-Origin"), "https://a.test");
	assert_string_equal(joined("Access-Control-Expose-Headers"),
	    "WWW-Authenticate, Retry-After, X-Request-Id, RateLimit, RateLimit-Policy");
	assert_string_equal(joined("Access-Control-Allow-Credentials"), "");
	assert_string_equal(joined("Vary"), "Accept, Origin");
}

/* A cache must not give it to a page that asks later. */
static void
answers_to_others_depend_on_origin_too(void **state)
{
	(void)state;
	answer(NULL);
	assert_int_equal(fields.count, 1);
	assert_string_equal(joined("Vary"), "Origin");
}

static void
jobs_that_speak_of_cors_are_left_alone(void **state)
{
	static const char *const said[] = {"Access-Control-Allow-Origin",
	    "access-control-allow-credentials", "Access-Control-Expose-Headers",
	    "Access-Control-Allow-Methods"};

	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
		reset(state);
		have(said[i], "x");
		answer("https://a.test");
		answer(NULL);
		assert_int_equal(fields.count, 1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(only_listed_origins, reset),
	    cmocka_unit_test_setup(preflights, reset),
	    cmocka_unit_test_setup(what_preflights_repeat_is_bounded, reset),
	    cmocka_unit_test_setup(answers, reset),
	    cmocka_unit_test_setup(answers_to_others_depend_on_origin_too, reset),
	    cmocka_unit_test_setup(jobs_that_speak_of_cors_are_left_alone, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
