/* names.h - names of fields, and the rules of the table of fields (jobgate/fields.def). */
#ifndef JOBGATE_HTTP_NAMES_H
#define JOBGATE_HTTP_NAMES_H

#include "jobgate/message.h"

/* What happens to a field of a request on its way to the backend. */
enum field_to_backend {
	TO_BACKEND_PASS,
	TO_BACKEND_REPLACE, /* is never forwarded: the gateway sends its own, or none */
	TO_BACKEND_PROXIES, /* passes only from trusted proxies */
	TO_BACKEND_TOKEN,   /* passes unless it holds a credential of ours */
	TO_BACKEND_COOKIES, /* passes without the cookie of a browser session */
	TO_BACKEND_TRACE,   /* passes only with a valid trace context */
};

/* What happens to a field of an answer on its way to the client. */
enum field_to_client {
	TO_CLIENT_PASS,
	TO_CLIENT_DROP,
	TO_CLIENT_SITE,	   /* passes only if no other host of the site has browser sessions */
	TO_CLIENT_COOKIES, /* passes unless it sets a cookie that is not for the job alone */
};

enum field_flag {
	/*
	 * Belongs to one connection, or to the framing of one message: it is read, and never
	 * forwarded as it came (RFC 9110 section 7.6.1; Host too, which becomes the authority).
	 */
	HOP_BY_HOP = 1,
	/*
	 * Also allowed in trailers, because it is not for framing, routing or authentication, and
	 * not set by the gateway (RFC 9110 section 6.5.1).
	 */
	TRAILERS_TOO = 2,
	/* Names that differ from this one only in marks are other fields. Without this flag they
	 * are FIELD_DISGUISED. */
	LOOKALIKES_PASS = 4,
};

/* A row of the table. */
struct field_rule {
	unsigned char to_backend; /* enum field_to_backend */
	unsigned char to_client;  /* enum field_to_client */
	unsigned char flags;	  /* of enum field_flag */
};

extern const struct field_rule field_rules[FIELD_COUNT];

static inline bool
field_has(enum field_id id, enum field_flag flag)
{
	return (field_rules[id].flags & flag) != 0;
}

/* As field_identify, for a non-empty name of only letters, digits and '-'. */
enum field_id name_identify_plain(struct slice name);

/*
 * The same for a name with other characters: FIELD_DISGUISED if a backend could take it for a field
 * that has a meaning.
 */
enum field_id name_identify_disguised(struct slice name);

/*
 * The same for a name of HTTP/2: FIELD_PSEUDO_* for the pseudo-fields (RFC 9113 sections 8.3.1 and
 * 8.3.2, RFC 8441 section 4). False, with FIELD_OTHER, when it is neither one of them nor a token
 * in lower case: then the message is malformed (RFC 9113 section 8.2.1).
 */
bool h2_name_identify(struct slice name, enum field_id *id);

/*
 * Turn a field name into a pattern, in place: lower case, '-' for every other character. A '*' at
 * its end matches any rest. False when it is not a field name.
 */
bool name_pattern_make(char *text);

/*
 * True when one of these patterns matches the name, in which every character other than a letter or
 * digit counts as '-'. patterns ends with NULL; it may be NULL itself.
 */
bool name_is_listed(struct slice name, const char *const *patterns);

#endif
