/* log_buffer.c - lines that wait in memory until they can be written without waiting. */
#include "observe/log_buffer.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "jobgate/clock.h"

/* Lines that wait: some hundreds. */
#define BUFFER_BYTES (64 * 1024)

/* A write that has to wait after all is interrupted after this time. */
#define WRITE_MAX_US 5000

/* How long log_buffer_stop waits for the last lines. */
#define STOP_TIMEOUT_MS 1000

struct log_buffer {
	struct log log; /* as it was */
	struct log_losses *losses;
	uint64_t dropped_told;
	size_t len;
	char bytes[BUFFER_BYTES];
};

static void
on_alarm(int number)
{
	(void)number;
}

/* Like write(2), but fails with EAGAIN or EINTR when it takes more than wait_ms. */
static ssize_t
write_in_time(int fd, const char *bytes, size_t len, int wait_ms)
{
	/* Periodic, because the first alarm may come before the write has begun. */
	const struct itimerval on = {{0, WRITE_MAX_US}, {0, WRITE_MAX_US}}, off = {0};
	struct pollfd writable = {.fd = fd, .events = POLLOUT};
	ssize_t written;
	int error;

	if (poll(&writable, 1, wait_ms) != 1) {
		errno = EAGAIN;
		return -1;
	}
	setitimer(ITIMER_REAL, &on, NULL);
	written = write(fd, bytes, len);
	error = errno;
	setitimer(ITIMER_REAL, &off, NULL);
	errno = error;
	return written;
}

/* Write the first line, or a part of it. Returns how many bytes are finished; 0: not now. */
static size_t
write_line(struct log_buffer *buffer, const char *lines, size_t len, int wait_ms)
{
	const char *end = memchr(lines, '\n', len);
	size_t line = end != NULL ? (size_t)(end - lines) + 1 : len;
	/* A pipe takes a whole line or nothing: lines are shorter than PIPE_BUF. */
	ssize_t written = write_in_time(buffer->log.fd, lines, line, wait_ms);

	if (written > 0)
		return (size_t)written;
	if (written < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	counter_add(&buffer->losses->failed, 1);
	return line;
}

/* Write until something has to wait longer than wait_ms. */
static void
write_lines(struct log_buffer *buffer, int wait_ms)
{
	size_t done = 0, more;

	while (done < buffer->len &&
	       (more = write_line(buffer, buffer->bytes + done, buffer->len - done, wait_ms)) > 0)
		done += more;
	buffer->len -= done;
	memmove(buffer->bytes, buffer->bytes + done, buffer->len);
}

static bool
keep(struct log_buffer *buffer, const char *line, size_t len)
{
	if (len > sizeof(buffer->bytes) - buffer->len)
		return false;
	memcpy(buffer->bytes + buffer->len, line, len);
	buffer->len += len;
	return true;
}

/* Now that all is written, there is room to report what is missing. */
static void
tell_dropped(struct log_buffer *buffer)
{
	uint64_t dropped = counter_get(&buffer->losses->full);
	char text[LOG_DROPPED_MAX], line[JG_LOG_LINE_MAX];

	if (buffer->len > 0 || dropped == buffer->dropped_told)
		return;
	log_dropped_text(text, dropped - buffer->dropped_told);
	keep(buffer, line, jg_log_format(&buffer->log, LOG_LEVEL_WARNING, line, text));
	buffer->dropped_told = dropped;
}

static void
put(void *to, const char *line, size_t len)
{
	struct log_buffer *buffer = to;

	log_buffer_flush(buffer);
	if (!keep(buffer, line, len))
		counter_add(&buffer->losses->full, 1);
	log_buffer_flush(buffer);
}

void
log_buffer_flush(struct log_buffer *buffer)
{
	if (buffer == NULL) /* there was no memory for one */
		return;
	write_lines(buffer, 0);
	tell_dropped(buffer);
	write_lines(buffer, 0);
}

struct log_buffer *
log_buffer_start(struct log *log, struct log_losses *losses)
{
	const struct sigaction interrupt = {.sa_handler = on_alarm}; /* no SA_RESTART */
	struct log_buffer *buffer = calloc(1, sizeof(*buffer));
	sigset_t alarm;

	if (buffer == NULL)
		return NULL;
	buffer->log = *log;
	buffer->losses = losses;
	buffer->dropped_told = counter_get(&losses->full);
	sigaction(SIGALRM, &interrupt, NULL);
	/* The program that started us may have blocked it. */
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	sigprocmask(SIG_UNBLOCK, &alarm, NULL);
	log->put = put;
	log->to = buffer;
	return buffer;
}

void
log_buffer_stop(struct log_buffer *buffer, struct log *log)
{
	uint64_t deadline_ms = clock_ms(CLOCK_MONOTONIC) + STOP_TIMEOUT_MS, at_ms;

	if (buffer == NULL)
		return;
	log_buffer_flush(buffer);
	while (buffer->len > 0 && (at_ms = clock_ms(CLOCK_MONOTONIC)) < deadline_ms)
		write_lines(buffer, (int)(deadline_ms - at_ms));
	log_buffer_forget(buffer, log);
}

void
log_buffer_forget(struct log_buffer *buffer, struct log *log)
{
	signal(SIGALRM, SIG_DFL);
	log->put = NULL;
	log->to = NULL;
	free(buffer);
}
