/* control_test.c - the API as a whole, against a real redis-server: what it does when all is well.
 */
#include "harness.h"

#include "jobgate/control_fields.h"
#include "jobgate/job.h"
#include "jobgate/token.h"

/* What a record has in Redis, or NULL; to be freed. */
static char *
stored(const struct world *world, const char *key, const char *field)
{
	redisContext *redis = redis_open(world);
	redisReply *reply = redisCommand(redis, "HGET %s %s", key, field);
	char *text = reply->type == REDIS_REPLY_STRING ? strdup(reply->str) : NULL;

	freeReplyObject(reply);
	redisFree(redis);
	return text;
}

static void
run_redis(const struct world *world, const char *command)
{
	redisContext *redis = redis_open(world);
	redisReply *reply = redisCommand(redis, command);

	assert_non_null(reply);
	assert_int_not_equal(reply->type, REDIS_REPLY_ERROR);
	freeReplyObject(reply);
	redisFree(redis);
}

static void
assert_hash_of(const struct world *world, const char *key, const char *value)
{
	unsigned char hash[TOKEN_HASH_LEN];
	char hex[2 * TOKEN_HASH_LEN + 1];
	char *kept = stored(world, key, "hash");

	jg_token_hash(slice_of(value), hash);
	for (size_t i = 0; i < sizeof(hash); i++)
		snprintf(hex + 2 * i, 3, "%02x", hash[i]);
	assert_non_null(kept);
	assert_string_equal(kept, hex);
	free(kept);
}

static struct answer
create_token(const struct world *world, const char *body)
{
	struct answer answer = call_http(world, "POST", "/v1/tokens", body);

	if (answer.status != 201)
		fail_msg("%d %s", answer.status, answer.body);
	return answer;
}

static void
token_life(void **state)
{
	const struct world *world = *state;
	struct answer made = create_token(world, "{\"name\":\"basetoken\",\"role\":\"ai_training_"
						 "operator\",\"label_selector\":\"model=base\"}");
	struct answer got, renewed;
	char path[64], key[64], renew[96];
	struct slice id;

	assert_non_null(strstr(made.head, "Cache-Control: no-store\r\n"));
	assert_true(jg_token_value_parse(slice_of(text_in(&made, "value")), &id));
	assert_true(slice_equal(id, slice_of(text_in(&made, "id"))));
	assert_string_equal(text_in(&made, "role"), "operator");
	assert_string_equal(text_in(&made, "label_selector"), "model=base");
	assert_int_equal(json_integer_value(json_object_get(made.json, "version")), 1);
	snprintf(path, sizeof(path), "/v1/tokens/%s", text_in(&made, "id"));
	snprintf(key, sizeof(key), "test:token:%s", text_in(&made, "id"));
	snprintf(renew, sizeof(renew), "%s/renew", path);
	assert_non_null(strstr(made.head, path));
	assert_hash_of(world, key, text_in(&made, "value"));

	got = call_http(world, "GET", path, NULL);
	assert_int_equal(got.status, 200);
	assert_null(json_object_get(got.json, "value"));
	assert_null(json_object_get(got.json, "hash"));
	json_object_del(made.json, "value");
	assert_true(json_equal(got.json, made.json));
	answer_free(&got);

	renewed = call_http(world, "POST", renew, NULL);
	assert_int_equal(renewed.status, 200);
	assert_int_equal(json_integer_value(json_object_get(renewed.json, "version")), 2);
	assert_string_equal(text_in(&renewed, "name"), "basetoken");
	assert_string_equal(text_in(&renewed, "label_selector"), "model=base");
	assert_hash_of(world, key, text_in(&renewed, "value"));
	answer_free(&renewed);

	got = call_http(world, "DELETE", path, NULL);
	assert_int_equal(got.status, 204);
	assert_null(strstr(got.head, "Content-Length"));
	answer_free(&got);
	refused(world, "GET", path, NULL, 404, "");
	refused(world, "DELETE", path, NULL, 404, "");
	refused(world, "POST", renew, NULL, 404, "");
	answer_free(&made);
}

static void
token_list(void **state)
{
	const struct world *world = *state;
	struct answer one = create_token(world, "{\"name\":\"one\",\"role\":\"read\"}");
	struct answer two = create_token(world, "{\"name\":\"two\",\"role\":\"operator\"}");
	struct answer list = call_http(world, "GET", "/v1/tokens?name=one&role=read", NULL);
	const json_t *items = json_object_get(list.json, "items");

	assert_int_equal(list.status, 200);
	assert_int_equal(json_array_size(items), 1);
	json_object_del(one.json, "value");
	assert_true(json_equal(json_array_get(items, 0), one.json));
	assert_true(json_is_null(json_object_get(list.json, "next_cursor")));
	answer_free(&list);
	answer_free(&one);
	answer_free(&two);
}

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

static void
refusals(void **state)
{
	const struct world *world = *state;
	struct answer answer;

	refused(world, "GET", "/nothing", NULL, 404, "");
	refused(world, "GET", "/v1/tokens/short", NULL, 404, "");
	refused(world, "GET", "/v1/jobs/NOT-AN-ID", NULL, 404, "");
	refused(world, "GET", "/v1/jobs?limit=0", NULL, 400, "limit");
	refused(world, "GET", "/v1/jobs?what=1", NULL, 400, "");
	refused(world, "POST", "/v1/tokens", NULL, 400, "");
	refused(
	    world, "POST", "/v1/tokens", "{\"name\":\"a\",\"role\":\"read\",\"x\":1}", 400, "x");
	refused(world, "POST", "/v1/tokens", "{\"name\":\"a\",\"role\":\"king\"}", 400, "role");
	refused(world, "POST", "/v1/jobs", "{\"url\":\"nonsense\"}", 400, "url");
	refused(world, "PATCH", "/v1/jobs/a", "{\"id\":\"b\"}", 400, "id");
	answer = call_http(world, "PUT", "/v1/jobs/a", NULL);
	assert_int_equal(answer.status, 405);
	assert_non_null(strstr(answer.head, "Allow: GET, HEAD, PATCH, DELETE\r\n"));
	answer_free(&answer);
}

static void
limits(void **state)
{
	const struct world *world = *state;
	size_t len = (64 << 10) + 1;
	char *body = malloc(len + 1);
	char fields[16384] = "GET /healthz HTTP/1.1\r\nHost: x\r\n";
	struct answer answer;
	int fd;

	memset(body, ' ', len);
	body[len] = '\0';
	refused(world, "POST", "/v1/jobs", body, 413, "");
	body[0] = '{';
	body[len - 2] = '}';
	body[len - 1] = '\0'; /* exactly what is allowed */
	answer = call_http(world, "POST", "/v1/jobs", body);
	assert_int_equal(answer.status, 201);
	answer_free(&answer);
	free(body);

	for (int i = 0; i < 120; i++)
		snprintf(
		    fields + strlen(fields), sizeof(fields) - strlen(fields), "X-%d: y\r\n", i);
	strcat(fields, "\r\n");
	fd = unix_connect(world->control_socket);
	http_send(fd, fields);
	assert_true(http_read(fd, false, &answer));
	assert_int_equal(answer.status, 431);
	answer_free(&answer);
	close(fd);
}

/* What comes in one packet is answered in order, also behind an answer that takes its time. */
static void
pipelining(void **state)
{
	const struct world *world = *state;
	static const int expected[] = {404, 201, 409, 200, 400, 204, 404};
	int fd = unix_connect(world->control_socket);
	struct answer answer;

	http_send(fd,
	    "GET /v1/jobs/p HTTP/1.1\r\nHost: x\r\n\r\n"
	    "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{\"id\":\"p\"}"
	    "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "4\r\n{\"id\r\n6\r\n\":\"p\"}\r\n0\r\n\r\n"
	    "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
	    "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n{"
	    "DELETE /v1/jobs/p HTTP/1.1\r\nHost: x\r\n\r\n"
	    "GET /v1/jobs/p HTTP/1.1\r\nHost: x\r\n\r\n");
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		assert_true(http_read(fd, false, &answer));
		assert_int_equal(answer.status, expected[i]);
		answer_free(&answer);
	}
	close(fd);
}

/* A client that wants no further request gets its connection closed; a form's body is no query. */
static void
small_print(void **state)
{
	const struct world *world = *state;
	int fd = unix_connect(world->control_socket);
	struct answer answer;
	char byte;

	http_send(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	assert_true(http_read(fd, false, &answer));
	assert_string_equal(answer.body, "ok\n");
	answer_free(&answer);
	assert_int_equal(read(fd, &byte, 1), 0);
	close(fd);

	fd = unix_connect(world->control_socket);
	http_send(fd, "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
		      "Content-Type: application/x-www-form-urlencoded\r\n\r\n{}");
	assert_true(http_read(fd, false, &answer));
	assert_int_equal(answer.status, 201);
	answer_free(&answer);
	http_send(fd,
	    "HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(http_read(fd, true, &answer));
	assert_int_equal(answer.status, 200);
	assert_non_null(strstr(answer.head, "Content-Length: 3\r\n"));
	answer_free(&answer);
	assert_true(http_read(fd, false, &answer));
	assert_string_equal(answer.body, "ok\n");
	answer_free(&answer);
	close(fd);
}

/* A call as a worker forwards it, with these fields. */
static struct answer
forwarded(const struct world *world, const char *method, const char *path, const char *fields)
{
	char socket[sizeof(world->control_socket) + 8], text[1024];
	struct answer answer;
	int fd;

	snprintf(socket, sizeof(socket), "%s.gateway", world->control_socket);
	fd = unix_connect(socket);
	assert_true(fd >= 0);
	snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", method, path,
	    fields);
	http_send(fd, text);
	assert_true(http_read(fd, strcmp(method, "HEAD") == 0, &answer));
	close(fd);
	return answer;
}

static void
forwarded_gets(const struct world *world, const char *path, const char *fields, int status)
{
	struct answer answer = forwarded(world, "GET", path, fields);

	if (answer.status != status)
		fail_msg("%s with %s: %d", path, fields, answer.status);
	answer_free(&answer);
}

#define SECRET_FIELD CONTROL_FIELD_SECRET ": " WORKERS_SECRET "\r\n"

static void
observation(void **state)
{
	struct world *world = *state;
	struct answer answer = forwarded(world, "GET", "/metrics", SECRET_FIELD);

	refused(world, "POST", "/metrics", NULL, 405, "");
	assert_string_equal(answer.body, "jobgate_up 1\n");
	assert_non_null(strstr(answer.head, "Content-Type: text/plain; version=0.0.4"));
	answer_free(&answer);
	forwarded_gets(world, "/readyz", SECRET_FIELD, 200);
	*world->ready = false;
	refused(world, "GET", "/readyz", NULL, 503, "");
	*world->ready = true;
	/* Without a token nothing else is to be had there. */
	forwarded_gets(world, "/v1/tokens", SECRET_FIELD, 404);
}

static void
only_workers_forward(void **state)
{
	static const char *const strangers[] = {"", CONTROL_FIELD_SECRET ": x\r\n",
	    CONTROL_FIELD_SECRET
	    ": 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdee\r\n"};
	const struct world *world = *state;

	for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
		forwarded_gets(world, "/metrics", strangers[i], 403);
		forwarded_gets(world, "/v1/me", strangers[i], 403);
	}
	forwarded_gets(world, "/metrics", SECRET_FIELD SECRET_FIELD, 400);
	forwarded_gets(world, "/metrics", CONTROL_FIELD_SECRET ": \r\n" SECRET_FIELD, 400);
}

/* The record has to be the one that the worker has seen, in its version and its value. */
static void
a_worker_vouches_for_a_token(void **state)
{
	const struct world *world = *state;
	struct answer made = create_token(world, "{\"name\":\"o\",\"role\":\"operator\"}");
	struct answer read = create_token(world, "{\"name\":\"r\",\"role\":\"read\"}");
	const char *id = text_in(&made, "id");
	unsigned char hash[TOKEN_HASH_LEN];
	char mark[2 * TOKEN_HASH_LEN + 1], fields[512];

	assert_true(jg_token_hash(slice_of(text_in(&made, "value")), hash));
	jg_token_hash_format(hash, mark);
	mark[CONTROL_MARK_TEXT] = '\0';
#define VOUCHED(id, version, mark)                                                      \
	(snprintf(fields, sizeof(fields),                                               \
	     SECRET_FIELD CONTROL_FIELD_TOKEN ": %s\r\n" CONTROL_FIELD_VERSION          \
					      ": %s\r\n" CONTROL_FIELD_MARK ": %s\r\n", \
	     id, version, mark),                                                        \
	    fields)
	forwarded_gets(world, "/v1/me", VOUCHED(id, "1", mark), 200);
	forwarded_gets(world, "/metrics", VOUCHED(id, "1", mark), 200);
	forwarded_gets(world, "/v1/me", VOUCHED(id, "2", mark), 401);
	forwarded_gets(world, "/v1/me", VOUCHED(id, "01", mark), 401);
	forwarded_gets(world, "/v1/me", VOUCHED(id, "1", "000000000000000000000000"), 401);
	forwarded_gets(world, "/v1/me", VOUCHED(id, "1", ""), 400);
	forwarded_gets(world, "/v1/me", VOUCHED("aaaaaaaaaaaaaaaa", "1", mark), 401);
	forwarded_gets(world, "/v1/me", VOUCHED("x", "1", mark), 401);
	forwarded_gets(world, "/v1/me", VOUCHED(text_in(&read, "id"), "1", mark), 401);
	assert_true(jg_token_hash(slice_of(text_in(&read, "value")), hash));
	jg_token_hash_format(hash, mark);
	mark[CONTROL_MARK_TEXT] = '\0';
	forwarded_gets(world, "/v1/me", VOUCHED(text_in(&read, "id"), "1", mark), 403);
#undef VOUCHED
	answer_free(&made);
	answer_free(&read);
}

static void
audit_log(void **state)
{
	const struct world *world = *state;
	struct answer made = create_token(world, "{\"name\":\"audited\",\"role\":\"read\"}");
	FILE *file = fopen(world->log_path, "r");
	static char text[1 << 20];
	char line[128];

	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	snprintf(line, sizeof(line), "audit: token created %s by uid %d pid %d",
	    text_in(&made, "id"), (int)getuid(), (int)getpid());
	assert_non_null(strstr(text, line));
	assert_null(strstr(text, "jgt_"));
	answer_free(&made);
}

static void
socket_mode(void **state)
{
	const struct world *world = *state;
	struct stat status;
	char directory[96];

	assert_int_equal(stat(world->control_socket, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	snprintf(directory, sizeof(directory), "%s/run", world->directory);
	assert_int_equal(stat(directory, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0700);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(token_life),
	    cmocka_unit_test(token_list),
	    cmocka_unit_test(job_life),
	    cmocka_unit_test(job_default_id),
	    cmocka_unit_test(job_label_bound),
	    cmocka_unit_test(job_pages),
	    cmocka_unit_test(many_jobs),
	    cmocka_unit_test(authorize),
	    cmocka_unit_test(refusals),
	    cmocka_unit_test(limits),
	    cmocka_unit_test(pipelining),
	    cmocka_unit_test(small_print),
	    cmocka_unit_test(observation),
	    cmocka_unit_test(only_workers_forward),
	    cmocka_unit_test(a_worker_vouches_for_a_token),
	    cmocka_unit_test(audit_log),
	    cmocka_unit_test(socket_mode),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
