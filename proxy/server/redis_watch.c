/* redis_watch.c - checks the log and the socket of the private redis-server. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/supervisor.h"

#define LOOK_MS 500

/* Time for redis-server to write its file before it is killed. */
#define REDIS_KILL_MS 10000

/* How long redis-server may take from its start to its socket: a slow disk needs time. */
#define BIND_MS 30000

/* Bytes of its log that are read at a time; older ones are not needed. */
#define PIECE_MAX 8192

/* What redis-server logs when it continues with a file that ends too early. */
#define CUT_SHORT "loaded anyway because aof-load-truncated"

/* What it logs once it has made its socket ("Ready to", before version 7 "now ready to"). */
#define BOUND "eady to accept connections"

/* ---- its log ---- */

static int
open_log(const struct supervisor *supervisor)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/redis.log", supervisor->config->store.state_dir);
	return open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

static off_t
size_of(int fd)
{
	struct stat found;

	return fd >= 0 && fstat(fd, &found) == 0 ? found.st_size : 0;
}

/* As long as this file exists, the operator has not yet checked what was lost. */
static void
mark_path(const struct supervisor *supervisor, char out[512])
{
	snprintf(out, 512, "%s/cut-short", supervisor->config->store.state_dir);
}

static void
tell_cut_short(const struct supervisor *supervisor)
{
	char path[512];
	int fd;

	mark_path(supervisor, path);
	fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
	log_warning(&supervisor->log,
	    "the private store's file was cut short: the last changes may be lost, revocations too "
	    "(redis-server: %s). Check the tokens (jobgate token list), then remove %s",
	    supervisor->redis.line, path);
}

/* Keep the text of a line, without the "pid:role date # " at its beginning. */
static void
take_line(struct supervisor *supervisor, const char *line, size_t len)
{
	struct redis_child *redis = &supervisor->redis;

	for (size_t i = 0; i + 2 < len && i < 64; i++)
		if (line[i] == ' ' && strchr("#*-.", line[i + 1]) != NULL && line[i + 2] == ' ') {
			line += i + 3;
			len -= i + 3;
			break;
		}
	if (len == 0)
		return;
	snprintf(redis->line, sizeof(redis->line), "%.*s", (int)len, line);
	redis->bound = redis->bound || strstr(redis->line, BOUND) != NULL;
	if (strstr(redis->line, CUT_SHORT) != NULL)
		tell_cut_short(supervisor);
}

/* Read the new complete lines. */
static void
follow_log(struct supervisor *supervisor)
{
	struct redis_child *redis = &supervisor->redis;
	int fd = open_log(supervisor);
	off_t size = size_of(fd);
	char piece[PIECE_MAX];
	char *line = piece, *end;
	ssize_t got = 0;

	if (size < redis->log_at)
		redis->log_at = 0; /* another file by now */
	if (size > redis->log_at)
		got = pread(fd, piece, sizeof(piece), redis->log_at);
	if (fd >= 0)
		close(fd);
	while (got > 0 && (end = memchr(line, '\n', (size_t)(piece + got - line))) != NULL) {
		take_line(supervisor, line, (size_t)(end - line));
		line = end + 1;
	}
	/* Skip a line that fills the whole buffer: redis-server writes none like that. */
	redis->log_at += line > piece ? line - piece : got == PIECE_MAX ? got : 0;
}

void
redis_watch_start(struct supervisor *supervisor)
{
	struct redis_child *redis = &supervisor->redis;
	int fd = open_log(supervisor);

	redis->log_at = size_of(fd);
	redis->line[0] = '\0';
	redis->told_gone = redis->bound = redis->missed = false;
	if (fd >= 0)
		close(fd);
}

const char *
redis_watch_last_line(struct supervisor *supervisor)
{
	off_t at;

	do {
		at = supervisor->redis.log_at;
		follow_log(supervisor);
	} while (supervisor->redis.log_at != at);
	return supervisor->redis.line;
}

/* ---- its socket ---- */

/*
 * When the socket's file is removed, the socket takes no more connections. A socket that has been
 * there counts as removed only when two checks in a row do not find it: a redis-server that starts
 * replaces the file that an earlier one left.
 */
static bool
socket_is_gone(struct supervisor *supervisor, uint64_t now_ms)
{
	const struct child *child = supervision_child(supervisor->supervision, SLOT_REDIS);
	struct redis_child *redis = &supervisor->redis;
	bool there = access(redis->socket, F_OK) == 0 || errno != ENOENT;
	bool missed = redis->missed;

	redis->bound = redis->bound || there;
	redis->missed = !there && redis->bound;
	if (there || child->state != CHILD_RUNNING)
		return false;
	return redis->bound ? missed : now_ms > child->started_ms + BIND_MS;
}

/* Only a restart makes a new socket. Without a directory for it, existing connections are kept. */
static void
renew_socket(struct supervisor *supervisor)
{
	struct redis_child *redis = &supervisor->redis;

	if (redis_child_make_directory(redis)) {
		log_warning(&supervisor->log,
		    "the socket of redis-server, %s, was removed: restarting redis-server",
		    redis->socket);
		supervision_restart(
		    supervisor->supervision, SLOT_REDIS, REDIS_KILL_MS, supervisor_clock_ms());
	} else if (!redis->told_gone) {
		redis->told_gone = true;
		log_error(&supervisor->log,
		    "the socket of redis-server, %s, was removed, and its directory cannot be "
		    "created again: %s; only existing connections still work: create the "
		    "directory, owned by this user",
		    redis->socket, strerror(errno));
	}
}

void
redis_watch(struct supervisor *supervisor)
{
	uint64_t now_ms = supervisor_clock_ms();
	char path[512];

	if (!supervisor->private_redis || now_ms < supervisor->redis.looked_ms + LOOK_MS)
		return;
	supervisor->redis.looked_ms = now_ms;
	follow_log(supervisor);
	if (socket_is_gone(supervisor, now_ms))
		renew_socket(supervisor);
	mark_path(supervisor, path);
	counter_set(&supervisor->stats->store_cut, access(path, F_OK) == 0);
}
