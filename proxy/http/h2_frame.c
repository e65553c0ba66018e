/* h2_frame.c - reads frames. One table has the rules for the head of each type. */
#include "http/h2_frame.h"

#include <endian.h>

#define PRIORITY_LEN 5 /* exclusive bit and stream; weight */
#define SETTING_LEN 6

enum place { ON_STREAM, ON_CONNECTION, ANYWHERE, NOWHERE };

/*
 * RFC 9113 section 6: whether a type belongs to streams or to the connection, its length, and
 * whether a wrong length is an error of the stream or of the connection (section 4.2). A frame in
 * the wrong place is a PROTOCOL_ERROR of the connection.
 */
struct rule {
	enum place place;
	uint32_t length_min, length_max, length_step;
	enum h2_scope bad_length;
};

#define ANY_LENGTH 0, H2_FRAME_SIZE_LIMIT, 1
#define LENGTH(bytes) (bytes), (bytes), 1

static const struct rule rules[] = {
    [H2_DATA] = {ON_STREAM, ANY_LENGTH, H2_CONNECTION_BAD},
    [H2_HEADERS] = {ON_STREAM, ANY_LENGTH, H2_CONNECTION_BAD},
    [H2_PRIORITY] = {ON_STREAM, LENGTH(PRIORITY_LEN), H2_STREAM_BAD},
    [H2_RST_STREAM] = {ON_STREAM, LENGTH(4), H2_CONNECTION_BAD},
    [H2_SETTINGS] = {ON_CONNECTION, 0, H2_FRAME_SIZE_LIMIT, SETTING_LEN, H2_CONNECTION_BAD},
    [H2_PUSH_PROMISE] = {NOWHERE, ANY_LENGTH, H2_CONNECTION_BAD},
    [H2_PING] = {ON_CONNECTION, LENGTH(8), H2_CONNECTION_BAD},
    [H2_GOAWAY] = {ON_CONNECTION, 8, H2_FRAME_SIZE_LIMIT, 1, H2_CONNECTION_BAD},
    [H2_WINDOW_UPDATE] = {ANYWHERE, LENGTH(4), H2_CONNECTION_BAD},
    [H2_CONTINUATION] = {ON_STREAM, ANY_LENGTH, H2_CONNECTION_BAD},
};

#define RULES (sizeof(rules) / sizeof(rules[0]))

static const struct h2_check fine = {H2_FINE, H2_NO_ERROR};

static uint32_t
read_32(const char *at)
{
	uint32_t number;

	memcpy(&number, at, sizeof(number));
	return be32toh(number);
}

/* The top bit is reserved or, in a priority, the exclusive flag. */
static uint32_t
read_31(const char *at)
{
	return read_32(at) & H2_STREAM_LIMIT;
}

static struct h2_check
connection_error(enum h2_error error)
{
	return (struct h2_check){H2_CONNECTION_BAD, error};
}

static struct h2_check
stream_error(enum h2_error error)
{
	return (struct h2_check){H2_STREAM_BAD, error};
}

struct h2_frame
h2_frame_read(const char *at)
{
	return (struct h2_frame){
	    .length = read_32(at) >> 8,
	    .type = (unsigned char)at[3],
	    .flags = (unsigned char)at[4],
	    .stream = read_31(at + 5),
	};
}

static bool
is_in_place(const struct h2_frame *frame, enum place place)
{
	switch (place) {
	case ON_STREAM:
		return frame->stream != 0;
	case ON_CONNECTION:
		return frame->stream == 0;
	case ANYWHERE:
		return true;
	case NOWHERE:
		return false;
	}
	return false;
}

static bool
has_right_length(const struct h2_frame *frame, const struct rule *rule)
{
	uint32_t min = rule->length_min, max = rule->length_max;

	if (frame->type == H2_SETTINGS && h2_frame_has(frame, H2_ACK))
		max = 0;
	if (frame->type == H2_DATA || frame->type == H2_HEADERS)
		min = h2_prefix_len(frame);
	return frame->length >= min && frame->length <= max &&
	       frame->length % rule->length_step == 0;
}

struct h2_check
h2_frame_check(const struct h2_frame *frame, uint32_t size_max)
{
	const struct rule *rule;

	if (frame->length > size_max)
		return connection_error(H2_FRAME_SIZE_ERROR);
	if (frame->type >= RULES)
		return fine;
	rule = &rules[frame->type];
	if (!is_in_place(frame, rule->place))
		return connection_error(H2_PROTOCOL_ERROR);
	if (!has_right_length(frame, rule))
		return (struct h2_check){rule->bad_length, H2_FRAME_SIZE_ERROR};
	return fine;
}

static bool
is_due(const struct h2_frame *frame, enum h2_due due)
{
	switch (due) {
	case H2_DUE_ANY:
		return true;
	case H2_DUE_SETTINGS:
		return frame->type == H2_SETTINGS && !h2_frame_has(frame, H2_ACK);
	case H2_DUE_CONTINUATION:
		return frame->type == H2_CONTINUATION;
	}
	return false;
}

bool
h2_frame_next(struct slice in, enum h2_due due, struct h2_frame *frame, struct slice *payload,
    struct h2_check *check)
{
	*payload = (struct slice){0};
	if (in.len < H2_FRAME_HEAD_LEN)
		return false;
	*frame = h2_frame_read(in.at);
	*check = is_due(frame, due) ? h2_frame_check(frame, H2_FRAME_SIZE_DEFAULT)
				    : connection_error(H2_PROTOCOL_ERROR);
	if (check->scope == H2_CONNECTION_BAD)
		return true;
	if (in.len - H2_FRAME_HEAD_LEN < frame->length)
		return false;
	*payload = (struct slice){in.at + H2_FRAME_HEAD_LEN, frame->length};
	return true;
}

struct slice
h2_due_text(enum h2_due due)
{
	switch (due) {
	case H2_DUE_ANY:
		break;
	case H2_DUE_SETTINGS:
		return SLICE("valid SETTINGS must come first");
	case H2_DUE_CONTINUATION:
		return SLICE("a valid CONTINUATION must follow");
	}
	return SLICE("frame not valid");
}

uint32_t
h2_prefix_len(const struct h2_frame *frame)
{
	uint32_t len = h2_frame_has(frame, H2_PADDED) ? 1 : 0;

	if (frame->type == H2_HEADERS && h2_frame_has(frame, H2_WITH_PRIORITY))
		len += PRIORITY_LEN;
	return len;
}

struct h2_check
h2_prefix_read(const struct h2_frame *frame, const char *prefix, uint32_t *content)
{
	uint32_t prefix_len = h2_prefix_len(frame);
	uint32_t padding = h2_frame_has(frame, H2_PADDED) ? (unsigned char)*prefix++ : 0;

	*content = 0;
	if (padding > frame->length - prefix_len)
		return connection_error(H2_PROTOCOL_ERROR);
	*content = frame->length - prefix_len - padding;
	if (frame->type == H2_HEADERS && h2_frame_has(frame, H2_WITH_PRIORITY))
		return h2_priority_check(frame, prefix);
	return fine;
}

struct h2_check
h2_priority_check(const struct h2_frame *frame, const char *payload)
{
	return read_31(payload) == frame->stream ? stream_error(H2_PROTOCOL_ERROR) : fine;
}

static enum h2_error
read_error(const char *at)
{
	uint32_t code = read_32(at);

	return code <= H2_HTTP_1_1_REQUIRED ? (enum h2_error)code : H2_INTERNAL_ERROR;
}

enum h2_error
h2_rst_stream_read(const char *payload)
{
	return read_error(payload);
}

struct h2_check
h2_window_update_read(const struct h2_frame *frame, const char *payload, uint32_t *increment)
{
	*increment = read_31(payload);
	if (*increment > 0)
		return fine;
	return frame->stream != 0 ? stream_error(H2_PROTOCOL_ERROR)
				  : connection_error(H2_PROTOCOL_ERROR);
}

struct h2_goaway
h2_goaway_read(struct slice payload)
{
	return (struct h2_goaway){
	    .last = read_31(payload.at),
	    .error = read_error(payload.at + 4),
	    .debug = slice_after(payload, 8),
	};
}

bool
h2_window_add(int32_t *window, uint32_t increment)
{
	int64_t sum = (int64_t)*window + increment;

	if (sum > H2_WINDOW_LIMIT)
		return false;
	*window = (int32_t)sum;
	return true;
}

bool
h2_window_shift(int32_t *window, uint32_t from, uint32_t to)
{
	int64_t shifted = (int64_t)*window + to - from;

	if (shifted > H2_WINDOW_LIMIT || shifted < -(int64_t)H2_WINDOW_LIMIT)
		return false;
	*window = (int32_t)shifted;
	return true;
}
