/* jobs_test.c - jobs over the API: made, changed, deleted, and lists page by page. */
#include "harness.h"

#include "jobgate/job.h"

static void
job_life(void **state)
{
	const struct world *world = *state;
	struct answer answer = call_http(world, "POST", "/v1/jobs",
	    "{\"id\":\"my-job\",\"url\":\"http://"
	    "127.0.0.1:9000\",\"labels\":{\"model\":\"base\",\"a/b\":\"\"}}");
	json_t *labels;
	char *text;

	assert_int_equal(answer.status, 201);
	assert_non_null(strstr(answer.head, "Location: /v1/jobs/my-job\r\n"));
	assert_string_equal(text_in(&answer, "job_url"), "http://my-job.localhost:8080/");
	answer_free(&answer);
	refused(world, "POST", "/v1/jobs", "{\"id\":\"my-job\"}", 409, "id");
	text = stored(world, "test:job:my-job", "label:model");
	assert_string_equal(text, "base");
	free(text);

	answer = call_http(world, "PATCH", "/v1/jobs/my-job",
	    "{\"url\":null,\"labels\":{\"model\":\"other\",\"a/b\":null,\"new\":\"1\"}}");
	assert_int_equal(answer.status, 200);
	assert_true(json_is_null(json_object_get(answer.json, "url")));
	labels = json_pack("{s:s, s:s}", "model", "other", "new", "1");
	assert_true(json_equal(json_object_get(answer.json, "labels"), labels));
	json_decref(labels);
	answer_free(&answer);
	assert_null(stored(world, "test:job:my-job", "url"));

	answer = call_http(world, "PATCH", "/v1/jobs/my-job", "{\"url\":\"unix:/run/j.sock\"}");
	assert_string_equal(text_in(&answer, "url"), "unix:/run/j.sock");
	assert_int_equal(json_object_size(json_object_get(answer.json, "labels")), 2);
	answer_free(&answer);
	answer = call_http(world, "PATCH", "/v1/jobs/my-job", "{\"labels\":null}");
	assert_int_equal(json_object_size(json_object_get(answer.json, "labels")), 0);
	assert_string_equal(text_in(&answer, "url"), "unix:/run/j.sock");
	answer_free(&answer);

	answer = call_http(world, "DELETE", "/v1/jobs/my-job", NULL);
	assert_int_equal(answer.status, 204);
	answer_free(&answer);
	refused(world, "GET", "/v1/jobs/my-job", NULL, 404, "");
	refused(world, "PATCH", "/v1/jobs/my-job", "{}", 404, "");
}

static void
job_default_id(void **state)
{
	const struct world *world = *state;
	struct answer answer = call_http(world, "POST", "/v1/jobs", "{}");

	assert_int_equal(answer.status, 201);
	assert_int_equal(strlen(text_in(&answer, "id")), 36);
	assert_true(jg_job_id_valid(slice_of(text_in(&answer, "id"))));
	assert_true(json_is_null(json_object_get(answer.json, "url")));
	answer_free(&answer);
}

/* No patch may leave a job that the rules do not allow, whatever it starts from. */
static void
job_label_bound(void **state)
{
	const struct world *world = *state;
	char body[4096] = "{\"id\":\"full\",\"labels\":{";
	struct answer answer;

	for (int i = 0; i < JOB_LABELS_MAX; i++)
		snprintf(body + strlen(body), sizeof(body) - strlen(body), "%s\"l%d\":\"v\"",
		    i ? "," : "", i);
	strcat(body, "}}");
	answer = call_http(world, "POST", "/v1/jobs", body);
	assert_int_equal(answer.status, 201);
	answer_free(&answer);
	refused(world, "PATCH", "/v1/jobs/full", "{\"labels\":{\"more\":\"v\"}}", 400, "labels");
	answer =
	    call_http(world, "PATCH", "/v1/jobs/full", "{\"labels\":{\"more\":\"v\",\"l0\":null}}");
	assert_int_equal(answer.status, 200);
	assert_int_equal(json_object_size(json_object_get(answer.json, "labels")), JOB_LABELS_MAX);
	answer_free(&answer);
}

/* All ids of a list, page by page, as "a,b,c,". */
static void
walk(const struct world *world, const char *query, char *ids, size_t cap)
{
	char path[512];
	char cursor[256] = "";

	ids[0] = '\0';
	for (int pages = 0; pages < 1000; pages++) {
		struct answer answer;
		const json_t *item;
		size_t i;

		snprintf(path, sizeof(path), "/v1/jobs?%s%s%s", query, cursor[0] ? "&cursor=" : "",
		    cursor);
		answer = call_http(world, "GET", path, NULL);
		assert_int_equal(answer.status, 200);
		json_array_foreach(json_object_get(answer.json, "items"), i, item)
		    snprintf(ids + strlen(ids), cap - strlen(ids), "%s,",
			json_string_value(json_object_get(item, "id")));
		snprintf(cursor, sizeof(cursor), "%s", text_in(&answer, "next_cursor"));
		answer_free(&answer);
		if (cursor[0] == '\0')
			return;
	}
	fail_msg("the pages do not end");
}

static void
job_pages(void **state)
{
	const struct world *world = *state;
	char ids[4096];

	run_redis(world, "FLUSHALL");
	walk(world, "limit=3", ids, sizeof(ids));
	assert_string_equal(ids, "");
	/* Jobs as another system writes them; several at one moment, one of them gone since. */
	for (const char *id = "abcdefgh"; *id != '\0'; id++) {
		char command[128];

		snprintf(command, sizeof(command), "ZADD test:jobs %d %c", *id < 'd' ? 1 : 2, *id);
		run_redis(world, command);
		if (*id == 'e')
			continue;
		snprintf(command, sizeof(command), "HSET test:job:%c label:parity %s", *id,
		    *id % 2 ? "odd" : "even");
		run_redis(world, command);
	}
	walk(world, "", ids, sizeof(ids));
	assert_string_equal(ids, "a,b,c,d,f,g,h,");
	for (int limit = 1; limit <= 8; limit++) {
		char query[32];

		snprintf(query, sizeof(query), "limit=%d", limit);
		walk(world, query, ids, sizeof(ids));
		assert_string_equal(ids, "a,b,c,d,f,g,h,");
	}
	walk(world, "label=parity=odd&limit=1", ids, sizeof(ids));
	assert_string_equal(ids, "a,c,g,");
	walk(world, "label=parity=none", ids, sizeof(ids));
	assert_string_equal(ids, "");
	/* A cursor whose record has gone, between others of the same moment. */
	run_redis(world, "ZREM test:jobs d");
	walk(world, "cursor=2~d", ids, sizeof(ids));
	assert_string_equal(ids, "f,g,h,");
	/* What others put there and is no id, no job or no hash does not harm. */
	run_redis(world, "ZADD test:jobs 0 NOT_AN_ID 3 bad 3 string");
	run_redis(world, "HSET test:job:bad url nonsense");
	run_redis(world, "SET test:job:string x");
	walk(world, "limit=2", ids, sizeof(ids));
	assert_string_equal(ids, "a,b,c,f,g,h,");
	run_redis(world, "FLUSHALL");
}

/* More than one step of the index, and more than one page. */
static void
many_jobs(void **state)
{
	const struct world *world = *state;
	static char ids[16384], expected[16384];

	expected[0] = '\0';
	for (int i = 1; i <= 350; i++) {
		char command[96];

		snprintf(command, sizeof(command), "ZADD test:jobs %d j%d", i, i);
		run_redis(world, command);
		snprintf(command, sizeof(command), "HSET test:job:j%d label:a b", i);
		run_redis(world, command);
		snprintf(
		    expected + strlen(expected), sizeof(expected) - strlen(expected), "j%d,", i);
	}
	walk(world, "limit=1000", ids, sizeof(ids));
	assert_string_equal(ids, expected);
	walk(world, "limit=120", ids, sizeof(ids));
	assert_string_equal(ids, expected);
	walk(world, "limit=100", ids, sizeof(ids));
	assert_string_equal(ids, expected);
	run_redis(world, "FLUSHALL");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(job_life),
	    cmocka_unit_test(job_default_id),
	    cmocka_unit_test(job_label_bound),
	    cmocka_unit_test(job_pages),
	    cmocka_unit_test(many_jobs),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
