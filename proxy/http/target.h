/* target.h - request targets and authorities (RFC 9112 section 3.2, RFC 3986). */
#ifndef JOBGATE_HTTP_TARGET_H
#define JOBGATE_HTTP_TARGET_H

#include <stdint.h>

#include "jobgate/slice.h"

enum target_form { TARGET_ORIGIN, TARGET_ABSOLUTE, TARGET_AUTHORITY, TARGET_ASTERISK, TARGET_BAD };

/* All slices point into the target's text. */
struct target {
	enum target_form form;
	struct slice
	    scheme; /* absolute form: "http" or "https" in any case; others are TARGET_BAD */
	struct slice authority; /* absolute and authority form */
	struct slice path;	/* origin and absolute form; "/" when an absolute form has none */
	struct slice query;	/* with its '?'; may be empty */
	bool pathless;		/* absolute form without a path of its own */
	bool raw_path; /* path has bytes that RFC 3986 requires to be escaped: see path_escape */
};

/* Escaping makes a path at most this many times longer. */
#define PATH_ESCAPE_GROWTH 3

/*
 * Parse a target. Path and query may hold any visible ASCII but '#', as browsers and tools send
 * it (WHATWG URL standard); in a path a backslash, and a '%' that no two hex digits follow, are
 * TARGET_BAD. So are all other bytes, and user info in an authority. Returns the form.
 */
enum target_form target_parse(struct slice text, struct target *out);

struct authority {
	struct slice host; /* IPv6 in its brackets */
	uint16_t port;	   /* 0: none given */
};

/*
 * Parse host[:port]: a reg-name of letters, digits, '-', '.', '_' (no percent
 * escapes, no other sub-delims: nothing a backend and we could read differently), an IPv4
 * address or an IPv6 one in brackets; port 1 to 65535, or empty, which counts as none (RFC 3986
 * section 3.2.3). False on anything else.
 */
bool authority_parse(struct slice text, struct authority *out);

/* True when both name the same host (letters without regard to case) and the same port, the
 * scheme's default included. */
bool authority_same(const struct authority *a, const struct authority *b, uint16_t default_port);

enum path_status {
	PATH_CLEAN,    /* nothing to do: path is its own normal form */
	PATH_RESOLVED, /* the normal form was written to out */
	PATH_BAD,      /* dot segments that only show once %2f or %5c is decoded: refused */
};

/*
 * Resolve dot segments, also those written with %2e (RFC 3986 section 5.2.4); ".." above the
 * root stays at the root. All other bytes stay as they are (an encoded slash
 * remains one, empty segments too). out has room for path.len bytes; *len is
 * the length written. path begins with '/'.
 */
enum path_status path_resolve(struct slice path, char *out, size_t *len);

/*
 * Percent-encode, in place, the bytes that RFC 3986 does not allow in a path (section 2.1); all
 * others stay, also existing escapes. Returns the new length; there must be room for
 * PATH_ESCAPE_GROWTH times len bytes.
 */
size_t path_escape(char *path, size_t len);

#endif
