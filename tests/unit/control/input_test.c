/* input_test.c - JSON bodies: what is taken, and which field is named when it is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/control/input.h"

static void
refuses(const char *text, const char *const *known, const char *field)
{
	struct mistake mistake = {"?", ""};
	json_t *detail;

	assert_null(input_object(text, strlen(text), known, &mistake));
	assert_string_equal(mistake.field, field);
	assert_string_not_equal(mistake.detail, "");
	detail = json_string(mistake.detail);
	assert_non_null(detail); /* it can be told */
	json_decref(detail);
}

static void
objects(void **state)
{
	struct mistake mistake;
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
	assert_null(input_object(NULL, 0, token_input_fields, &mistake));
	object = input_object("{\"name\":1}", 10, token_input_fields, &mistake);
	assert_non_null(object);
	json_decref(object);
}

/* Deeper than jansson goes is a mistake, not a crash. */
static void
deep_nesting(void **state)
{
	static char text[60000];
	struct mistake mistake;

	(void)state;
	memset(text, '[', sizeof(text));
	assert_null(input_object(text, sizeof(text), token_input_fields, &mistake));
}

static void
token_is(const char *text, bool expected, const char *field, struct token_input *input)
{
	struct mistake mistake = {"", ""};
	json_t *object = input_object(text, strlen(text), token_input_fields, &mistake);

	assert_non_null(object);
	assert_int_equal(input_token(object, input, &mistake), expected);
	assert_string_equal(mistake.field, field);
	json_decref(object);
}

static void
tokens(void **state)
{
	struct token_input input;

	(void)state;
	token_is("{\"name\":\"a\",\"role\":\"read\"}", true, "", &input);
	assert_int_equal(input.role, ROLE_READ);
	assert_int_equal(input.selector_count, 0);
	token_is("{\"name\":\"a\",\"role\":\"ai_training_operator\",\"label_selector\":\"a=b,c=\"}",
	    true, "", &input);
	assert_int_equal(input.role, ROLE_OPERATOR);
	assert_int_equal(input.selector_count, 2);
	token_is("{\"role\":\"read\"}", false, "name", &input);
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
job_is(const char *text, bool patch, bool expected, const char *field, struct job_input *input)
{
	struct mistake mistake = {"", ""};
	json_t *object = input_object(
	    text, strlen(text), patch ? job_patch_fields : job_create_fields, &mistake);
	bool ok;

	assert_non_null(object);
	ok = input_job(object, patch, input, &mistake);
	assert_string_equal(mistake.field, field);
	assert_int_equal(ok, expected);
	json_decref(object);
}

static void
jobs(void **state)
{
	static struct job_input input;

	(void)state;
	job_is("{}", false, true, "", &input);
	assert_false(input.url_set || input.url_removed);
	job_is("{\"id\":\"my-job\",\"url\":\"http://127.0.0.1:9000/"
	       "base\",\"labels\":{\"a\":\"b\",\"x/y\":\"\"}}",
	    false, true, "", &input);
	assert_true(input.url_set);
	assert_int_equal(input.label_count, 2);
	job_is("{\"id\":\"\"}", false, false, "id", &input);
	job_is("{\"id\":\"My_Job\"}", false, false, "id", &input);
	job_is("{\"id\":7}", false, false, "id", &input);
	job_is("{\"url\":\"ftp://x\"}", false, false, "url", &input);
	job_is("{\"url\":\"http://user@x/\"}", false, false, "url", &input);
	job_is("{\"url\":1}", false, false, "url", &input);
	job_is("{\"url\":\"http://169.254.169.254/\"}", false, false, "url", &input);
	job_is("{\"url\":\"https://[fe80::1]:1/x\"}", true, false, "url", &input);
	job_is("{\"url\":\"http://[::ffff:0.0.0.0]\"}", true, false, "url", &input);
	job_is("{\"url\":\"http://[ff02::1]\"}", false, false, "url", &input);
	job_is("{\"url\":\"http://127.0.0.1\"}", false, true, "", &input);
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
	static struct job_input input;

	(void)state;
	job_is("{}", true, true, "", &input);
	assert_false(input.url_set || input.url_removed || input.labels_cleared);
	job_is("{\"url\":null}", true, true, "", &input);
	assert_true(input.url_removed && !input.url_set);
	job_is("{\"url\":\"\"}", true, true, "", &input);
	assert_true(input.url_removed && !input.url_set);
	job_is("{\"url\":\"unix:/run/x.sock\"}", true, true, "", &input);
	assert_true(input.url_set && !input.url_removed);
	job_is("{\"labels\":null}", true, true, "", &input);
	assert_true(input.labels_cleared);
	job_is("{\"labels\":{\"a\":\"b\",\"c\":null}}", true, true, "", &input);
	assert_int_equal(input.label_count, 1);
	assert_int_equal(input.removed_count, 1);
	job_is("{\"labels\":{\"-\":null}}", true, false, "labels.-", &input);
}

static void
leases(void **state)
{
	static struct job_input input;

	(void)state;
	job_is("{}", false, true, "", &input);
	assert_true(input.lease == 0 && !input.lease_removed);
	job_is("{\"lease\":86400}", false, true, "", &input);
	assert_int_equal(input.lease, 86400);
	job_is("{\"lease\":null}", true, true, "", &input);
	assert_true(input.lease == 0 && input.lease_removed);
	job_is("{\"lease\":0}", true, false, "lease", &input);
	job_is("{\"lease\":86401}", false, false, "lease", &input);
	job_is("{\"lease\":-1}", false, false, "lease", &input);
	job_is("{\"lease\":1.0}", false, false, "lease", &input);
	job_is("{\"lease\":\"30\"}", false, false, "lease", &input);
}

static void
too_many_labels(void **state)
{
	static struct job_input input;
	json_t *object = json_object(), *labels = json_object();
	struct mistake mistake;

	(void)state;
	json_object_set_new(object, "labels", labels);
	for (int i = 0; i < JOB_LABELS_MAX; i++) {
		char name[16];
		snprintf(name, sizeof(name), "l%d", i);
		json_object_set_new(labels, name, json_string("v"));
	}
	assert_true(input_job(object, false, &input, &mistake));
	assert_int_equal(input.label_count, JOB_LABELS_MAX);
	json_object_set_new(labels, "more", json_string("v"));
	assert_false(input_job(object, false, &input, &mistake));
	assert_string_equal(mistake.field, "labels");
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
	    cmocka_unit_test(too_many_labels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
