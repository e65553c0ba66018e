/* trace.c - traceparent: "00-<32 hex digits>-<16 hex digits>-<2 hex digits>". */
#include "exchange/trace.h"

#include <string.h>

#define PARENT_AT (3 + TRACE_ID_LEN + 1)
#define FLAGS_AT (PARENT_AT + TRACE_PARENT_LEN + 1)
#define VERSION_0_LEN (FLAGS_AT + 2)

/* Lower-case hex digits alone. */
static bool
is_hex(const char *at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!(at[i] >= '0' && at[i] <= '9') && !(at[i] >= 'a' && at[i] <= 'f'))
			return false;
	return true;
}

static bool
is_zero(const char *at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (at[i] != '0')
			return false;
	return true;
}

static bool
trace_parse(struct slice text, struct trace *out)
{
	const char *at = text.at;

	if (text.len < VERSION_0_LEN || at[2] != '-' || at[PARENT_AT - 1] != '-' ||
	    at[FLAGS_AT - 1] != '-')
		return false;
	/* Version ff is invalid. Later versions add more after another dash. */
	if (!is_hex(at, 2) || memcmp(at, "ff", 2) == 0)
		return false;
	if (text.len > VERSION_0_LEN && (memcmp(at, "00", 2) == 0 || at[VERSION_0_LEN] != '-'))
		return false;
	if (!is_hex(at + 3, TRACE_ID_LEN) || !is_hex(at + PARENT_AT, TRACE_PARENT_LEN) ||
	    !is_hex(at + FLAGS_AT, 2))
		return false;
	if (is_zero(at + 3, TRACE_ID_LEN) || is_zero(at + PARENT_AT, TRACE_PARENT_LEN))
		return false;
	memcpy(out->id, at + 3, TRACE_ID_LEN);
	memcpy(out->parent, at + PARENT_AT, TRACE_PARENT_LEN);
	/* The lowest bit of the flags, in hex digits (section 3.2.2.5.1). */
	out->sampled =
	    (at[FLAGS_AT + 1] <= '9' ? at[FLAGS_AT + 1] - '0' : at[FLAGS_AT + 1] - 'a' + 10) % 2 !=
	    0;
	return true;
}

bool
trace_read(const struct fields *fields, struct trace *out)
{
	const struct field *found = NULL;

	for (size_t i = 0; i < fields->count; i++) {
		if (fields->items[i].id != FIELD_TRACEPARENT)
			continue;
		if (found != NULL)
			return false;
		found = &fields->items[i];
	}
	return found != NULL && trace_parse(found->value, out);
}
