/* store_slot_test.c - changes and lists while the slot of a cluster moves to another server. */
#include "store_world.h"

#define ID "aaaaaaaaaaaaaaaa"
#define MAKER "bbbbbbbbbbbbbbbb"
#define CHILD "cccccccccccccccc"

static void
on_page(void *ctx, enum store_result result, const struct store_page *page)
{
	struct question *question = ctx;

	(void)page;
	*question = (struct question){true, result};
}

static bool
cluster_is_ok(redisContext *admin)
{
	redisReply *reply = redisCommand(admin, "CLUSTER INFO");
	bool ok = reply != NULL && strstr(reply->str, "cluster_state:ok") != NULL;

	freeReplyObject(reply);
	return ok;
}

/* A server of a cluster, alone in it. */
static int
setup(void **state)
{
	struct world *world = world_new();
	const uint16_t port = free_port(), bus = free_port();
	char ports[2][8];

	snprintf(ports[0], sizeof(ports[0]), "%u", port);
	snprintf(ports[1], sizeof(ports[1]), "%u", bus);
	snprintf(world->url, sizeof(world->url), "redis+cluster://127.0.0.1:%u/", port);
	world->redis = redis_spawn(world->folder,
	    (const char *const[]){"--bind", "127.0.0.1", "--port", ports[0], "--unixsocket",
		world->socket, "--cluster-enabled", "yes", "--cluster-port", ports[1],
		"--cluster-announce-ip", "127.0.0.1", "--cluster-node-timeout", "60000", NULL});
	world->admin = redis_wait(world->socket);
	redis_do(world->admin, "CLUSTER ADDSLOTSRANGE 0 16383");
	RUN_UNTIL(&world->turner, cluster_is_ok(world->admin));
	world_connect(world, "{jobgate}:");
	*state = world;
	return 0;
}

/* Begin to move the slot to a server that is not there: keys that are not here are elsewhere. */
static void
begin_to_move(struct world *world)
{
	long long slot = redis_do(world->admin, "CLUSTER KEYSLOT {jobgate}");
	redisReply *nodes;
	char *line, *rest = NULL, id[41] = "";

	redis_do(world->admin, "CLUSTER MEET 127.0.0.1 1");
	nodes = redisCommand(world->admin, "CLUSTER NODES");
	assert_non_null(nodes);
	for (line = strtok_r(nodes->str, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest))
		if (strstr(line, "myself") == NULL)
			snprintf(id, sizeof(id), "%s", line);
	freeReplyObject(nodes);
	redis_do(world->admin, "CLUSTER SETSLOT %lld MIGRATING %s", slot, id);
}

static void
add_token(struct world *world, const char *id, const char *maker)
{
	redis_do(world->admin, "ZADD {jobgate}:tokens 1 %s", id);
	redis_do(world->admin,
	    "HSET {jobgate}:token:%s id %s name n role read version 1 created_by %s "
	    "created_at 2026-01-01T00:00:00Z updated_at 2026-01-01T00:00:00Z hash %064d",
	    id, id, maker, 1);
}

static enum store_result
erase(struct world *world)
{
	const struct label_set anywhere = {0};
	const struct store_caller local = {.scope = &anywhere};
	struct question question = {0};

	store_token_delete(world->store, SLICE(ID), &local, on_answer, &question);
	RUN_UNTIL(&world->turner, question.answered);
	return question.result;
}

static enum store_result
revoke_it(struct world *world)
{
	unsigned char hash[TOKEN_HASH_LEN] = {[TOKEN_HASH_LEN - 1] = 1};
	struct question question = {0};

	store_token_revoke(world->store, SLICE(ID), hash, on_answer, &question);
	RUN_UNTIL(&world->turner, question.answered);
	return question.result;
}

/* Whether it has created tokens is not known here, so nothing is changed. */
static void
a_deletion_that_cannot_be_finished_does_not_begin(void **state)
{
	struct world *world = *state;

	add_token(world, ID, MAKER);
	begin_to_move(world);
	assert_int_equal(erase(world), STORE_UNAVAILABLE);
	assert_int_equal(revoke_it(world), STORE_UNAVAILABLE);
	assert_int_equal(redis_do(world->admin, "EXISTS {jobgate}:token:" ID), 1);
	redis_do(world->admin, "ZRANK {jobgate}:tokens " ID);
	assert_int_equal(redis_do(world->admin, "ZCARD {jobgate}:tokens"), 1);
}

/* The same where it is not known whether its creator is gone. */
static void
the_creator_is_looked_up_before_a_deletion(void **state)
{
	struct world *world = *state;

	add_token(world, ID, MAKER);
	redis_do(world->admin, "SADD {jobgate}:made:" ID " " CHILD);
	begin_to_move(world);
	assert_int_equal(erase(world), STORE_UNAVAILABLE);
	assert_int_equal(redis_do(world->admin, "EXISTS {jobgate}:token:" ID), 1);
}

/* Its descendants are counted after it is gone. */
static void
a_script_that_fails_on_the_way_may_have_changed_something(void **state)
{
	struct world *world = *state;

	add_token(world, ID, MAKER);
	add_token(world, MAKER, "local");
	redis_do(world->admin, "SADD {jobgate}:made:" MAKER " " ID);
	redis_do(world->admin, "SADD {jobgate}:made:" ID " " CHILD);
	redis_do(world->admin, "HSET {jobgate}:made:" ID ":of created_by " MAKER " selector ?");
	begin_to_move(world);
	assert_int_equal(erase(world), STORE_UNKNOWN);
	assert_int_equal(redis_do(world->admin, "ZCARD {jobgate}:tokens"), 1);
}

static void
a_list_that_lacks_a_record_fails(void **state)
{
	struct world *world = *state;
	struct question question = {0};

	add_token(world, ID, "local");
	redis_do(world->admin, "ZADD {jobgate}:tokens 1 " CHILD); /* its record has moved */
	store_page(world->store, RECORD_TOKEN, &STORE_CURSOR_START, on_page, &question);
	RUN_UNTIL(&world->turner, question.answered);
	assert_int_equal(question.result, STORE_OK);
	begin_to_move(world);
	question = (struct question){0};
	store_page(world->store, RECORD_TOKEN, &STORE_CURSOR_START, on_page, &question);
	RUN_UNTIL(&world->turner, question.answered);
	assert_int_equal(question.result, STORE_UNAVAILABLE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		a_deletion_that_cannot_be_finished_does_not_begin, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		the_creator_is_looked_up_before_a_deletion, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		a_script_that_fails_on_the_way_may_have_changed_something, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_list_that_lacks_a_record_fails, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
