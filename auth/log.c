/* log.c - writes log lines for the operator. */
#include "jobgate/log.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "jobgate/token.h"

/* The most bytes that one character takes: a UTF-8 character of four, or \\xNN. */
#define ESCAPED_MAX 5

static const char *
level_name(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return "error";
	case LOG_LEVEL_WARNING:
		return "warning";
	case LOG_LEVEL_INFO:
		return "info";
	case LOG_LEVEL_DEBUG:
		return "debug";
	}
	return "?";
}

/* The priorities of syslog(3), which systemd reads at the beginning of a line. */
static int
level_priority(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return 3;
	case LOG_LEVEL_WARNING:
		return 4;
	case LOG_LEVEL_INFO:
		return 6;
	case LOG_LEVEL_DEBUG:
		return 7;
	}
	return 7;
}

size_t
jg_log_char_len(const char *text, size_t len)
{
	const unsigned char *at = (const unsigned char *)text;
	size_t wanted = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;

	if (at[0] < 0xc2 || at[0] > 0xf4 || len < wanted)
		return 0;
	for (size_t i = 1; i < wanted; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	if (at[0] == 0xc2 && at[1] < 0xa0) /* C1 */
		return 0;
	/* Overlong forms, surrogates, and values beyond Unicode. */
	if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
	    (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
		return 0;
	return wanted;
}

/*
 * Append text; bytes that could forge or break a line become \xNN. Within a string of JSON this
 * and other backslashes are doubled, and quotes escaped. Returns the new length.
 */
static size_t
append_escaped(char *line, size_t len, size_t cap, const char *text, bool json)
{
	while (*text != '\0' && len + ESCAPED_MAX < cap) {
		unsigned char c = (unsigned char)*text;
		size_t shown =
		    c < 0x80 ? c >= ' ' && c != 0x7f : jg_log_char_len(text, strnlen(text, 4));

		if (json && (c == '"' || c == '\\' || shown == 0))
			line[len++] = '\\';
		memcpy(line + len, text, shown);
		len += shown;
		if (shown == 0)
			len += (size_t)snprintf(line + len, cap - len, "\\x%02x", c);
		text += shown > 0 ? shown : 1;
	}
	return len;
}

/* The number of letters and digits at the beginning of text. */
static size_t
alphanumerics(const char *text, size_t len)
{
	size_t n = 0;

	while (n < len && isalnum((unsigned char)text[n]))
		n++;
	return n;
}

void
jg_log_blot(char *text, size_t len)
{
	const size_t mark = strlen("jgt_"), head = mark + TOKEN_ID_LEN + 1;
	char *end = text + len, *at = text;

	while ((at = memmem(at, (size_t)(end - at), "jgt_", mark)) != NULL) {
		if ((size_t)(end - at) > head &&
		    alphanumerics(at + mark, TOKEN_ID_LEN) == TOKEN_ID_LEN && at[head - 1] == '_') {
			size_t secret = alphanumerics(at + head, (size_t)(end - at) - head);

			memset(at + head, '*', secret);
		}
		at += mark;
	}
}

/*
 * gmtime_r is not used because it takes a lock: a child that is forked while another thread holds
 * it would wait forever. Days are counted from 1 March of the year 0, so that a leap day is the
 * last day of its year (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
 */
size_t
jg_log_time(const struct timespec *when, char *out, size_t cap)
{
	unsigned second = (unsigned)(when->tv_sec % 86400);
	unsigned days = (unsigned)(when->tv_sec / 86400) + 719468, era_day = days % 146097;
	unsigned era_year = (era_day - era_day / 1460 + era_day / 36524 - era_day / 146096) / 365;
	unsigned year_day = era_day - (365 * era_year + era_year / 4 - era_year / 100);
	unsigned month = (5 * year_day + 2) / 153; /* 0: March */

	return (size_t)snprintf(out, cap, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
	    days / 146097 * 400 + era_year + (month >= 10), month < 10 ? month + 3 : month - 9,
	    year_day - (153 * month + 2) / 5 + 1, second / 3600, second / 60 % 60, second % 60,
	    (unsigned)(when->tv_nsec / 1000000));
}

static size_t
append_head(char *line, size_t cap, const struct log *log, enum log_level level)
{
	struct timespec now;
	size_t len = 0;

	if (log->journal)
		len += (size_t)snprintf(line, cap, "<%d>", level_priority(level));
	if (log->json)
		len += (size_t)snprintf(line + len, cap - len, "{\"time\":\"");
	if (log->json || !log->journal) {
		clock_gettime(CLOCK_REALTIME, &now);
		len += jg_log_time(&now, line + len, cap - len);
	}
	if (!log->json && !log->journal)
		line[len++] = ' ';
	len += (size_t)snprintf(line + len, cap - len,
	    log->json ? "\",\"level\":\"%s\",\"process\":\"%.40s\",\"message\":\"" : "%s [%.40s] ",
	    level_name(level), log->process != NULL ? log->process : "jobgate");
	return len;
}

size_t
jg_log_format(
    const struct log *log, enum log_level level, char line[JG_LOG_LINE_MAX], const char *message)
{
	size_t len = append_head(line, JG_LOG_LINE_MAX, log, level);

	len = append_escaped(line, len, JG_LOG_LINE_MAX - strlen("\"}\n"), message, log->json);
	if (log->json) {
		line[len++] = '"';
		line[len++] = '}';
	}
	line[len++] = '\n';
	return len;
}

void
jg_log(const struct log *log, enum log_level level, const char *format, ...)
{
	char message[JG_LOG_LINE_MAX], line[JG_LOG_LINE_MAX];
	size_t len;
	va_list args;

	if (log->fd < 0 || level > log->level)
		return;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	jg_log_blot(message, strlen(message));
	len = jg_log_format(log, level, line, message);
	if (log->put != NULL)
		log->put(log->to, line, len);
	else if (write(log->fd, line, len) < 0)
		return; /* nothing can be done when the write fails */
}
