/* h2_fields.h - the rules that all field blocks of HTTP/2 share (RFC 9113 section 8). */
#ifndef JOBGATE_HTTP_H2_FIELDS_H
#define JOBGATE_HTTP_H2_FIELDS_H

#include "http/head.h"
#include "http/hpack.h"

/* The pseudo-fields, in the order of their ids (fields.def). */
enum h2_pseudo {
	H2_AUTHORITY,
	H2_METHOD,
	H2_PATH,
	H2_PROTOCOL, /* RFC 8441 */
	H2_SCHEME,
	H2_STATUS,
	H2_PSEUDO_COUNT,
};

/* Room for a decoded list: as many fields as a head may have, and the pseudo-fields. */
#define H2_FIELDS_MAX (HEAD_FIELDS_MAX + H2_PSEUDO_COUNT)

/* A list whose pseudo-fields have been taken off. */
struct h2_list {
	struct slice pseudo[H2_PSEUDO_COUNT]; /* {0} where there is none; may be empty */
	unsigned present;		      /* a bit (1 << id) for each that is there */
	struct fields fields;		      /* all others, in the same array */
	size_t cookies;			      /* of them: fields of the name Cookie */
	size_t bytes; /* about what the list takes in HTTP/1: names, values, 4 for each */
};

static inline bool
h2_has(const struct h2_list *list, enum h2_pseudo id)
{
	return (list->present >> id & 1) != 0;
}

/*
 * Take apart a whole block that is not too large. False: malformed, which is a stream error of type
 * PROTOCOL_ERROR. That is what block->malformed says, a pseudo-field that comes late or twice or is
 * not among `allowed` (bits as in h2_list.present), a field that speaks of a connection, or TE
 * other than "trailers" (RFC 9113 sections 8.2.2 and 8.3).
 */
bool h2_list_read(const struct hpack_block *block, unsigned allowed, struct h2_list *out);

/*
 * Read trailers from a whole block. Those that may not travel on are marked dropped, see
 * trailers_parse. False: malformed, which a pseudo-field is too, or too large.
 */
bool h2_trailers_read(
    const struct hpack_block *block, const char *const *listed, struct fields *out);

/*
 * The content of a message against what its head said of it (RFC 9113 section 8.1.1). A plain
 * value; start with h2_content_of. For a tunnel that is CONTENT_UNKNOWN.
 */
struct h2_content {
	uint64_t left; /* bytes still to come, where known */
	bool known;
};

static inline struct h2_content
h2_content_of(enum content content, uint64_t length)
{
	return (struct h2_content){
	    .left = content == CONTENT_LENGTH ? length : 0,
	    .known = content != CONTENT_UNKNOWN,
	};
}

/* DATA with this many bytes, padding left out, has come. False: more than announced, malformed. */
static inline bool
h2_content_take(struct h2_content *content, uint64_t bytes)
{
	if (!content->known)
		return true;
	if (bytes > content->left)
		return false;
	content->left -= bytes;
	return true;
}

/* The stream has ended. False: less than announced, malformed. */
static inline bool
h2_content_whole(const struct h2_content *content)
{
	return !content->known || content->left == 0;
}

#endif
