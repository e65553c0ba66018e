/* workers_test.c - calls that workers forward, and what workers say about them. */
#include "harness.h"

#include "jobgate/control_fields.h"
#include "jobgate/token.h"

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
	answer = forwarded(
	    world, "GET", "/metrics", SECRET_FIELD "Accept: application/openmetrics-text\r\n");
	assert_string_equal(answer.body, "jobgate_up 1\n# EOF\n");
	assert_non_null(
	    strstr(answer.head, "Content-Type: application/openmetrics-text; version=1.0.0"));
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

/* Set these fields of a token, as another program does. */
__attribute__((format(printf, 3, 4))) static void
hset(const struct world *world, const char *id, const char *fields, ...)
{
	char command[512];
	int len = snprintf(command, sizeof(command), "HSET test:token:%s ", id);
	va_list list;

	va_start(list, fields);
	vsnprintf(command + len, sizeof(command) - (size_t)len, fields, list);
	va_end(list);
	run_redis(world, command);
}

/* The value that the worker has seen must be valid now. */
static void
a_worker_vouches_for_a_token(void **state)
{
	const struct world *world = *state;
	struct answer made = create_token(world, "{\"name\":\"o\",\"role\":\"operator\"}");
	struct answer read = create_token(world, "{\"name\":\"r\",\"role\":\"read\"}");
	const char *id = text_in(&made, "id");
	unsigned char hash[TOKEN_HASH_LEN];
	char mark[2 * TOKEN_HASH_LEN + 1], whole[2 * TOKEN_HASH_LEN + 1], fields[512];

	assert_true(jg_token_hash(slice_of(text_in(&made, "value")), hash));
	jg_token_hash_format(hash, mark);
	strcpy(whole, mark);
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
	/* The value before counts in its grace, and never for a token that has expired. */
	hset(world, id, "version 2 hash %064d previous_version 1 previous_hash %s", 0, whole);
	forwarded_gets(world, "/v1/me", VOUCHED(id, "1", mark), 401);
	hset(world, id, "previous_until 2999-01-01T00:00:00Z");
	forwarded_gets(world, "/v1/me", VOUCHED(id, "1", mark), 200);
	forwarded_gets(world, "/v1/me", VOUCHED(id, "2", mark), 401);
	forwarded_gets(world, "/v1/me", VOUCHED(id, "1", "000000000000000000000000"), 401);
	forwarded_gets(world, "/v1/me", VOUCHED(id, "2", "000000000000000000000000"), 200);
	hset(world, id, "expires_at 2020-01-01T00:00:00Z");
	forwarded_gets(world, "/v1/me", VOUCHED(id, "1", mark), 401);
	forwarded_gets(world, "/v1/me", VOUCHED(id, "2", "000000000000000000000000"), 401);
	/* Nor for one that is limited to other addresses, or where the address is not known. */
	hset(world, id, "expires_at 2999-01-01T00:00:00Z from 192.0.2.0/24");
	forwarded_gets(world, "/v1/me", VOUCHED(id, "1", mark), 403);
	VOUCHED(id, "1", mark);
	strcat(fields, CONTROL_FIELD_ADDRESS ": 192.0.3.1\r\n");
	forwarded_gets(world, "/v1/me", fields, 403);
	VOUCHED(id, "1", mark);
	strcat(fields, CONTROL_FIELD_ADDRESS ": 192.0.2.1\r\n");
	forwarded_gets(world, "/v1/me", fields, 200);
	hset(world, id, "previous_until 2020-01-01T00:00:00Z");
	forwarded_gets(world, "/v1/me", fields, 401);
	assert_true(jg_token_hash(slice_of(text_in(&read, "value")), hash));
	jg_token_hash_format(hash, mark);
	mark[CONTROL_MARK_TEXT] = '\0';
	forwarded_gets(world, "/v1/me", VOUCHED(text_in(&read, "id"), "1", mark), 403);
#undef VOUCHED
	answer_free(&made);
	answer_free(&read);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(observation),
	    cmocka_unit_test(only_workers_forward),
	    cmocka_unit_test(a_worker_vouches_for_a_token),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
