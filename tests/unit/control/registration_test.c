/* registration_test.c - the record that a control process keeps of its gateway's one job. */
#include "harness.h"

#define KEY "test:job:side"

/* Restart the control process of a gateway with this job. */
static void
restart(struct world *world)
{
	assert_int_equal(end_process(world->control, SIGTERM), 0);
	world->registers = "side";
	control_start(world);
}

/* The number that a command returns, -1 when it is another type. */
static long long
number(const struct world *world, const char *command)
{
	redisContext *redis = redis_open(world);
	redisReply *reply = redisCommand(redis, command);
	long long value;

	assert_non_null(reply);
	value = reply->type == REDIS_REPLY_INTEGER ? reply->integer : -1;
	freeReplyObject(reply);
	redisFree(redis);
	return value;
}

static void
wait_for_number(const struct world *world, const char *command, long long wanted)
{
	uint64_t end = now_ms() + 10000;

	while (number(world, command) != wanted && now_ms() < end)
		sleep_ms(20);
	assert_int_equal(number(world, command), wanted);
}

static void
wait_for_line(const struct world *world, const char *words)
{
	char text[16384];
	bool found = false;

	for (uint64_t end = now_ms() + 10000; !found && now_ms() < end; sleep_ms(20)) {
		FILE *log = fopen(world->log_path, "r");

		text[log != NULL ? fread(text, 1, sizeof(text) - 1, log) : 0] = '\0';
		if (log != NULL)
			fclose(log);
		found = strstr(text, words) != NULL;
	}
	assert_true(found);
}

static void
the_record_comes_and_goes_with_the_process(void **state)
{
	struct world *world = *state;

	restart(world);
	wait_for_number(world, "EXISTS " KEY, 1);
	/* Label, empty label, lease, mark, and the two times. There is no URL. */
	assert_int_equal(number(world, "HLEN " KEY), 6);
	assert_int_equal(number(world, "HSTRLEN " KEY " registered_by"), 16);
	wait_for_number(world, "HSTRLEN " KEY " registered_by", 50); /* of three renewals */
	assert_int_equal(number(world, "HEXISTS " KEY " url"), 0);
	assert_in_range(number(world, "PTTL " KEY), 1, 3000);
	assert_int_equal(number(world, "ZCARD test:jobs"), 1);
	assert_int_equal(number(world, "DEL " KEY), 1);
	wait_for_number(world, "EXISTS " KEY, 1); /* instead of a renewal */
	assert_int_equal(end_process(world->control, SIGTERM), 0);
	assert_int_equal(number(world, "EXISTS " KEY), 0);
	wait_for_line(world, "audit: job deleted side by this gateway, which had registered it");
	control_start(world);
}

static void
a_record_without_a_lease_stays_as_it_is(void **state)
{
	struct world *world = *state;

	assert_int_equal(number(world, "HSET " KEY " label:team red"), 1);
	restart(world);
	wait_for_line(world, "job side is not registered: its record in the store has no lease");
	assert_int_equal(end_process(world->control, SIGTERM), 0);
	assert_int_equal(number(world, "HLEN " KEY), 1);
	assert_int_equal(number(world, "TTL " KEY), -1);
	assert_int_equal(number(world, "DEL " KEY), 1);
	control_start(world);
}

/* What a stop does with the marks of others, which are as long as a mark of a gateway. */
static void
a_record_that_others_renew_outlives_the_process(void **state)
{
	struct world *world = *state;
	redisContext *redis;

	restart(world);
	wait_for_number(world, "EXISTS " KEY, 1);
	kill(world->control, SIGSTOP);
	redis = redis_open(world);
	freeReplyObject(redisCommand(redis, "EVAL %s 1 " KEY,
	    "local mine = redis.call('HGET', KEYS[1], 'registered_by')\n"
	    "return redis.call('HSET', KEYS[1], 'registered_by',\n"
	    "  string.sub(mine, 1, 16) .. ' bbbbbbbbbbbbbbbb ' .. string.sub(mine, 1, 16))"));
	redisFree(redis);
	assert_int_equal(number(world, "PEXPIRE " KEY " 60000"), 1);
	kill(world->control, SIGCONT);
	assert_int_equal(end_process(world->control, SIGTERM), 0);
	assert_int_equal(number(world, "HSTRLEN " KEY " registered_by"), 16);
	assert_int_equal(number(world, "DEL " KEY), 1);
	control_start(world);
}

static void
it_ends_without_the_store(void **state)
{
	struct world *world = *state;

	restart(world);
	wait_for_number(world, "EXISTS " KEY, 1);
	kill(world->redis, SIGSTOP);
	assert_int_equal(end_process(world->control, SIGTERM), 0);
	kill(world->redis, SIGCONT);
	control_start(world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		the_record_comes_and_goes_with_the_process, world_setup, world_teardown),
	    cmocka_unit_test_setup_teardown(
		a_record_without_a_lease_stays_as_it_is, world_setup, world_teardown),
	    cmocka_unit_test_setup_teardown(
		a_record_that_others_renew_outlives_the_process, world_setup, world_teardown),
	    cmocka_unit_test_setup_teardown(it_ends_without_the_store, world_setup, world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
