/* authorize_test.c - /v1/authorize: why a token may use a job, or may not use it. */
#include "harness.h"

#include "jobgate/token.h"

static void
explains(const struct world *world, const char *token, const char *job, const char *verdict,
    int status, const char *reason)
{
	char body[512];
	struct answer answer;

	snprintf(body, sizeof(body), "{\"token\":\"%s\",\"job\":\"%s\"}", token, job);
	answer = call_http(world, "POST", "/v1/authorize", body);
	assert_int_equal(answer.status, 200);
	if (strcmp(text_in(&answer, "verdict"), verdict) != 0 ||
	    json_integer_value(json_object_get(answer.json, "status")) != status ||
	    strstr(text_in(&answer, "reason"), reason) == NULL)
		fail_msg("%s: %s", body, answer.body);
	assert_int_equal(json_is_true(json_object_get(answer.json, "allowed")), status == 200);
	assert_true(token[0] == '\0' || strstr(answer.body, token) == NULL);
	answer_free(&answer);
}

static void
authorize(void **state)
{
	const struct world *world = *state;
	struct answer scoped = create_token(
	    world, "{\"name\":\"s\",\"role\":\"read\",\"label_selector\":\"model=base\"}");
	struct answer any = create_token(world, "{\"name\":\"u\",\"role\":\"operator\"}");
	const char *s = text_in(&scoped, "value"), *u = text_in(&any, "value");
	char path[64], wrong[TOKEN_VALUE_LEN + 1];

	run_redis(world, "HSET test:job:base url http://127.0.0.1:1 label:model base");
	run_redis(world, "HSET test:job:other url http://127.0.0.1:1 label:model other");
	run_redis(world, "HSET test:job:nourl label:model base");
	explains(world, s, "base", "allow", 200, "may use");
	explains(world, s, "other", "out_of_scope", 403, "other labels");
	explains(world, s, "missing", "out_of_scope", 403, "does not exist");
	explains(world, s, "nourl", "no_url", 503, "no URL");
	explains(world, u, "other", "allow", 200, "every job");
	explains(world, u, "missing", "no_such_job", 404, "no job missing");
	explains(world, u, "Not_An_Id", "not_a_job", 404, "");
	explains(world, "garbage", "base", "invalid_token", 401, "checksum");
	explains(world, "two words", "base", "bad_credential", 400, "");
	snprintf(wrong, sizeof(wrong), "%s", u);
	wrong[30] = wrong[30] == 'x' ? 'y' : 'x';
	explains(world, wrong, "base", "invalid_token", 401, "checksum");
	snprintf(path, sizeof(path), "/v1/tokens/%s/renew", text_in(&any, "id"));
	struct answer renewed = call_http(world, "POST", path, NULL);
	explains(world, u, "base", "invalid_token", 401, "renewed");
	answer_free(&renewed);
	snprintf(path, sizeof(path), "/v1/tokens/%s", text_in(&scoped, "id"));
	struct answer deleted = call_http(world, "DELETE", path, NULL);
	explains(world, s, "base", "invalid_token", 401, "deleted");
	answer_free(&deleted);
	refused(world, "POST", "/v1/authorize", "{\"token\":\"a\"}", 400, "job");
	answer_free(&scoped);
	answer_free(&any);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(authorize),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
