/* log.h - the log for the operator. */
#ifndef JOBGATE_LOG_H
#define JOBGATE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Where lines go, and which; a plain value that may be copied. */
struct log {
	int fd;		      /* usually standard error; -1 drops everything */
	enum log_level level; /* lines above it are dropped */
	const char *process;  /* "supervisor", "worker 0", "control": static or outliving the log */
	bool journal;	      /* start each line with systemd's <priority> (sd-daemon(3)) */
	bool json;	      /* each line is a JSON object (RFC 8259), after that priority */
	/*
	 * Takes each line in place of fd, without blocking, for processes with an event loop. NULL:
	 * lines are written to fd, however long that takes.
	 */
	void (*put)(void *to, const char *line, size_t len);
	void *to;
};

/* Longer lines are cut to this many bytes. */
#define JG_LOG_LINE_MAX 1024

/*
 * Overwrite the secret of each token in a text with asterisks; its id stays. Call it for every
 * logged text that comes from outside: it may have a token in the wrong place.
 */
void jg_log_blot(char *text, size_t len);

/*
 * For a text that begins with a byte over 127: the length of its first character if that is valid
 * UTF-8 (RFC 3629) and not a control character (C1, which terminals obey); otherwise 0.
 */
size_t jg_log_char_len(const char *text, size_t len);

/* A time after 1970 in UTC as "2026-01-02T03:04:05.678Z"; returns its length. Takes no lock. */
size_t jg_log_time(const struct timespec *when, char *out, size_t cap);

/*
 * Write one line: time, level, process, then the message (printf's format, no newline). With `json`
 * these are the members "time", "level", "process" and "message", all strings. Control
 * characters of the message, and bytes that are not UTF-8, are escaped, so that what a client sent
 * can neither forge a line nor control a terminal. Never pass a secret. (Secrets of tokens are
 * blotted out, but do not rely on that.) Failures to write are ignored.
 */
void jg_log(const struct log *log, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Format a line, with its newline, into `line`; returns its length. For messages without secrets
 * only. Takes no lock. */
size_t jg_log_format(
    const struct log *log, enum log_level level, char line[JG_LOG_LINE_MAX], const char *message);

#define log_error(log, ...) jg_log(log, LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(log, ...) jg_log(log, LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(log, ...) jg_log(log, LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(log, ...) jg_log(log, LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
