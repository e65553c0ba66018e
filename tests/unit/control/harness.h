/* harness.h - a control process against a real redis-server, and a raw HTTP client for it. */
#ifndef JOBGATE_TEST_CONTROL_HARNESS_H
#define JOBGATE_TEST_CONTROL_HARNESS_H

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>
#include <jansson.h>

#include "auth/control/control.h"
#include "fake_resolver.h"

/* What workers show at run/control.sock.gateway. */
#define WORKERS_SECRET "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* One temporary directory, in it redis.sock, run/control.sock and control.log. */
struct world {
	char directory[64];
	char redis_socket[96], control_socket[96], log_path[96];
	pid_t redis, control;
	bool *ready;	       /* shared with the control process */
	const char *registers; /* the job of which the control process keeps a record; or NULL */
};

static inline uint64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static inline void
sleep_ms(long ms)
{
	nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static inline int
unix_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Wait until a process listens at path. */
static inline void
wait_for(const char *path)
{
	for (uint64_t end = now_ms() + 10000; now_ms() < end; sleep_ms(10)) {
		int fd = unix_connect(path);
		if (fd < 0)
			continue;
		close(fd);
		return;
	}
	fail_msg("no process listens at %s", path);
}

static inline void
redis_start(struct world *world)
{
	world->redis = fork();
	if (world->redis == 0) {
		int null = open("/dev/null", O_RDWR);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(null, 1);
		execlp("redis-server", "redis-server", "--port", "0", "--unixsocket",
		    world->redis_socket, "--save", "", "--appendonly", "no", "--dir",
		    world->directory, (char *)NULL);
		_exit(127);
	}
	wait_for(world->redis_socket);
}

static inline redisContext *
redis_open(const struct world *world)
{
	redisContext *redis = redisConnectUnix(world->redis_socket);

	assert_non_null(redis);
	assert_int_equal(redis->err, 0);
	return redis;
}

static inline bool
is_ready(void *ctx, char *why, size_t cap)
{
	const struct world *world = ctx;

	snprintf(why, cap, "the test says so");
	return *world->ready;
}

static inline char *
some_metrics(void *ctx, bool openmetrics)
{
	(void)ctx;
	return strdup(openmetrics ? "jobgate_up 1\n# EOF\n" : "jobgate_up 1\n");
}

/* Start a control process; does not wait until it listens. */
static inline pid_t
control_fork(struct world *world)
{
	char store_url[128], gateway[sizeof(world->control_socket) + 8];
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(store_url, sizeof(store_url), "unix://%s", world->redis_socket);
	snprintf(gateway, sizeof(gateway), "%s.gateway", world->control_socket);
	struct control_setup setup = {
	    .settings =
		{
		    .socket = world->control_socket,
		    .gateway_socket = gateway,
		    .store_url = store_url,
		    .key_prefix = "test:",
		    .public_url = "http://{job}.localhost:8080/",
		    .realm = "jobgate",
		    .scope = {{1000, 1000}},
		    .request_ms = 10000,
		    .idle_ms = 30000,
		},
	    .gateway_secret = WORKERS_SECRET,
	    .mark = "0123456789abcdef",
	    .log = {.fd = open(world->log_path, O_CREAT | O_WRONLY | O_APPEND, 0600),
		.level = LOG_LEVEL_INFO,
		.process = "control"},
	    .observe_ctx = world,
	    .ready = is_ready,
	    .metrics = some_metrics,
	    .resolver_open = fake_resolver_open,
	};
	if (world->registers != NULL) {
		setup.settings.fixed_job = world->registers;
		setup.settings.fixed_url = "http://127.0.0.1:1";
		setup.settings.fixed_labels = "team=blue,x/y=";
		setup.settings.register_ms = 3000;
	}
	/* By exit, not _exit: LeakSanitizer looks then, and makes the status one that is not 0. */
	exit(control_run(&setup));
}

static inline void
control_start(struct world *world)
{
	world->control = control_fork(world);
	wait_for(world->control_socket);
}

/* The exit status of a process that was asked to end. */
static inline int
end_process(pid_t pid, int signal_number)
{
	int status = 0;

	kill(pid, signal_number);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static inline int
world_teardown(void **state)
{
	struct world *world = *state;
	char command[96];
	int status = end_process(world->control, SIGTERM);
	int left = access(world->control_socket, F_OK);

	end_process(world->redis, SIGKILL);
	snprintf(command, sizeof(command), "rm -r %s", world->directory);
	if (system(command) != 0)
		return -1;
	munmap(world->ready, sizeof(bool));
	free(world);
	/* An orderly end, no leak, and the socket's name gone. */
	return status == 0 && left != 0 ? 0 : -1;
}

/* ---- HTTP ---- */

struct answer {
	int status;
	char head[4096]; /* NUL-terminated, with the empty line */
	char *body;
	size_t body_len;
	json_t *json; /* of the body, if it is JSON */
};

static inline void
http_send(int fd, const char *text)
{
	size_t len = strlen(text);

	/* A server that has cut us off is a result, not a fault of the test. */
	while (len > 0) {
		ssize_t sent = send(fd, text, len, MSG_NOSIGNAL);
		if (sent <= 0)
			return;
		text += sent;
		len -= (size_t)sent;
	}
}

/* Read one answer, leaving what follows it; false when the connection ends before. */
static inline bool
http_read(int fd, bool head_only, struct answer *answer)
{
	size_t len = 0;
	const char *length;

	*answer = (struct answer){0};
	while (strstr(answer->head, "\r\n\r\n") == NULL) {
		if (len + 1 >= sizeof(answer->head) || read(fd, answer->head + len, 1) != 1)
			return false;
		answer->head[++len] = '\0';
	}
	if (sscanf(answer->head, "HTTP/1.1 %d", &answer->status) != 1)
		return false;
	length = strstr(answer->head, "Content-Length: ");
	if (length == NULL || head_only)
		return true;
	answer->body_len = strtoul(length + 16, NULL, 10);
	answer->body = calloc(1, answer->body_len + 1);
	for (size_t got = 0; got < answer->body_len;) {
		ssize_t part = read(fd, answer->body + got, answer->body_len - got);
		if (part <= 0)
			return false;
		got += (size_t)part;
	}
	answer->json = json_loadb(answer->body, answer->body_len, 0, NULL);
	return true;
}

static inline void
answer_free(struct answer *answer)
{
	json_decref(answer->json);
	free(answer->body);
}

static inline void
http_request(int fd, const char *method, const char *path, const char *body)
{
	size_t cap = strlen(path) + (body != NULL ? strlen(body) : 0) + 256;
	char *text = malloc(cap);

	snprintf(text, cap, "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n%s",
	    method, path, body != NULL ? strlen(body) : 0, body != NULL ? body : "");
	http_send(fd, text);
	free(text);
}

/* One request on a connection of its own. */
static inline struct answer
call_http(const struct world *world, const char *method, const char *path, const char *body)
{
	int fd = unix_connect(world->control_socket);
	struct answer answer;

	assert_true(fd >= 0);
	http_request(fd, method, path, body);
	if (!http_read(fd, strcmp(method, "HEAD") == 0, &answer))
		fail_msg("%s %s got no answer", method, path);
	close(fd);
	return answer;
}

static inline const char *
text_in(const struct answer *answer, const char *key)
{
	const char *text = json_string_value(json_object_get(answer->json, key));

	return text != NULL ? text : "";
}

/* Expect a problem of this status that names this field ("" for none). */
static inline void
refused(const struct world *world, const char *method, const char *path, const char *body,
    int status, const char *field)
{
	struct answer answer = call_http(world, method, path, body);

	if (answer.status != status || strcmp(text_in(&answer, "field"), field) != 0)
		fail_msg("%s %s %s: %d %s", method, path, body != NULL ? body : "", answer.status,
		    answer.body);
	assert_non_null(strstr(answer.head, "Content-Type: application/problem+json\r\n"));
	assert_int_equal(json_integer_value(json_object_get(answer.json, "status")), status);
	assert_string_not_equal(text_in(&answer, "title"), "");
	assert_string_not_equal(text_in(&answer, "detail"), "");
	assert_string_equal(text_in(&answer, "type"), "about:blank");
	assert_int_equal(strlen(text_in(&answer, "request_id")), 32);
	answer_free(&answer);
}

static inline void
wait_for_status(const struct world *world, const char *path, int wanted)
{
	int status = 0;

	for (uint64_t end = now_ms() + 10000; status != wanted && now_ms() < end; sleep_ms(20)) {
		struct answer answer = call_http(world, "GET", path, NULL);
		status = answer.status;
		answer_free(&answer);
	}
	assert_int_equal(status, wanted);
}

/* Wait until the control process has its store (again): for single records, and for lists. */
static inline void
wait_for_store(const struct world *world)
{
	wait_for_status(world, "/v1/jobs/none", 404);
	wait_for_status(world, "/v1/jobs", 200);
}

static inline int
world_setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	snprintf(world->directory, sizeof(world->directory), "/tmp/jobgate-control-XXXXXX");
	if (mkdtemp(world->directory) == NULL)
		return -1;
	snprintf(
	    world->redis_socket, sizeof(world->redis_socket), "%s/redis.sock", world->directory);
	snprintf(world->control_socket, sizeof(world->control_socket), "%s/run/control.sock",
	    world->directory);
	snprintf(world->log_path, sizeof(world->log_path), "%s/control.log", world->directory);
	world->ready =
	    mmap(NULL, sizeof(bool), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	*world->ready = true;
	redis_start(world);
	control_start(world);
	wait_for_store(world);
	*state = world;
	return 0;
}

/* What a record has in Redis, or NULL; to be freed. */
static inline char *
stored(const struct world *world, const char *key, const char *field)
{
	redisContext *redis = redis_open(world);
	redisReply *reply = redisCommand(redis, "HGET %s %s", key, field);
	char *text = reply->type == REDIS_REPLY_STRING ? strdup(reply->str) : NULL;

	freeReplyObject(reply);
	redisFree(redis);
	return text;
}

/* Run one command, which must succeed. */
static inline void
run_redis(const struct world *world, const char *command)
{
	redisContext *redis = redis_open(world);
	redisReply *reply = redisCommand(redis, command);

	assert_non_null(reply);
	assert_int_not_equal(reply->type, REDIS_REPLY_ERROR);
	freeReplyObject(reply);
	redisFree(redis);
}

/* POST /v1/tokens, which must succeed; to be freed. */
static inline struct answer
create_token(const struct world *world, const char *body)
{
	struct answer answer = call_http(world, "POST", "/v1/tokens", body);

	if (answer.status != 201)
		fail_msg("%d %s", answer.status, answer.body);
	return answer;
}

#endif
