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

/* A list, split into pseudo-fields and other fields. */
struct h2_list {
	struct slice pseudo[H2_PSEUDO_COUNT]; /* {0} if there is none; a value may be empty */
	unsigned present;     /* a bit (1 << id) for each pseudo-field in the list */
	struct fields fields; /* all others, in the same array */
	size_t cookies;	      /* how many of them have the name Cookie */
	size_t bytes; /* about the size of the list in HTTP/1: names, values, 4 for each field */
};

static inline bool
h2_has(const struct h2_list *list, enum h2_pseudo id)
{
	return (list->present >> id & 1) != 0;
}

/*
 * Split a whole block that is not too large. False: it is malformed, a stream error of type
 * PROTOCOL_ERROR. It is malformed when block->malformed says so, when a pseudo-field comes late or
 * twice or is not among `allowed` (bits as in h2_list.present), and when it has a field that is
 * about the connection, or TE with a value other than "trailers" (RFC 9113 sections 8.2.2 and 8.3).
 */
bool h2_list_read(const struct hpack_block *block, unsigned allowed, struct h2_list *out);

/*
 * Read trailers from a whole block. Those that must not be forwarded are marked dropped, see
 * trailers_parse. False: too large, or malformed; a pseudo-field makes them malformed, too.
 */
bool h2_trailers_read(
    const struct hpack_block *block, const char *const *listed, struct fields *out);

/*
 * Compares the content of a message with what its head says (RFC 9113 section 8.1.1). A plain
 * value; start with h2_content_of. For a tunnel that is CONTENT_UNKNOWN.
 */
struct h2_content {
	uint64_t left; /* bytes still to come, if known */
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

/*
 * DATA with this many bytes, without padding, has come. False: more than the head says, so the
 * message is malformed.
 */
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

/* The stream has ended. False: less came than the head says, so the message is malformed. */
static inline bool
h2_content_whole(const struct h2_content *content)
{
	return !content->known || content->left == 0;
}

#endif
