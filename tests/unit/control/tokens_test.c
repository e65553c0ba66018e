/* tokens_test.c - tokens over the API: made, changed, renewed, deleted, listed. */
#include "harness.h"

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(token_life),
	    cmocka_unit_test(token_list),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
