/* reading.h - one message as a parser reads it: as our codec does, and as Debian's libhttp-parser
 * does. */
#ifndef JOBGATE_FUZZ_READING_H
#define JOBGATE_FUZZ_READING_H

#include "http/head.h"

enum reading_status {
	READING_REFUSED,
	READING_HEAD, /* the head is not complete */
	READING_BODY, /* the head is; the body is not */
	READING_WHOLE,
};

/* The slices point into the bytes that were read. */
struct reading {
	enum reading_status status;
	unsigned error;			   /* libhttp-parser's enum http_errno, when it refused */
	struct slice method, target;	   /* of a request */
	unsigned code, minor;		   /* the status of an answer; HTTP/1.minor */
	struct slice reason;		   /* of an answer */
	size_t field_count, trailer_count; /* the trailers stand behind the fields */
	struct field fields[2 * HEAD_FIELDS_MAX];
	size_t content_len;
	uint64_t content_sum; /* of the content, order included */
	bool in_trailers;     /* READING_BODY: some of them have come */
	size_t end;	      /* READING_WHOLE: where the message ends */
};

extern const struct head_limits reading_limits;

/* Read the first request in bytes. */
void reading_of_request(struct slice bytes, struct reading *out);

/* Read the first answer to a request of this method; closed: nothing comes behind bytes. */
void reading_of_response(
    struct slice bytes, enum method_id method, bool closed, struct reading *out);

/*
 * The same by libhttp-parser. It is told where an answer has no content (HEAD, 204, 304), since
 * it reads some there.
 */
void peer_reading_of_request(struct slice bytes, struct reading *out);
void peer_reading_of_response(
    struct slice bytes, enum method_id method, bool closed, struct reading *out);

/* Abort unless both say the same of head, content and end. */
void readings_compare(const struct reading *ours, const struct reading *peers);

/* Four things that libhttp-parser does not read as RFC 9110 and 9112 say. */

/* The first field with this id ends with a tab: white space, but not to the peer. */
bool reading_ends_with_tab(const struct reading *reading, enum field_id id);

/* There is a field whose name goes on behind this one, which is in lower case: it is another field,
 * but not to the peer. */
bool reading_has_longer_name(const struct reading *reading, struct slice name);

/* A trailer has the name of a field that frames: it frames nothing (RFC 9110 section 6.5.1) and we
 * drop it, but the peer judges its value. */
bool reading_has_framing_trailer(const struct reading *reading);

/* A tab stands behind a hex digit: white space behind a chunk's size (RFC 9112 section 7.1.1), but
 * the peer knows none there but a space. */
bool bytes_have_tab_behind_size(struct slice bytes);

/* Add content to a reading. */
void reading_add_content(struct reading *reading, struct slice data);

#endif
