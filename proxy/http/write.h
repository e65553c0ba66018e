/* write.h - writes HTTP/1 heads and chunk framing into the caller's buffer. */
#ifndef JOBGATE_HTTP_WRITE_H
#define JOBGATE_HTTP_WRITE_H

#include <stdint.h>

#include "jobgate/message.h"

/*
 * Where to write. A piece that does not fit is left out as a whole and sets `full`, which the
 * caller checks once, at the end of a message.
 */
struct writer {
	char *at;  /* next byte */
	char *end; /* after the last one */
	bool full;
};

static inline struct writer
writer_of(char *at, size_t cap)
{
	return (struct writer){at, at + cap, false};
}

void write_slice(struct writer *writer, struct slice text);
void write_number(struct writer *writer, uint64_t number); /* decimal */
#define write_literal(writer, literal) write_slice((writer), SLICE(literal))

/*
 * "METHOD path?query HTTP/1.1\r\n"; base, the path of a job's URL, comes before path (may be
 * empty).
 */
void write_request_line(struct writer *writer, struct slice method, struct slice base,
    struct slice path, struct slice query);

/* "HTTP/1.1 200 OK\r\n"; if reason is empty, the standard phrase (none for unknown codes). */
void write_status_line(struct writer *writer, unsigned status, struct slice reason);

/* "Name: value\r\n" */
void write_field(struct writer *writer, struct slice name, struct slice value);

/* All fields that are not dropped. */
void write_fields(struct writer *writer, const struct fields *fields);

/* Take the next field that write_field wrote from *rest: its name and value; false at the end. */
bool field_line_next(struct slice *rest, struct field *out);

/* The standard reason phrase of a status, or an empty slice. Static. */
struct slice reason_phrase(unsigned status);

#define CHUNK_HEAD_MAX 18 /* 16 hex digits and CRLF */

/* "1a2b\r\n" into out; returns its length. size must be more than 0. */
size_t chunk_head(uint64_t size, char out[CHUNK_HEAD_MAX]);

/* "Sun, 06 Nov 1994 08:49:37 GMT" of a Unix time (RFC 9110 section 5.6.7), without NUL. */
#define HTTP_DATE_LEN 29
void http_date(int64_t unix_seconds, char out[HTTP_DATE_LEN]);

#endif
