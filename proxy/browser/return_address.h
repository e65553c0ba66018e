/* return_address.h - where the sign-in host sends a browser back to: a page of a job's host. Pure
 * functions. */
#ifndef JOBGATE_BROWSER_RETURN_ADDRESS_H
#define JOBGATE_BROWSER_RETURN_ADDRESS_H

#include "browser/page.h"
#include "http/target.h"
#include "http/write.h"

/* Of an address, in bytes: scheme, authority, path and query. */
#define RETURN_ADDRESS_MAX (sizeof("https://") + 263 + PAGE_TO_MAX)

/* Each byte becomes at most three. */
#define RETURN_ADDRESS_ENCODED_MAX (3 * RETURN_ADDRESS_MAX)

/* Slices of the text that was parsed. */
struct return_address {
	struct slice site;	    /* "https://host[:port]", as it was written */
	struct authority authority; /* of the site */
	struct slice to;	    /* path and query, see page_to_is_local */
};

/*
 * Parse an address, decoded from the query of the sign-in page. A stranger can write this query, so
 * the caller must also check that a job has this host; otherwise the page would send browsers to
 * any site (an open redirect).
 *
 * False for another scheme than that of the connection (tls: https), user info, a missing path, a
 * fragment (it would replace the browser's own, which the browser keeps across redirects, RFC 9110
 * section 10.2.2), dot segments, a path of the gateway's own (the browser would go round in
 * circles), and any byte at which browsers and this function could differ.
 */
bool return_address_parse(struct slice text, bool tls, struct return_address *out);

/* The address in a query ("?to=..."), decoded into room. False when it has none, or two. */
bool return_address_in(
    struct slice query, bool tls, char room[RETURN_ADDRESS_MAX], struct return_address *out);

/* host[:port] of its site, as it was written. */
struct slice return_address_authority(const struct return_address *address);

/*
 * Write an address as the value of a query's field, percent-encoded (RFC 3986 section 2.1): the
 * authority as the client wrote it, and a path and query. Returns the length, or 0 when it would
 * not be parsed or does not fit.
 */
size_t return_address_write(
    struct slice authority, struct slice to, bool tls, char *out, size_t cap);

/* Percent-encode a text as the value of a query's field. */
void return_address_encode(struct writer *writer, struct slice text);

#endif
