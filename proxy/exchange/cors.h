/* cors.h - which pages of other origins may read answers (the Fetch standard, "CORS protocol"). */
#ifndef JOBGATE_EXCHANGE_CORS_H
#define JOBGATE_EXCHANGE_CORS_H

#include "http/write.h"
#include "jobgate/message.h"

#define PREFLIGHT_FIELDS_MAX 4096 /* bytes of the list of fields that an answer repeats */

/* What a preflight asks for. */
struct preflight {
	struct slice method;
	struct slice fields; /* a list, or empty */
};

/*
 * The value of Access-Control-Allow-Origin for a request: "*", or one of the origins, both of the
 * configuration. origins ends with NULL, and may be NULL itself. NULL: the request has no Origin,
 * several, or one that is not listed.
 */
const char *cors_origin(const char *const *origins, const struct fields *fields);

/*
 * True for a preflight: OPTIONS with Origin and Access-Control-Request-Method, and with fields that
 * are what the standard says, so that an answer may repeat them.
 */
bool cors_preflight(const struct request *request, struct preflight *out);

/*
 * An answer's fields for a request with this cors_origin, which may be NULL. An answer that says
 * something about CORS itself is left alone. Others say that they depend on Origin, and which
 * origin may read them. Values are written to room, which outlives the fields.
 */
void cors_answer(struct fields *fields, const char *origin, struct writer *room);

/* Names of fields that a page may read beside the usual ones. */
#define CORS_EXPOSED \
	SLICE("WWW-Authenticate, Retry-After, X-Request-Id, RateLimit, RateLimit-Policy")

#endif
