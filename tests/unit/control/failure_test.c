/* failure_test.c - the API when clients leave, race or crowd, and when Redis is away. */
#include "harness.h"

#include "jobgate/token.h"

/* Have Redis put off all commands for a while. */
static void
pause_redis(const struct world *world, int ms)
{
	redisContext *redis = redis_open(world);
	redisReply *reply = redisCommand(redis, "CLIENT PAUSE %d ALL", ms);

	assert_non_null(reply);
	freeReplyObject(reply);
	redisFree(redis);
}

static void
still_works(const struct world *world)
{
	struct answer answer = call_http(world, "GET", "/v1/tokens", NULL);

	assert_int_equal(answer.status, 200);
	answer_free(&answer);
}

/* Both read version 1 before either writes: one may win, and only one value may work. */
static void
concurrent_renewal(void **state)
{
	const struct world *world = *state;
	struct answer made =
	    call_http(world, "POST", "/v1/tokens", "{\"name\":\"raced\",\"role\":\"read\"}");
	struct answer answers[2], got;
	int fds[2], winner;
	char path[64], body[256];

	snprintf(path, sizeof(path), "/v1/tokens/%s/renew", text_in(&made, "id"));
	pause_redis(world, 300);
	for (int i = 0; i < 2; i++) {
		fds[i] = unix_connect(world->control_socket);
		http_request(fds[i], "POST", path, NULL);
	}
	for (int i = 0; i < 2; i++) {
		assert_true(http_read(fds[i], false, &answers[i]));
		close(fds[i]);
	}
	winner = answers[0].status == 200 ? 0 : 1;
	assert_int_equal(answers[winner].status, 200);
	assert_int_equal(answers[!winner].status, 409);
	assert_null(json_object_get(answers[!winner].json, "value"));
	assert_int_equal(json_integer_value(json_object_get(answers[winner].json, "version")), 2);
	snprintf(body, sizeof(body), "{\"token\":\"%s\",\"job\":\"x\"}",
	    text_in(&answers[winner], "value"));
	got = call_http(world, "POST", "/v1/authorize", body);
	assert_string_equal(text_in(&got, "verdict"), "no_such_job");
	answer_free(&got);
	answer_free(&answers[0]);
	answer_free(&answers[1]);
	answer_free(&made);
}

static void
concurrent_creation(void **state)
{
	const struct world *world = *state;
	int fds[8], made = 0;

	pause_redis(world, 200);
	for (int i = 0; i < 8; i++) {
		fds[i] = unix_connect(world->control_socket);
		http_request(fds[i], "POST", "/v1/jobs", "{\"id\":\"only-one\"}");
	}
	for (int i = 0; i < 8; i++) {
		struct answer answer;

		assert_true(http_read(fds[i], false, &answer));
		assert_true(answer.status == 201 || answer.status == 409);
		made += answer.status == 201;
		answer_free(&answer);
		close(fds[i]);
	}
	assert_int_equal(made, 1);
}

/* Clients that leave in every part of a request, and while their answer is being made. */
static void
clients_leave(void **state)
{
	static const char request[] =
	    "POST /v1/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: 28\r\n\r\n"
	    "{\"name\":\"l\",\"role\":\"operator\"}";
	const struct world *world = *state;

	for (size_t len = 0; len < sizeof(request); len++) {
		char part[sizeof(request)];
		int fd = unix_connect(world->control_socket);

		snprintf(part, len + 1, "%s", request);
		http_send(fd, part);
		close(fd);
	}
	still_works(world);
	pause_redis(world, 300);
	for (int i = 0; i < 20; i++) {
		int fd = unix_connect(world->control_socket);

		http_request(fd, i % 2 ? "GET" : "POST", "/v1/tokens",
		    i % 2 ? NULL : "{\"name\":\"left\",\"role\":\"read\"}");
		if (i % 4 < 2)
			shutdown(fd, SHUT_WR);
		close(fd);
	}
	still_works(world);
	still_works(world);
}

/* Bytes that are no HTTP end the connection and nothing else. */
static void
garbage(void **state)
{
	static const char *const garbage[] = {"\r\n\r\n\r\n", "GARBAGE\r\n\r\n", "\x16\x03\x01\x02",
	    "GET / HTTP/9.9\r\n\r\n", "GET /v1/tokens HTTP/1.1\r\n: x\r\n\r\n",
	    "POST /v1/jobs HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
	    "POST /v1/jobs HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
	    "POST /v1/jobs HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
	    "POST /v1/jobs HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nx",
	    "OPTIONS * HTTP/1.1\r\n\r\n", "CONNECT a:1 HTTP/1.1\r\n\r\n",
	    "GET http://h:1/healthz?x#y HTTP/1.1\r\n\r\n", "GET ?a=b HTTP/1.1\r\n\r\n"};
	const struct world *world = *state;
	char byte;

	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		int fd = unix_connect(world->control_socket);

		http_send(fd, garbage[i]);
		shutdown(fd, SHUT_WR);
		while (read(fd, &byte, 1) > 0)
			;
		close(fd);
	}
	still_works(world);
}

/* A body without an end is cut, not stored. */
static void
endless_body(void **state)
{
	const struct world *world = *state;
	int fd = unix_connect(world->control_socket);
	char *block = malloc(65537), byte;

	memset(block, 'x', 65536);
	block[65536] = '\0';
	http_send(fd, "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n");
	for (int i = 0; i < 64; i++)
		http_send(fd, block);
	assert_true(read(fd, &byte, 1) <= 0);
	close(fd);
	free(block);
	still_works(world);
}

/* Who says nothing, or waits for what it wants next, gives way to who asks something. */
static void
idle_crowd(void **state)
{
	const struct world *world = *state;
	int fds[300], closed = 0;

	for (int i = 0; i < 300; i++)
		fds[i] = unix_connect(world->control_socket);
	still_works(world);
	for (int i = 0; i < 300; i++) {
		char byte;

		closed += recv(fds[i], &byte, 1, MSG_DONTWAIT) == 0;
		close(fds[i]);
	}
	assert_in_range(closed, 300 - 256, 300 - 256 + 8);
	still_works(world);
}

/* At least this many are served at once; those that gave way to them were idle. */
static void
crowd(void **state)
{
	const struct world *world = *state;
	int fds[300], served = 0;

	for (int i = 0; i < 300; i++) {
		fds[i] = unix_connect(world->control_socket);
		http_request(fds[i], "GET", "/healthz", NULL);
	}
	for (int i = 0; i < 300; i++) {
		struct answer answer;

		served += http_read(fds[i], false, &answer) && answer.status == 200;
		answer_free(&answer);
	}
	/* Those that have just left may still count for a moment. */
	assert_in_range(served, 250, 300);
	for (int i = 0; i < 300; i++)
		close(fds[i]);
	sleep_ms(100);
	still_works(world);
}

static void
second_instance(void **state)
{
	struct world *world = *state;
	struct world other = *world;
	pid_t second;
	int status = 0;

	second = control_fork(&other);
	waitpid(second, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
	still_works(world);
}

static void
refuses_to_start(struct world *world)
{
	int status = 0;

	waitpid(control_fork(world), &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
	assert_int_not_equal(access(world->control_socket, F_OK), 0);
}

static void
stale_socket(void **state)
{
	struct world *world = *state;
	struct world other = *world;
	struct stat before, after;
	char directory[96];
	pid_t control;
	int status;

	end_process(world->control, SIGKILL);
	assert_int_equal(stat(world->control_socket, &before), 0);
	control_start(world);
	wait_for_store(world);
	assert_int_equal(stat(world->control_socket, &after), 0);
	assert_true(before.st_ino != after.st_ino || before.st_mtime != after.st_mtime ||
		    before.st_ctim.tv_nsec != after.st_ctim.tv_nsec);
	/* A file that is not a socket stays. */
	snprintf(other.control_socket, sizeof(other.control_socket), "%s", world->log_path);
	waitpid(control_fork(&other), &status, 0);
	assert_int_equal(WEXITSTATUS(status), 1);
	assert_int_equal(stat(world->log_path, &after), 0);
	assert_true(S_ISREG(after.st_mode));
	/* Where every user can write, any user could put another socket in our place. */
	snprintf(other.control_socket, sizeof(other.control_socket), "%s/open", world->directory);
	assert_int_equal(mkdir(other.control_socket, 0700), 0);
	assert_int_equal(chmod(other.control_socket, 0777), 0);
	strcat(other.control_socket, "/control.sock");
	refuses_to_start(&other);
	/*
	 * Nor may a group; but in a directory such as /tmp, users cannot remove each other's files.
	 */
	snprintf(directory, sizeof(directory), "%s/open", world->directory);
	assert_int_equal(chmod(directory, 0770), 0);
	refuses_to_start(&other);
	assert_int_equal(chmod(directory, 01777), 0);
	control = control_fork(&other);
	wait_for(other.control_socket);
	assert_int_equal(end_process(control, SIGTERM), 0);
}

/* Another user's link in our place would lead clients where that user likes, some day. */
static void
linked_directory(void **state)
{
	const struct world *world = *state;
	struct world other = *world;
	char directory[96];

	if (geteuid() != 0)
		skip(); /* only root can make another user's link */
	snprintf(directory, sizeof(directory), "%s/link", world->directory);
	assert_int_equal(symlink(world->directory, directory), 0);
	assert_int_equal(lchown(directory, 65534, 65534), 0);
	snprintf(other.control_socket, sizeof(other.control_socket), "%.80s/c.sock", directory);
	refuses_to_start(&other);
}

/* Redis is there but does not answer: 503 after the deadline, and all is well again afterwards. */
static void
redis_stalls(void **state)
{
	const struct world *world = *state;
	uint64_t start = now_ms();

	kill(world->redis, SIGSTOP);
	refused(world, "GET", "/v1/jobs/a", NULL, 503, "");
	assert_in_range(now_ms() - start, 1500, 4000);
	kill(world->redis, SIGCONT);
	wait_for_store(world);
}

/* Redis is gone: 503 at once. It comes back: so do we. */
static void
redis_gone(void **state)
{
	struct world *world = *state;
	struct answer answer =
	    call_http(world, "POST", "/v1/tokens", "{\"name\":\"asked\",\"role\":\"read\"}");
	char question[256];
	uint64_t start;
	int fd;

	snprintf(question, sizeof(question), "{\"token\":\"%s\",\"job\":\"x\"}",
	    text_in(&answer, "value"));
	answer_free(&answer);
	/* With a question under way when it goes. */
	pause_redis(world, 5000);
	fd = unix_connect(world->control_socket);
	http_request(fd, "GET", "/v1/jobs/a", NULL);
	sleep_ms(50);
	end_process(world->redis, SIGKILL);
	assert_true(http_read(fd, false, &answer));
	assert_int_equal(answer.status, 503);
	assert_non_null(strstr(answer.head, "Retry-After: "));
	answer_free(&answer);
	close(fd);

	start = now_ms();
	refused(world, "GET", "/v1/jobs/a", NULL, 503, "");
	refused(world, "POST", "/v1/jobs", "{}", 503, "");
	refused(world, "GET", "/v1/tokens", NULL, 503, "");
	refused(world, "POST", "/v1/tokens", "{\"name\":\"a\",\"role\":\"read\"}", 503, "");
	refused(world, "POST", "/v1/tokens/aaaaaaaaaaaaaaaa/renew", NULL, 503, "");
	refused(world, "POST", "/v1/authorize", question, 503, "");
	/* What is wrong by itself is told all the same, and the process is healthy. */
	refused(world, "POST", "/v1/tokens", "{\"name\":\"a\",\"role\":\"none\"}", 400, "role");
	answer = call_http(world, "GET", "/healthz", NULL);
	assert_int_equal(answer.status, 200);
	answer_free(&answer);
	assert_in_range(now_ms() - start, 0, 1000);

	redis_start(world);
	wait_for_store(world);
}

/* Ending with questions under way: each is dropped, nothing leaks (the teardown's exit status says
 * so). */
static void
end_under_way(void **state)
{
	struct world *world = *state;
	int fds[4];

	pause_redis(world, 1000);
	for (int i = 0; i < 4; i++) {
		fds[i] = unix_connect(world->control_socket);
		http_request(fds[i], i % 2 ? "GET" : "POST", i % 2 ? "/v1/jobs" : "/v1/tokens",
		    i % 2 ? NULL : "{\"name\":\"late\",\"role\":\"read\"}");
	}
	sleep_ms(50);
	assert_int_equal(end_process(world->control, SIGTERM), 0);
	for (int i = 0; i < 4; i++)
		close(fds[i]);
	control_start(world);
	wait_for_store(world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(concurrent_renewal),
	    cmocka_unit_test(concurrent_creation),
	    cmocka_unit_test(clients_leave),
	    cmocka_unit_test(garbage),
	    cmocka_unit_test(endless_body),
	    cmocka_unit_test(idle_crowd),
	    cmocka_unit_test(crowd),
	    cmocka_unit_test(second_instance),
	    cmocka_unit_test(stale_socket),
	    cmocka_unit_test(linked_directory),
	    cmocka_unit_test(redis_stalls),
	    cmocka_unit_test(redis_gone),
	    cmocka_unit_test(end_under_way),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
