/* log_sink.c - writing lines, as the thread of a log does: blocking, in whole lines. */
#include "observe/log_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define FILE_BATCH_MAX (64 * 1024)

/* RFC 3164's number: facility daemon (3), severity informational (6). */
#define SYSLOG_PRIORITY (3 * 8 + 6)

#define SYSLOG_HEAD_MAX 64

int
log_file_open(const char *path, bool links)
{
	int flags =
	    O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | (links ? 0 : O_NOFOLLOW);

	return open(path, flags, 0640);
}

const char *
log_sink_error(int error)
{
	switch (error) {
	case ELOOP:
		return "it is a symbolic link";
	case ENXIO:
		return "it is a FIFO that no program reads: start its reader first";
	case EPIPE:
		return "the program that read it has ended: start it again";
	default:
		return strerror(error);
	}
}

static void
look_at_file(struct log_sink *sink)
{
	struct stat found;

	/* A pipe is shared with other workers, and takes no more than this in one piece. */
	sink->batch_max =
	    fstat(sink->fd, &found) == 0 && S_ISREG(found.st_mode) ? FILE_BATCH_MAX : PIPE_BUF;
}

bool
log_sink_is_syslog(const char *where)
{
	return strcmp(where, "syslog") == 0 || strncmp(where, "syslog:", strlen("syslog:")) == 0;
}

void
log_sink_take(struct log_sink *sink, const char *where, int fd)
{
	*sink = (struct log_sink){.fd = -1, .batch_max = FILE_BATCH_MAX};
	if (log_sink_is_syslog(where)) {
		sink->datagrams = true;
		sink->path =
		    where[strlen("syslog")] == ':' ? where + strlen("syslog:") : LOG_SINK_SYSLOG;
		return;
	}
	if (strcmp(where, "-") != 0)
		sink->path = where;
	sink->fd = fd;
	look_at_file(sink);
}

void
log_sink_close(struct log_sink *sink)
{
	if (sink->fd > STDERR_FILENO)
		close(sink->fd);
	sink->fd = -1;
}

bool
log_sink_reopen(struct log_sink *sink)
{
	int fd;

	if (sink->path == NULL || sink->datagrams)
		return true;
	fd = log_file_open(sink->path, true);
	if (fd < 0)
		return false;
	log_sink_close(sink);
	sink->fd = fd;
	sink->torn = false;
	look_at_file(sink);
	return true;
}

static size_t
count_lines(const char *lines, size_t len)
{
	size_t count = 0;

	for (size_t i = 0; i < len; i++)
		count += lines[i] == '\n';
	return count;
}

/* Returns how much was written before it failed. */
static size_t
write_all(int fd, const char *bytes, size_t len)
{
	struct pollfd writable = {.fd = fd, .events = POLLOUT};
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(fd, bytes + done, len - done);

		if (n > 0)
			done += (size_t)n;
		else if (n < 0 && errno == EAGAIN)
			poll(&writable, 1, -1); /* it is a FIFO, or another process made it
						 * non-blocking */
		else if (n == 0 || errno != EINTR)
			break;
	}
	return done;
}

static size_t
write_stream(struct log_sink *sink, const char *lines, size_t len)
{
	size_t done;

	if (sink->torn && write_all(sink->fd, "\n", 1) != 1)
		return count_lines(lines, len);
	done = write_all(sink->fd, lines, len);
	sink->torn = done > 0 && lines[done - 1] != '\n';
	return count_lines(lines + done, len - done);
}

/* ---- syslog ---- */

static bool
syslog_connect(struct log_sink *sink)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (sink->fd >= 0)
		return true;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", sink->path);
	sink->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sink->fd < 0)
		return false;
	if (connect(sink->fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return true;
	log_sink_close(sink);
	return false;
}

static bool
send_message(struct log_sink *sink, const struct msghdr *message)
{
	ssize_t sent;

	if (!syslog_connect(sink))
		return false;
	do
		sent = sendmsg(sink->fd, message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent >= 0;
}

/* "<30>Jan  2 03:04:05 jobgate[123]: " and the line, in the form that syslog(3) uses. */
static bool
syslog_send(struct log_sink *sink, const char *line, size_t len)
{
	char head[SYSLOG_HEAD_MAX], stamp[24];
	struct iovec pieces[2] = {{head, 0}, {(char *)line, len}};
	const struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
	time_t now = time(NULL);
	struct tm tm;

	localtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%b %e %H:%M:%S", &tm);
	pieces[0].iov_len = (size_t)snprintf(
	    head, sizeof(head), "<%d>%s jobgate[%d]: ", SYSLOG_PRIORITY, stamp, (int)getpid());
	if (send_message(sink, &message))
		return true;
	/* The logger may have been restarted: try again with a new connection. */
	log_sink_close(sink);
	return send_message(sink, &message);
}

static size_t
write_datagrams(struct log_sink *sink, const char *lines, size_t len)
{
	size_t lost = 0;

	while (len > 0) {
		const char *end = memchr(lines, '\n', len);
		size_t line = end != NULL ? (size_t)(end - lines) : len;

		lost += !syslog_send(sink, lines, line);
		line += end != NULL;
		lines += line;
		len -= line;
	}
	return lost;
}

size_t
log_sink_write(struct log_sink *sink, const char *lines, size_t len)
{
	return sink->datagrams ? write_datagrams(sink, lines, len) : write_stream(sink, lines, len);
}
