/* head.c - finds and parses the heads of requests and answers. */
#include "http/head.h"

#include "http/bytes.h"

/*
 * The other parts of a request line, besides its target: a method of reasonable length, two spaces,
 * the version.
 */
#define METHOD_MAX 64
#define START_LINE_EXTRA (METHOD_MAX + 2 + 8)

/* Check a line of the head, from `line` to its LF at `lf`: its only CR is the one before the LF. */
static bool
line_is_clean(struct slice bytes, size_t line, size_t lf)
{
	return lf > line && memchr(bytes.at + line, '\r', lf - line) == bytes.at + lf - 1;
}

/* Check the beginning of a line that is not complete yet: a CR is allowed only at its end. */
static bool
partial_is_clean(struct slice bytes, size_t line)
{
	struct slice rest = slice_after(bytes, line);
	const char *cr = rest.len > 0 ? memchr(rest.at, '\r', rest.len) : NULL;

	return cr == NULL || cr == rest.at + rest.len - 1;
}

/* True when it is already too long, although it is not complete. */
static enum head_status
check_room(struct slice bytes, size_t start, size_t scanned, bool is_request,
    const struct head_limits *limits)
{
	bool in_start_line = is_request && scanned == start;

	if (in_start_line && bytes.len - start > limits->target_bytes + START_LINE_EXTRA)
		return HEAD_TARGET_TOO_LONG;
	if (bytes.len - start > limits->head_bytes)
		return HEAD_TOO_LARGE;
	return HEAD_INCOMPLETE;
}

/*
 * Look at one line after the other, from the one that begins at *line, which is the incomplete one
 * in the end. *seen: the end of what was looked at.
 */
static enum head_status
walk_lines(struct slice bytes, bool is_request, const struct head_limits *limits, size_t start,
    size_t *line, size_t *seen)
{
	for (;;) {
		const char *lf =
		    bytes.len > *line ? memchr(bytes.at + *line, '\n', bytes.len - *line) : NULL;
		size_t at;

		if (lf == NULL) {
			*seen = bytes.len;
			return partial_is_clean(bytes, *line)
				   ? check_room(bytes, start, *line, is_request, limits)
				   : HEAD_BAD;
		}
		at = (size_t)(lf - bytes.at);
		*seen = at + 1;
		if (!line_is_clean(bytes, *line, at))
			return HEAD_BAD;
		if (*seen - start > limits->head_bytes)
			return is_request && *line == start ? HEAD_TARGET_TOO_LONG : HEAD_TOO_LARGE;
		if (at == *line + 1) /* the empty line */
			return *line == start ? HEAD_BAD : HEAD_COMPLETE;
		*line = *seen;
	}
}

enum head_status
head_find(struct slice bytes, bool is_request, const struct head_limits *limits, uint32_t *scanned,
    size_t *start, size_t *end)
{
	/* *scanned is the beginning of the first line that may be incomplete. */
	size_t first = *scanned, line;
	enum head_status status;

	*start = is_request && bytes.len >= 2 && memcmp(bytes.at, "\r\n", 2) == 0 ? 2 : 0;
	if (first < *start)
		first = *start;
	line = first;
	status = walk_lines(bytes, is_request, limits, *start, &line, end);
	if (status == HEAD_INCOMPLETE)
		*scanned = (uint32_t)line;
	/* One search in all these lines costs less than one in each. */
	if (*end > first && memchr(bytes.at + first, 0, *end - first) != NULL)
		return HEAD_BAD;
	return status;
}

static enum method_id
method_identify(struct slice method)
{
	static const struct {
		struct slice name;
		enum method_id id;
	} known[] = {
	    {SLICE("GET"), METHOD_GET},
	    {SLICE("HEAD"), METHOD_HEAD},
	    {SLICE("POST"), METHOD_POST},
	    {SLICE("PUT"), METHOD_PUT},
	    {SLICE("DELETE"), METHOD_DELETE},
	    {SLICE("PATCH"), METHOD_PATCH},
	    {SLICE("OPTIONS"), METHOD_OPTIONS},
	    {SLICE("TRACE"), METHOD_TRACE},
	    {SLICE("CONNECT"), METHOD_CONNECT},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (slice_equal(method, known[i].name))
			return known[i].id;
	return METHOD_OTHER;
}

bool
method_parse(struct slice text, enum method_id *out)
{
	if (!is_token(text) || text.len > METHOD_MAX)
		return false;
	*out = method_identify(text);
	return true;
}

/* "HTTP/1.1" or "HTTP/1.0". Another well-formed version has a status of its own. */
static enum head_status
parse_version(struct slice text, unsigned *minor)
{
	if (text.len != 8 || memcmp(text.at, "HTTP/", 5) != 0 || text.at[6] != '.' ||
	    text.at[5] < '0' || text.at[5] > '9' || text.at[7] < '0' || text.at[7] > '9')
		return HEAD_BAD;
	if (text.at[5] != '1' || text.at[7] > '1')
		return HEAD_BAD_VERSION;
	*minor = (unsigned)(text.at[7] - '0');
	return HEAD_COMPLETE;
}

/*
 * The first line of head without its CR LF, and what comes after it. The head has at least one
 * line.
 */
static struct slice
first_line(struct slice head, struct slice *rest)
{
	size_t end = (size_t)((const char *)memchr(head.at, '\n', head.len) - head.at);

	*rest = slice_after(head, end + 1);
	return (struct slice){head.at, end - 1};
}

static enum head_status
parse_request_line(struct slice line, const struct head_limits *limits, struct request_head *out)
{
	const char *first = memchr(line.at, ' ', line.len);
	const char *second;
	struct slice rest;
	enum head_status status;

	if (first == NULL)
		return HEAD_BAD;
	out->method = (struct slice){line.at, (size_t)(first - line.at)};
	if (!method_parse(out->method, &out->method_id))
		return HEAD_BAD;
	rest = slice_after(line, out->method.len + 1);
	second = rest.len > 0 ? memchr(rest.at, ' ', rest.len) : NULL;
	if (second == NULL || second == rest.at)
		return HEAD_BAD;
	out->target = (struct slice){rest.at, (size_t)(second - rest.at)};
	status = parse_version(slice_after(rest, out->target.len + 1), &out->minor);
	if (status != HEAD_COMPLETE)
		return status;
	if (out->target.len > limits->target_bytes)
		return HEAD_TARGET_TOO_LONG;
	return HEAD_COMPLETE;
}

/*
 * The section consists of lines that end in CR LF, the last one empty, as head_find has found it.
 */
static bool
is_section(struct slice head)
{
	return head.len >= 4 && memcmp(head.at + head.len - 4, "\r\n\r\n", 4) == 0;
}

enum head_status
head_parse_request(struct slice head, const struct head_limits *limits, struct request_head *out)
{
	struct slice section, line;
	enum head_status status;

	if (!is_section(head))
		return HEAD_BAD;
	line = first_line(head, &section);
	status = parse_request_line(line, limits, out);
	if (status != HEAD_COMPLETE)
		return status;
	return fields_parse(section, out->fields, limits->fields, &out->field_count);
}

/* "HTTP/1.1 200 OK"; some servers leave out the space before an empty reason. */
static enum head_status
parse_status_line(struct slice line, struct response_head *out)
{
	struct slice reason;
	uint64_t status;

	if (line.len < 12 ||
	    parse_version((struct slice){line.at, 8}, &out->minor) != HEAD_COMPLETE ||
	    line.at[8] != ' ')
		return HEAD_BAD;
	if (!slice_to_number((struct slice){line.at + 9, 3}, 599, &status) || status < 100 ||
	    (line.len > 12 && line.at[12] != ' '))
		return HEAD_BAD;
	out->status = (unsigned)status;
	reason = slice_after(line, line.len > 12 ? 13 : 12);
	for (size_t i = 0; i < reason.len; i++)
		if (!byte_is((unsigned char)reason.at[i], BYTE_VALUE))
			return HEAD_BAD;
	out->reason = reason;
	return HEAD_COMPLETE;
}

enum head_status
head_parse_response(struct slice head, const struct head_limits *limits, struct response_head *out)
{
	struct slice section, line;
	enum head_status status;

	if (!is_section(head))
		return HEAD_BAD;
	line = first_line(head, &section);
	status = parse_status_line(line, out);
	if (status != HEAD_COMPLETE)
		return status;
	return fields_parse(section, out->fields, limits->fields, &out->field_count);
}
