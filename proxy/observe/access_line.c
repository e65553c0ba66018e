/* access_line.c - one JSON line for each exchange that ended. */
#include "observe/access_line.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "jobgate/log.h"

static const char *const text_names[ACCESS_TEXTS] = {
    [ACCESS_REQUEST_ID] = "request_id",
    [ACCESS_TRACE_ID] = "trace_id",
    [ACCESS_PARENT_ID] = "parent_id",
    [ACCESS_CLIENT] = "client",
    [ACCESS_METHOD] = "method",
    [ACCESS_HOST] = "host",
    [ACCESS_PATH] = "path",
    [ACCESS_TOKEN_ID] = "token_id",
    [ACCESS_CLAIMED_TOKEN_ID] = "claimed_token_id",
    [ACCESS_SELECTOR] = "selector",
    [ACCESS_JOB] = "job",
    [ACCESS_REPLICA] = "replica",
};

/* Room kept for what follows the texts: numbers, and the names of those that are left. */
#define TAIL_MAX 512

struct line {
	size_t len;
	char *text; /* ACCESS_LINE_MAX bytes */
};

__attribute__((format(printf, 2, 3))) static void
add(struct line *line, const char *format, ...)
{
	size_t room = ACCESS_LINE_MAX - line->len;
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(line->text + line->len, room, format, args);
	va_end(args);
	if (len > 0)
		line->len += (size_t)len < room ? (size_t)len : room - 1;
}

/* ,"name":"value" with the value escaped and free of secrets; nothing for an empty one. */
static void
add_text(struct line *line, const char *name, struct slice value)
{
	char clean[ACCESS_TEXT_MAX];

	if (value.len == 0)
		return;
	if (value.len > sizeof(clean))
		value.len = sizeof(clean);
	memcpy(clean, value.at, value.len);
	jg_log_blot(clean, value.len);
	value.at = clean;
	add(line, ",\"%s\":\"", name);
	while (value.len > 0 && line->len + TAIL_MAX < ACCESS_LINE_MAX) {
		unsigned char c = (unsigned char)value.at[0];
		size_t len = 1;

		if (c == '"' || c == '\\')
			add(line, "\\%c", c);
		else if (c < ' ' || c == 0x7f)
			add(line, "\\u%04x", c);
		else if (c < 0x80)
			line->text[line->len++] = (char)c;
		else if ((len = jg_log_char_len(value.at, value.len)) > 0)
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

static void
add_duration(struct line *line, const char *name, uint64_t us)
{
	if (us > 0)
		add(line, ",\"%s\":%llu.%03u", name, (unsigned long long)(us / 1000),
		    (unsigned)(us % 1000));
}

static const char *
protocol_name(enum http_version version)
{
	switch (version) {
	case HTTP_1_0:
		return "HTTP/1.0";
	case HTTP_1_1:
		break;
	case HTTP_2:
		return "HTTP/2.0";
	}
	return "HTTP/1.1";
}

size_t
access_line_format(const struct access_entry *entry, char out[ACCESS_LINE_MAX])
{
	struct line line = {0};

	line.text = out;
	add_time(&line, entry->started_us);
	for (size_t i = 0; i < ACCESS_TEXTS; i++)
		add_text(&line, text_names[i], entry->texts[i]);
	if (entry->texts[ACCESS_METHOD].len > 0)
		add(&line, ",\"protocol\":\"%s\"", protocol_name(entry->version));
	if (entry->decided)
		add(&line, ",\"verdict\":\"%s\"", jg_verdict_name(entry->verdict));
	add(&line, ",\"outcome\":\"%s\"", outcome_name(entry->outcome));
	if (entry->status > 0)
		add(&line, ",\"status\":%u", entry->status);
	if (entry->has_grpc_status)
		add(&line, ",\"grpc_status\":%u", entry->grpc_status);
	add(&line, ",\"bytes_in\":%llu,\"bytes_out\":%llu", (unsigned long long)entry->bytes_in,
	    (unsigned long long)entry->bytes_out);
	add_duration(&line, "decision_ms", entry->decision_us);
	add_duration(&line, "connect_ms", entry->connect_us);
	add_duration(&line, "first_byte_ms", entry->first_byte_us);
	add(&line, ",\"duration_ms\":%llu.%03u}\n", (unsigned long long)(entry->duration_us / 1000),
	    (unsigned)(entry->duration_us % 1000));
	return line.len;
}
