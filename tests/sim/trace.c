/* trace.c - a hash (FNV-1a) over the events. */
#include "trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "schedule.h"

/* One run in a process: the interposed calls have nothing by which to find another one. */
static struct {
	uint64_t hash, events;
	bool shown;
} trace = {.hash = 14695981039346656037u};

static void
fold(uint64_t number)
{
	trace.hash = (trace.hash ^ number) * 1099511628211u;
	trace.hash ^= trace.hash >> 29;
}

void
trace_show(void)
{
	trace.shown = true;
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
}

bool
trace_is_shown(void)
{
	return trace.shown;
}

void
trace_bytes(const void *bytes, size_t len)
{
	const char *at = bytes;
	uint64_t number;

	for (; len >= sizeof(number); at += sizeof(number), len -= sizeof(number)) {
		memcpy(&number, at, sizeof(number));
		fold(number);
	}
	for (; len > 0; len--)
		fold((unsigned char)*at++);
}

static void
print_head(const char *who)
{
	uint64_t us = schedule_now_ns() / 1000;

	printf("%4llu.%06llu %-9s ", (unsigned long long)(us / 1000000),
	    (unsigned long long)(us % 1000000), who);
}

void
trace_event(const char *who, const char *what, uint64_t a, uint64_t b)
{
	trace.events++;
	fold(schedule_now_ns());
	trace_bytes(who, strlen(who));
	trace_bytes(what, strlen(what));
	fold(a);
	fold(b);
	if (!trace.shown)
		return;
	print_head(who);
	printf("%s %llu %llu\n", what, (unsigned long long)a, (unsigned long long)b);
}

void
trace_say(const char *who, const char *format, ...)
{
	va_list args;

	if (!trace.shown)
		return;
	print_head(who);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

uint64_t
trace_hash(void)
{
	return trace.hash;
}

uint64_t
trace_events(void)
{
	return trace.events;
}
