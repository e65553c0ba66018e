/* head.h - the heads of HTTP/1 messages, parsed as pure functions over bytes (RFC 9112). */
#ifndef JOBGATE_HTTP_HEAD_H
#define JOBGATE_HTTP_HEAD_H

#include "jobgate/message.h"
#include "jobgate/settings.h"

#define HEAD_FIELDS_MAX 256 /* the most fields of a head; the configured limit cannot be higher */

enum head_status {
	HEAD_COMPLETE,
	HEAD_INCOMPLETE,  /* correct so far; more bytes are needed */
	HEAD_BAD,	  /* 400 */
	HEAD_BAD_VERSION, /* 505: an HTTP version other than 1.0 and 1.1, also HTTP/2's preface */
	HEAD_TARGET_TOO_LONG, /* 414 */
	HEAD_TOO_LARGE,	      /* 431: more bytes or more fields than allowed */
};

/* The head of a request as it was sent; the slices point into the parsed bytes. */
struct request_head {
	struct slice method;
	enum method_id method_id;
	struct slice target;
	unsigned minor; /* 0 or 1, of HTTP/1.minor */
	size_t field_count;
	struct field fields[HEAD_FIELDS_MAX];
};

struct response_head {
	unsigned status; /* 100 to 599 */
	struct slice reason;
	unsigned minor;
	size_t field_count;
	struct field fields[HEAD_FIELDS_MAX];
};

/*
 * Find the end of the head in the bytes that have come so far. *scanned remembers how far earlier
 * calls have looked (0 at first), so that a head that comes byte by byte costs linear time.
 * HEAD_COMPLETE: *end is the offset after the empty line. A bare LF, a bare CR or a NUL is HEAD_BAD
 * at once. More than limits->head_bytes without an end is HEAD_TOO_LARGE, or HEAD_TARGET_TOO_LONG
 * when the start line itself is longer than limits->target_bytes plus method and version.
 *
 * One empty line before a request line is allowed (RFC 9112 section 2.2): *start is where the head
 * itself begins (0 or 2). For an answer pass is_request false; then *start is always 0. There are
 * less than 4 GiB of bytes, as in all buffers.
 */
enum head_status head_find(struct slice bytes, bool is_request, const struct head_limits *limits,
    uint32_t *scanned, size_t *start, size_t *end);

/*
 * Parse a whole head (bytes from *start to *end of head_find). Strict: one space between the parts
 * of the start line, no white space before a colon, no obs-fold; names are tokens, and values have
 * no control characters except tabs. Sets the id of each field (see field_identify); dropped is
 * false. Never returns HEAD_INCOMPLETE.
 */
enum head_status head_parse_request(
    struct slice head, const struct head_limits *limits, struct request_head *out);

/* The same for an answer; each result other than HEAD_COMPLETE means a bad answer (502). */
enum head_status head_parse_response(
    struct slice head, const struct head_limits *limits, struct response_head *out);

/*
 * Parse only field lines (a trailer section: lines up to and including the empty one), with the
 * same rules. *count is their number, at most cap.
 */
enum head_status fields_parse(struct slice section, struct field *out, size_t cap, size_t *count);

/* Set which method it is. False when it is not a token, or longer than 64 bytes. */
bool method_parse(struct slice text, enum method_id *out);

/* Which field a name means, in any case of letters. */
enum field_id field_identify(struct slice name);

/*
 * Parse a trailer section into out->items, which has room for `cap` fields. Those that must not be
 * forwarded are marked dropped: see TRAILERS_TOO (http/names.h), and the patterns in `listed` (see
 * name_is_listed; NULL: none). False when the section breaks the rules.
 */
bool trailers_parse(
    struct slice section, size_t cap, const char *const *listed, struct fields *out);

/* Mark as dropped as trailers_parse does; the id of each field is set. */
void trailers_mark(struct fields *trailers, const char *const *listed);

/*
 * Walk through a comma-separated list (RFC 9110 section 5.6.1): the next member of *rest, without
 * white space around it. Empty members are left out, and quoted strings are not split. False at the
 * end.
 */
bool list_next(struct slice *rest, struct slice *member);

/*
 * True when a field of HTTP/2 may have this value (RFC 9110 section 5.5), which has no white space
 * around it (RFC 9113 section 8.2.1).
 */
bool h2_value_is_good(struct slice text);

/* The value of the first field with this id; an empty slice with at NULL when there is none. */
struct slice field_value(const struct fields *fields, enum field_id id);

#endif
