/* input_test.c - JSON bodies: which are accepted, and which field an error names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/control/input.h"

static const char *const token_input_fields[] = {"name", "role", "label_selector", NULL};

static void
refuses(const char *text, const char *const *known, const char *field)
{
	struct input_error error = {"?", ""};
	json_t *detail;

	assert_null(input_object(text, strlen(text), known, &error));
	assert_string_equal(error.field, field);
	assert_string_not_equal(error.detail, "");
	detail = json_string(error.detail);
	assert_non_null(detail); /* it can be told */
	json_decref(detail);
}

static void
objects(void **state)
{
	struct input_error error;
	json_t *object;

	(void)state;
	refuses("", token_input_fields, "");
	refuses("{", token_input_fields, "");
	refuses("[]", token_input_fields, "");
	refuses("\"name\"", token_input_fields, "");
	refuses("{} {}", token_input_fields, "");
	refuses("{\"name\":\"a\",\"name\":\"b\"}", token_input_fields, "");
	refuses("{\"name\":\"a\\u0000b\"}", token_input_fields, "");
	refuses("{\"name\":\"\xff\"}", token_input_fields, "");
	refuses("{\"n\\\xe1\x94\x9a\":1}", token_input_fields, "");
	refuses("{\"nam\":\"a\"}", token_input_fields, "nam");
	refuses("{\"n\xc3\xa4me\":1}", token_input_fields, "n??me");
	assert_null(input_object(NULL, 0, token_input_fields, &error));
	object = input_object("{\"name\":1}", 10, token_input_fields, &error);
	assert_non_null(object);
	json_decref(object);
}

/* Deeper than jansson goes is an error, not a crash. */
static void
deep_nesting(void **state)
{
	static char text[60000];
	struct input_error error;

	(void)state;
	memset(text, '[', sizeof(text));
	assert_null(input_object(text, sizeof(text), token_input_fields, &error));
}

/* Read a record and expect that it is good, or which field is not. */
static void
record_is(const char *text, enum record_kind kind, enum input_purpose purpose, bool expected,
    const char *field, struct record_input *input)
{
	struct input_error error = {"", ""};
	json_t *object = input_object(text, strlen(text), NULL, &error);
	bool ok;

	assert_non_null(object);
	ok = input_record(object, kind, purpose, input, &error);
	assert_string_equal(error.field, field);
	assert_int_equal(ok, expected);
	json_decref(object);
}

static void
token_is(const char *text, bool expected, const char *field, struct record_input *input)
{
	record_is(text, RECORD_TOKEN, INPUT_CREATE, expected, field, input);
}

static void
tokens(void **state)
{
	static struct record_input input;

	(void)state;
	token_is("{\"name\":\"a\",\"role\":\"read\"}", true, "", &input);
	assert_int_equal(input.record.token.role, ROLE_READ);
	assert_int_equal(input.record.token.selector.count, 0);
	token_is("{\"name\":\"a\",\"role\":\"ai_training_operator\",\"label_selector\":\"a=b,c=\"}",
	    true, "", &input);
	assert_int_equal(input.record.token.role, ROLE_OPERATOR);
	assert_int_equal(input.record.token.selector.count, 2);
	token_is("{\"role\":\"read\"}", false, "name", &input);
	token_is(
	    "{\"name\":\"a\",\"role\":\"read\",\"id\":\"abcdefgh12345678\"}", false, "id", &input);
	token_is("{\"name\":\"a\",\"role\":\"read\",\"version\":2}", false, "version", &input);
	token_is("{\"name\":\"a\",\"role\":\"read\",\"hash\":\"\"}", false, "hash", &input);
	token_is("{\"name\":\"a\",\"role\":\"read\",\"kind\":\"token\"}", false, "kind", &input);
	token_is("{\"name\":\"a\"}", false, "role", &input);
	token_is("{\"name\":1,\"role\":\"read\"}", false, "name", &input);
	token_is("{\"name\":null,\"role\":\"read\"}", false, "name", &input);
	token_is("{\"name\":\"-a\",\"role\":\"read\"}", false, "name", &input);
	token_is("{\"name\":\"\",\"role\":\"read\"}", false, "name", &input);
	token_is("{\"name\":\"a\",\"role\":\"admin\"}", false, "role", &input);
	token_is("{\"name\":\"a\",\"role\":true}", false, "role", &input);
	token_is("{\"name\":\"a\",\"role\":\"read\",\"label_selector\":\"a\"}", false,
	    "label_selector", &input);
	token_is("{\"name\":\"a\",\"role\":\"read\",\"label_selector\":\"a=b,a=c\"}", false,
	    "label_selector", &input);
	token_is("{\"name\":\"a\",\"role\":\"read\",\"label_selector\":{}}", false,
	    "label_selector", &input);
}

static void
job_is(const char *text, bool patch, bool expected, const char *field, struct record_input *input)
{
	record_is(text, RECORD_JOB, patch ? INPUT_PATCH : INPUT_CREATE, expected, field, input);
}

static bool
gives(const struct record_input *input, enum job_field field)
{
	return (input->given & FIELD_BIT(field)) != 0;
}

static bool
removes(const struct record_input *input, enum job_field field)
{
	return (input->removed & FIELD_BIT(field)) != 0;
}

static void
jobs(void **state)
{
	static struct record_input input;

	(void)state;
	job_is("{}", false, true, "", &input);
	assert_int_equal(input.given | input.removed, 0);
	job_is("{\"id\":\"my-job\",\"url\":\"http://127.0.0.1:9000/"
	       "base\",\"labels\":{\"a\":\"b\",\"x/y\":\"\"}}",
	    false, true, "", &input);
	assert_true(gives(&input, JOB_FIELD_URL));
	assert_int_equal(input.label_count, 2);
	job_is("{\"id\":\"\"}", false, false, "id", &input);
	job_is("{\"id\":\"My_Job\"}", false, false, "id", &input);
	job_is("{\"id\":7}", false, false, "id", &input);
	job_is("{\"id\":\"j\"}", true, false, "id", &input);
	job_is("{\"job_url\":\"http://x\"}", false, false, "job_url", &input);
	job_is("{\"created_at\":null}", false, false, "created_at", &input);
	job_is("{\"url\":\"ftp://x\"}", false, false, "url", &input);
	job_is("{\"url\":\"http://user@x/\"}", false, false, "url", &input);
	job_is("{\"url\":1}", false, false, "url", &input);
	job_is("{\"url\":\"http://169.254.169.254/\"}", false, false, "url", &input);
	job_is("{\"url\":\"https://[fe80::1]:1/x\"}", true, false, "url", &input);
	job_is("{\"url\":\"http://[::ffff:0.0.0.0]\"}", true, false, "url", &input);
	job_is("{\"url\":\"http://[ff02::1]\"}", false, false, "url", &input);
	job_is("{\"url\":\"http://127.0.0.1\"}", false, true, "", &input);
	job_is("{\"url\":\"http://a:1 http://a:2\"}", false, true, "", &input);
	job_is("{\"url\":\"http://a:80/x http://b http://A/x/\"}", false, false, "url", &input);
	job_is("{\"health\":\"/x//y\"}", false, true, "", &input);
	job_is("{\"health\":\"//evil/x\"}", false, false, "health", &input);
	job_is("{\"labels\":[]}", false, false, "labels", &input);
	job_is("{\"labels\":null}", false, false, "labels", &input);
	job_is("{\"labels\":{\"a\":null}}", false, false, "labels.a", &input);
	job_is("{\"labels\":{\"a\":1}}", false, false, "labels.a", &input);
	job_is("{\"labels\":{\"-a\":\"b\"}}", false, false, "labels.-a", &input);
	job_is("{\"labels\":{\"a\":\"-\"}}", false, false, "labels.a", &input);
}

/* RFC 7396: what is null goes, what is not named stays. */
static void
job_patches(void **state)
{
	static struct record_input input;

	(void)state;
	job_is("{}", true, true, "", &input);
	assert_int_equal(input.given | input.removed, 0);
	job_is("{\"url\":null}", true, true, "", &input);
	assert_true(removes(&input, JOB_FIELD_URL) && !gives(&input, JOB_FIELD_URL));
	job_is("{\"url\":\"\"}", true, true, "", &input);
	assert_true(removes(&input, JOB_FIELD_URL) && !gives(&input, JOB_FIELD_URL));
	job_is("{\"url\":\"unix:/run/x.sock\"}", true, true, "", &input);
	assert_true(gives(&input, JOB_FIELD_URL) && !removes(&input, JOB_FIELD_URL));
	job_is("{\"labels\":null}", true, true, "", &input);
	assert_true(removes(&input, JOB_FIELD_LABELS));
	job_is("{\"labels\":{\"a\":\"b\",\"c\":null}}", true, true, "", &input);
	assert_int_equal(input.label_count, 1);
	assert_int_equal(input.removed_label_count, 1);
	job_is("{\"labels\":{\"-\":null}}", true, false, "labels.-", &input);
}

static void
leases(void **state)
{
	static struct record_input input;

	(void)state;
	job_is("{}", false, true, "", &input);
	assert_int_equal(input.given | input.removed, 0);
	job_is("{\"lease\":86400}", false, true, "", &input);
	assert_int_equal(input.record.job.lease, 86400);
	job_is("{\"lease\":null}", true, true, "", &input);
	assert_true(input.record.job.lease == 0 && removes(&input, JOB_FIELD_LEASE));
	job_is("{\"lease\":0}", true, false, "lease", &input);
	job_is("{\"lease\":86401}", false, false, "lease", &input);
	job_is("{\"lease\":-1}", false, false, "lease", &input);
	job_is("{\"lease\":1.0}", false, false, "lease", &input);
	job_is("{\"lease\":\"30\"}", false, false, "lease", &input);
}

/* A line of an export has all that the store has, and must have what no record may lack. */
static void
imports(void **state)
{
	static struct record_input input;
	static const char token[] =
	    "{\"kind\":\"token\",\"id\":\"abcdefgh12345678\",\"name\":\"a\",\"role\":\"read\","
	    "\"label_selector\":\"\",\"version\":3,\"created_at\":null,\"minted\":2,\"created_ms\":"
	    "5,"
	    "\"hash\":\"ab00000000000000000000000000000000000000000000000000000000000000\"}";
	const struct record_fields *fields = &record_fields[RECORD_TOKEN];

	(void)state;
	record_is(token, RECORD_TOKEN, INPUT_IMPORT, true, "", &input);
	assert_int_equal(input.record.token.version, 3);
	assert_int_equal(input.record.token.minted, 2);
	assert_int_equal(input.record.token.hash[0], 0xab);
	for (size_t i = 0; i < fields->count; i++) {
		json_t *object = json_loads(token, 0, NULL);
		struct input_error error = {"", ""};
		bool needed = (fields->rows[i].uses & USE_NEEDED) != 0;

		json_object_del(object, fields->rows[i].name);
		assert_int_equal(
		    input_record(object, RECORD_TOKEN, INPUT_IMPORT, &input, &error), !needed);
		assert_string_equal(error.field, needed ? fields->rows[i].name : "");
		json_decref(object);
	}
	record_is("{\"id\":\"j\",\"lease\":null,\"url\":null}", RECORD_JOB, INPUT_IMPORT, true, "",
	    &input);
	record_is("{\"labels\":{}}", RECORD_JOB, INPUT_IMPORT, false, "id", &input);
	record_is(
	    "{\"id\":\"j\",\"job_url\":\"\"}", RECORD_JOB, INPUT_IMPORT, false, "job_url", &input);
	record_is("{\"id\":\"j\",\"created_at\":7}", RECORD_JOB, INPUT_IMPORT, false, "created_at",
	    &input);
	record_is("{\"id\":\"j\",\"updated_at\":\"2026-01-31\"}", RECORD_JOB, INPUT_IMPORT, false,
	    "updated_at", &input);
	record_is("{\"id\":\"j\",\"updated_at\":\"2026-01-31T12:00:00Z\"}", RECORD_JOB,
	    INPUT_IMPORT, true, "", &input);
}

static void
too_many_labels(void **state)
{
	static struct record_input input;
	json_t *object = json_object(), *labels = json_object();
	struct input_error error;

	(void)state;
	json_object_set_new(object, "labels", labels);
	for (int i = 0; i < JOB_LABELS_MAX; i++) {
		char name[16];
		snprintf(name, sizeof(name), "l%d", i);
		json_object_set_new(labels, name, json_string("v"));
	}
	assert_true(input_record(object, RECORD_JOB, INPUT_CREATE, &input, &error));
	assert_int_equal(input.label_count, JOB_LABELS_MAX);
	json_object_set_new(labels, "more", json_string("v"));
	assert_false(input_record(object, RECORD_JOB, INPUT_CREATE, &input, &error));
	assert_string_equal(error.field, "labels");
	json_decref(object);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(objects),
	    cmocka_unit_test(deep_nesting),
	    cmocka_unit_test(tokens),
	    cmocka_unit_test(jobs),
	    cmocka_unit_test(job_patches),
	    cmocka_unit_test(leases),
	    cmocka_unit_test(imports),
	    cmocka_unit_test(too_many_labels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
