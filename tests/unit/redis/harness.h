/* harness.h - an event loop that waits for a condition, a server that sends what the test says, a
 * real Redis. */
#ifndef JOBGATE_TEST_REDIS_HARNESS_H
#define JOBGATE_TEST_REDIS_HARNESS_H

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>

#include "loopback.h"

#define TEST_TIMEOUT_MS 15000

static inline uint64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- a loop ---- */

static inline void
on_wake(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	(void)ctx;
}

/* A loop that turns at least every 5 ms. */
struct turner {
	struct event_base *base;
	struct event *wake;
};

static inline void
turner_init(struct turner *turner)
{
	turner->base = event_base_new();
	assert_non_null(turner->base);
	turner->wake = event_new(turner->base, -1, EV_PERSIST, on_wake, NULL);
	event_add(turner->wake, &(struct timeval){.tv_usec = 5000});
}

static inline void
turner_free(struct turner *turner)
{
	event_free(turner->wake);
	event_base_free(turner->base);
}

/* Let the loop run until something is so; in vain: the test has failed. */
#define RUN_UNTIL(turner, condition)                                           \
	do {                                                                   \
		uint64_t end_ms = now_ms() + TEST_TIMEOUT_MS;                  \
		while (!(condition)) {                                         \
			if (now_ms() > end_ms)                                 \
				fail_msg("waited in vain for %s", #condition); \
			event_base_loop((turner)->base, EVLOOP_ONCE);          \
		}                                                              \
	} while (0)

/* Let the loop run for a while, where something is not to happen. */
static inline void
run_for(struct turner *turner, uint64_t ms)
{
	uint64_t end_ms = now_ms() + ms;

	while (now_ms() < end_ms)
		event_base_loop(turner->base, EVLOOP_ONCE);
}

/* ---- places ---- */

static inline void
make_directory(char *out, size_t cap)
{
	snprintf(out, cap, "/tmp/jobgate-redis-XXXXXX");
	assert_non_null(mkdtemp(out));
}

static inline void
remove_directory(const char *path)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -r %s", path);
	assert_int_equal(system(command), 0);
}

/* Listen at a path; the descriptor does not block. */
static inline int
listen_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

/*
 * A port for a server that takes no port by itself. It is below those that the kernel gives to
 * outgoing connections and that end-to-end tests use, and processes begin at different ones:
 * between this and the server's bind another one could take it.
 */
static inline uint16_t
free_port(void)
{
	static unsigned next;

	for (unsigned tries = 0; tries < 4000; tries++) {
		uint16_t port = (uint16_t)(11000 + ((unsigned)getpid() * 8 + next++) % 4000);
		int fd = loopback_bind(&port, false);

		if (fd >= 0) {
			close(fd);
			return port;
		}
	}
	fail_msg("no port is free");
	return 0;
}

/* ---- a real one ---- */

#define REDIS_ARGUMENTS_MAX 32

/* Start a redis-server without persistence; it ends with the test, whatever happens to that. */
static inline pid_t
redis_spawn(const char *directory, const char *const *more)
{
	const char *argv[REDIS_ARGUMENTS_MAX] = {
	    "redis-server", "--save", "", "--appendonly", "no", "--dir", directory};
	size_t count = 7;
	pid_t pid;

	while (*more != NULL && count + 1 < REDIS_ARGUMENTS_MAX)
		argv[count++] = *more++;
	pid = fork();
	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(open("/dev/null", O_RDWR), STDOUT_FILENO);
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	_exit(127);
}

static inline void
process_end(pid_t pid)
{
	kill(pid, SIGCONT);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* A blocking connection to it, once it answers. */
static inline redisContext *
redis_wait(const char *path)
{
	for (uint64_t end_ms = now_ms() + TEST_TIMEOUT_MS; now_ms() < end_ms;) {
		redisContext *redis = redisConnectUnix(path);
		redisReply *reply =
		    redis != NULL && redis->err == 0 ? redisCommand(redis, "PING") : NULL;
		bool answers = reply != NULL && reply->type == REDIS_REPLY_STATUS;

		freeReplyObject(reply);
		if (answers)
			return redis;
		if (redis != NULL)
			redisFree(redis);
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	}
	fail_msg("no redis-server answers at %s", path);
	return NULL;
}

/* Do something to it as an operator would; the reply must not be an error. */
__attribute__((format(printf, 2, 3))) static inline long long
redis_do(redisContext *redis, const char *format, ...)
{
	redisReply *reply;
	long long number;
	va_list args;

	va_start(args, format);
	reply = redisvCommand(redis, format, args);
	va_end(args);
	assert_non_null(reply);
	if (reply->type == REDIS_REPLY_ERROR)
		fail_msg("%s: %s", format, reply->str);
	number = reply->type == REDIS_REPLY_INTEGER ? reply->integer : 0;
	freeReplyObject(reply);
	return number;
}

#endif
