/* tokens_test.c - tokens over the API: made, changed, renewed, deleted, listed. */
#include "harness.h"

#include <time.h>

#include "jobgate/token.h"

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

/* The time in so many milliseconds, as records have it. */
static void
moment_after(unsigned ms, char out[32])
{
	struct timespec now;
	struct tm utc;
	size_t len;

	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_nsec += (long)ms * 1000 * 1000;
	now.tv_sec += now.tv_nsec / 1000000000;
	now.tv_nsec %= 1000000000;
	gmtime_r(&now.tv_sec, &utc);
	len = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(out + len, 32 - len, ".%03ldZ", now.tv_nsec / 1000000);
}

/* A caller whose token ends while its change is made is told that it was made. */
static void
caller_ends(void **state)
{
	const struct world *world = *state;
	struct answer maker = create_token(world, "{\"name\":\"ends\",\"role\":\"operator\"}");
	struct answer made = create_token(world, "{\"name\":\"stays\",\"role\":\"read\"}");
	char head[512], command[160], key[64], moment[32], *version;
	struct answer answer;
	int fd = unix_connect(world->control_socket);

	moment_after(900, moment);
	for (int i = 0; i < 2; i++) { /* no token may outlive the one that changes it */
		snprintf(command, sizeof(command), "HSET test:token:%s expires_at %s",
		    text_in(i == 0 ? &maker : &made, "id"), moment);
		run_redis(world, command);
	}
	run_redis(world, "CLIENT PAUSE 1200 WRITE");
	snprintf(head, sizeof(head),
	    "POST /v1/tokens/%s/renew HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
	    "Content-Length: 0\r\n\r\n",
	    text_in(&made, "id"), text_in(&maker, "value"));
	http_send(fd, head);
	assert_true(http_read(fd, false, &answer));
	close(fd);
	assert_int_equal(answer.status, 401);
	assert_non_null(strstr(text_in(&answer, "detail"), "has expired"));
	assert_non_null(strstr(text_in(&answer, "detail"), "the change was made before that"));
	snprintf(key, sizeof(key), "test:token:%s", text_in(&made, "id"));
	version = stored(world, key, "version");
	assert_string_equal(version, "2");
	free(version);
	answer_free(&answer);
	answer_free(&made);
	answer_free(&maker);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(token_life),
	    cmocka_unit_test(token_list),
	    cmocka_unit_test(caller_ends),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
