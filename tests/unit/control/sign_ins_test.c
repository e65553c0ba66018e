/* sign_ins_test.c - what workers ask for the sign-in host, against a real Redis. */
#include "harness.h"

#include "jobgate/control_fields.h"
#include "jobgate/sign_in.h"

#define ID "00112233445566778899aabbccddeeff"
#define OTHER "ffeeddccbbaa99887766554433221100"
#define CODE "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SECOND_CODE "1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define MARK "aabbccddeeff001122334455"

/* A worker's connection with this call. */
static int
ask(const struct world *world, const char *path, const char *secret, const char *body)
{
	char socket[sizeof(world->control_socket) + 8], text[2048];
	int fd;

	snprintf(socket, sizeof(socket), "%s.gateway", world->control_socket);
	fd = unix_connect(socket);
	assert_true(fd >= 0);
	snprintf(text, sizeof(text),
	    "POST %s HTTP/1.1\r\nHost: localhost\r\n" CONTROL_FIELD_SECRET
	    ": %s\r\nContent-Length: %zu\r\n\r\n%s",
	    path, secret, strlen(body), body);
	http_send(fd, text);
	return fd;
}

/* The status of a call as a worker makes it. */
static int
asked(const struct world *world, const char *path, const char *secret, const char *body)
{
	int fd = ask(world, path, secret, body), status;
	struct answer answer;

	assert_true(http_read(fd, false, &answer));
	close(fd);
	status = answer.status;
	answer_free(&answer);
	return status;
}

static void
asked_gets(const struct world *world, const char *path, const char *body, int status)
{
	int got = asked(world, path, WORKERS_SECRET, body);

	if (got != status)
		fail_msg("%s %s: %d", path, body, got);
}

/* The body of a sign-in of this token. */
static const char *
sign_in_of(char room[512], const char *id, const char *token, const char *code)
{
	snprintf(room, 512,
	    "{\"id\":\"%s\",\"token\":\"%s\",\"version\":\"3\",\"mark\":\"" MARK
	    "\",\"seconds\":\"100\",\"code\":\"%s\"}",
	    id, token, code);
	return room;
}

static long long
number_of(const struct world *world, const char *command)
{
	redisContext *redis = redis_open(world);
	redisReply *reply = redisCommand(redis, command);
	long long number = reply->integer;

	assert_int_equal(reply->type, REDIS_REPLY_INTEGER);
	freeReplyObject(reply);
	redisFree(redis);
	return number;
}

static void
a_sign_in_lives_and_ends(void **state)
{
	const struct world *world = *state;
	char room[512], *text;

	asked_gets(
	    world, CONTROL_SIGN_IN_PATH, sign_in_of(room, ID, "aaaaaaaaaaaaaaaa", CODE), 204);
	text = stored(world, "test:signin:" ID, "token");
	assert_string_equal(text, "aaaaaaaaaaaaaaaa");
	free(text);
	text = stored(world, "test:signin:" ID, "version");
	assert_string_equal(text, "3");
	free(text);
	text = stored(world, "test:signin:" ID, "mark");
	assert_string_equal(text, MARK);
	free(text);
	assert_in_range(number_of(world, "TTL test:signin:" ID), 90, 100);
	assert_in_range(number_of(world, "TTL test:code:" CODE), 20, 30);
	assert_int_equal(number_of(world, "ZCARD test:signins:aaaaaaaaaaaaaaaa:" MARK), 1);
	assert_in_range(number_of(world, "TTL test:signins:aaaaaaaaaaaaaaaa:" MARK), 90, 100);
	/* Neither is overwritten. */
	asked_gets(world, CONTROL_SIGN_IN_PATH,
	    sign_in_of(room, ID, "bbbbbbbbbbbbbbbb", SECOND_CODE), 409);
	asked_gets(
	    world, CONTROL_SIGN_IN_PATH, sign_in_of(room, OTHER, "aaaaaaaaaaaaaaaa", CODE), 409);
	asked_gets(world, CONTROL_SIGN_OUT_PATH, "{\"id\":\"" ID "\"}", 204);
	asked_gets(world, CONTROL_SIGN_OUT_PATH, "{\"id\":\"" ID "\"}", 404);
	assert_int_equal(number_of(world, "EXISTS test:signin:" ID), 0);
	assert_int_equal(number_of(world, "ZCARD test:signins:aaaaaaaaaaaaaaaa:" MARK), 0);
	run_redis(world, "DEL test:code:" CODE);
}

static void
a_code_works_once(void **state)
{
	static const char code[] = "{\"id\":\"" ID "\",\"code\":\"" SECOND_CODE "\"}";
	static const char of_other[] = "{\"id\":\"" OTHER "\",\"code\":\"" CODE "\"}";
	const struct world *world = *state;
	char room[512];

	asked_gets(world, CONTROL_CODE_ADD_PATH, code, 404);
	asked_gets(
	    world, CONTROL_SIGN_IN_PATH, sign_in_of(room, ID, "aaaaaaaaaaaaaaaa", CODE), 204);
	asked_gets(world, CONTROL_CODE_ADD_PATH, code, 204);
	asked_gets(world, CONTROL_CODE_ADD_PATH, code, 409);
	assert_in_range(number_of(world, "TTL test:code:" SECOND_CODE), 20, 30);
	asked_gets(world, CONTROL_CODE_TAKE_PATH, code, 204);
	asked_gets(world, CONTROL_CODE_TAKE_PATH, code, 404);
	/* A call with it for another sign-in uses it up; but no browser has that sign-in. */
	run_redis(world, "HSET test:signin:" OTHER " token aaaaaaaaaaaaaaaa");
	asked_gets(world, CONTROL_CODE_TAKE_PATH, of_other, 409);
	asked_gets(world, CONTROL_CODE_TAKE_PATH, of_other, 404);
	run_redis(world, "DEL test:signin:" OTHER);
	/* A code ends with its sign-in. */
	asked_gets(world, CONTROL_CODE_ADD_PATH, code, 204);
	asked_gets(world, CONTROL_SIGN_OUT_PATH, "{\"id\":\"" ID "\"}", 204);
	asked_gets(world, CONTROL_CODE_TAKE_PATH, code, 404);
	assert_int_equal(number_of(world, "EXISTS test:code:" SECOND_CODE), 0);
}

/* Its request was cut, or its browser went away: no one has the cookie or the code. */
static void
a_sign_in_that_nobody_waits_for_ends(void **state)
{
	const struct world *world = *state;
	char room[512];

	run_redis(world, "CLIENT PAUSE 300");
	close(ask(world, CONTROL_SIGN_IN_PATH, WORKERS_SECRET,
	    sign_in_of(room, ID, "dddddddddddddddd", CODE)));
	/* The store answers in order: by the second of these it has got what followed its answer.
	 */
	asked_gets(world, CONTROL_SIGN_OUT_PATH, "{\"id\":\"" OTHER "\"}", 404);
	asked_gets(world, CONTROL_SIGN_OUT_PATH, "{\"id\":\"" OTHER "\"}", 404);
	assert_int_equal(number_of(world, "EXISTS test:code:" CODE), 1); /* it was made */
	assert_int_equal(number_of(world, "EXISTS test:signin:" ID), 0);
	assert_int_equal(number_of(world, "ZCARD test:signins:dddddddddddddddd:" MARK), 0);
	run_redis(world, "DEL test:code:" CODE);
}

static void
sign_ins_of_a_token_are_bounded(void **state)
{
	const struct world *world = *state;
	char room[512];

	run_redis(world, /* hiredis splits at blanks */
	    "EVAL for\ti=1,1000\tdo\tredis.call('ZADD',KEYS[1],9999999999,i)\tend "
	    "1 test:signins:cccccccccccccccc:" MARK);
	asked_gets(
	    world, CONTROL_SIGN_IN_PATH, sign_in_of(room, ID, "cccccccccccccccc", CODE), 429);
	assert_int_equal(number_of(world, "EXISTS test:signin:" ID), 0);
	/* Those that have ended leave. */
	run_redis(world, "ZADD test:signins:cccccccccccccccc:" MARK " 1 1");
	asked_gets(
	    world, CONTROL_SIGN_IN_PATH, sign_in_of(room, ID, "cccccccccccccccc", CODE), 204);
	asked_gets(world, CONTROL_SIGN_OUT_PATH, "{\"id\":\"" ID "\"}", 204);
	run_redis(world, "DEL test:signins:cccccccccccccccc:" MARK " test:code:" CODE);
}

static void
what_is_not_valid_is_refused(void **state)
{
	static const char *const bodies[] = {"", "[]", "{}", "{\"id\":5}", "{\"id\":\"x\"}",
	    "{\"id\":\"00112233445566778899AABBCCDDEEFF\",\"code\":\"" CODE "\"}",
	    "{\"id\":\"" ID "\",\"code\":\"x\"}",
	    "{\"id\":\"" ID "\",\"code\":\"" CODE "\",\"other\":\"\"}"};
	static const char *const sign_ins[] = {"\"token\":\"a\",\"version\":\"3\",\"mark\":\"" MARK
					       "\",\"seconds\":\"9\"",
	    "\"token\":\"aaaaaaaaaaaaaaaa\",\"version\":\"0\",\"mark\":\"" MARK
	    "\",\"seconds\":\"9\"",
	    "\"token\":\"aaaaaaaaaaaaaaaa\",\"version\":\"3\",\"mark\":\"aa\",\"seconds\":\"9\"",
	    "\"token\":\"aaaaaaaaaaaaaaaa\",\"version\":\"3\",\"mark\":\"" MARK
	    "\",\"seconds\":\"0\"",
	    "\"token\":\"aaaaaaaaaaaaaaaa\",\"version\":\"3\",\"mark\":\"" MARK "\""};
	static const char *const paths[] = {
	    CONTROL_SIGN_IN_PATH, CONTROL_CODE_ADD_PATH, CONTROL_CODE_TAKE_PATH};
	const struct world *world = *state;
	char room[512];

	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		for (size_t n = 0; n < sizeof(paths) / sizeof(paths[0]); n++)
			asked_gets(world, paths[n], bodies[i], 400);
	for (size_t i = 0; i < sizeof(sign_ins) / sizeof(sign_ins[0]); i++) {
		snprintf(room, sizeof(room), "{\"id\":\"" ID "\",\"code\":\"" CODE "\",%s}",
		    sign_ins[i]);
		asked_gets(world, CONTROL_SIGN_IN_PATH, room, 400);
	}
	assert_int_equal(number_of(world, "EXISTS test:signin:" ID " test:code:" CODE), 0);
}

/* No client has these paths, whether it has a token or not. */
static void
only_workers_ask(void **state)
{
	const struct world *world = *state;
	static const char body[] = "{\"id\":\"" ID "\"}";

	assert_int_equal(
	    asked(world, CONTROL_SIGN_OUT_PATH,
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdee", body),
	    403);
	refused(world, "POST", CONTROL_SIGN_OUT_PATH, body, 404, "");
	refused(world, "POST", CONTROL_CODE_TAKE_PATH, body, 404, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_sign_in_lives_and_ends),
	    cmocka_unit_test(a_code_works_once),
	    cmocka_unit_test(a_sign_in_that_nobody_waits_for_ends),
	    cmocka_unit_test(sign_ins_of_a_token_are_bounded),
	    cmocka_unit_test(what_is_not_valid_is_refused),
	    cmocka_unit_test(only_workers_ask),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
