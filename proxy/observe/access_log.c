/* access_log.c - JSON lines, gathered and written together. */
#include "observe/access_log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define GATHERED_MAX (64 * 1024)

/* No line is longer: its parts are cut where they are kept, and escaping makes of a byte at most
 * six. */
#define LINE_BYTES_MAX (4 * 1024)

struct access_log {
	int fd;
	counter *dropped;
	size_t start, end; /* of what is to be written */
	char lines[GATHERED_MAX];
};

struct access_log *
access_log_new(int fd, counter *dropped)
{
	struct access_log *log = calloc(1, sizeof(*log));

	if (log == NULL)
		return NULL;
	log->fd = fd;
	log->dropped = dropped;
	return log;
}

void
access_log_free(struct access_log *log)
{
	if (log == NULL)
		return;
	access_log_flush(log);
	free(log);
}

struct line {
	size_t len;
	char text[LINE_BYTES_MAX];
};

__attribute__((format(printf, 2, 3))) static void
add(struct line *line, const char *format, ...)
{
	size_t room = sizeof(line->text) - line->len;
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(line->text + line->len, room, format, args);
	va_end(args);
	if (len > 0)
		line->len += (size_t)len < room ? (size_t)len : room - 1;
}

/* The length of the UTF-8 sequence at the beginning of text; 0 when it is none (RFC 3629). */
static size_t
utf8_len(struct slice text)
{
	const unsigned char *at = (const unsigned char *)text.at;
	size_t len = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;

	if (at[0] < 0xc2 || at[0] > 0xf4 || text.len < len)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates, and what lies beyond Unicode. */
	if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
	    (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
		return 0;
	return len;
}

/* ,"name":"value" with the value escaped; nothing for an empty one. */
static void
add_text(struct line *line, const char *name, struct slice value)
{
	if (value.len == 0)
		return;
	add(line, ",\"%s\":\"", name);
	while (value.len > 0 && line->len + 16 < sizeof(line->text)) {
		unsigned char c = (unsigned char)value.at[0];
		size_t len = 1;

		if (c == '"' || c == '\\')
			add(line, "\\%c", c);
		else if (c < ' ' || c == 0x7f)
			add(line, "\\u%04x", c);
		else if (c < 0x80)
			line->text[line->len++] = (char)c;
		else if ((len = utf8_len(value)) > 0)
			add(line, "%.*s", (int)len, value.at);
		else
			add(line, "\\ufffd");
		value = slice_after(value, len > 0 ? len : 1);
	}
	add(line, "\"");
}

static void
add_time(struct line *line, int64_t unix_us)
{
	time_t seconds = (time_t)(unix_us / 1000000);
	struct tm tm;
	char text[32];

	gmtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	add(line, "{\"time\":\"%s.%06dZ\"", text, (int)(unix_us % 1000000));
}

void
access_log_write(struct access_log *log, const struct access_entry *entry)
{
	struct line line;

	if (log->fd < 0)
		return;
	line.len = 0;
	add_time(&line, entry->started_us);
	add_text(&line, "request_id", entry->request_id);
	add_text(&line, "traceparent", entry->trace_parent);
	add_text(&line, "client", entry->client);
	add_text(&line, "method", entry->method);
	add_text(&line, "host", entry->host);
	add_text(&line, "path", entry->path);
	add_text(&line, "token_id", entry->token_id);
	add_text(&line, "job", entry->job);
	if (entry->decided)
		add(&line, ",\"verdict\":\"%s\"", jg_verdict_name(entry->verdict));
	add(&line, ",\"outcome\":\"%s\"", outcome_name(entry->outcome));
	if (entry->status > 0)
		add(&line, ",\"status\":%u", entry->status);
	add(&line, ",\"bytes_in\":%llu,\"bytes_out\":%llu,\"duration_ms\":%llu.%03u}\n",
	    (unsigned long long)entry->bytes_in, (unsigned long long)entry->bytes_out,
	    (unsigned long long)(entry->duration_us / 1000), (unsigned)(entry->duration_us % 1000));
	if (log->end + line.len > sizeof(log->lines))
		access_log_flush(log);
	if (log->end + line.len > sizeof(log->lines)) {
		counter_add(log->dropped, 1);
		return;
	}
	memcpy(log->lines + log->end, line.text, line.len);
	log->end += line.len;
}

void
access_log_flush(struct access_log *log)
{
	ssize_t written;

	if (log->start == log->end)
		return;
	written = write(log->fd, log->lines + log->start, log->end - log->start);
	if (written > 0)
		log->start += (size_t)written;
	else if (written < 0 && errno != EAGAIN && errno != EINTR)
		log->start =
		    log->end; /* a reader that has gone, a full disk: nothing better can be done */
	/* What is left of a line goes first next time, so that no line is torn. */
	memmove(log->lines, log->lines + log->start, log->end - log->start);
	log->end -= log->start;
	log->start = 0;
}
