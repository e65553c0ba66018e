/* target.h - request targets and authorities (RFC 9112 section 3.2, RFC 3986). */
#ifndef JOBGATE_HTTP_TARGET_H
#define JOBGATE_HTTP_TARGET_H

#include <stdint.h>

#include "jobgate/slice.h"

enum target_form { TARGET_ORIGIN, TARGET_ABSOLUTE, TARGET_AUTHORITY, TARGET_ASTERISK, TARGET_BAD };

/* All slices point into the target's text. */
struct target {
	enum target_form form;
	struct slice scheme; /* absolute form: "http" or "https", in any case of letters; others are
				TARGET_BAD */
	struct slice authority; /* absolute and authority form */
	struct slice path;  /* origin and absolute form; "/" when an absolute form has no path */
	struct slice query; /* with its '?'; may be empty */
	bool pathless;	    /* absolute form without a path of its own */
	bool raw_path; /* path has bytes that RFC 3986 requires to be escaped: see path_escape */
};

/* Escaping makes a path at most this many times longer. */
#define PATH_ESCAPE_GROWTH 3

/*
 * Parse a target; returns its form. Path and query may have any visible ASCII but '#', as browsers
 * and tools send it (WHATWG URL standard). TARGET_BAD: any other byte, user info in an authority,
 * or, in a path, a backslash or a '%' without two hex digits after it.
 */
enum target_form target_parse(struct slice text, struct target *out);

struct authority {
	struct slice host; /* IPv6 in its brackets */
	uint16_t port;	   /* 0: none given */
};

/*
 * Parse host[:port]. The host is a reg-name of letters, digits, '-', '.' and '_' (no percent
 * escapes and no other sub-delims, which a backend could read differently from us), an IPv4
 * address, or an IPv6 address in brackets. The port is 1 to 65535, or empty, which counts as none
 * (RFC 3986 section 3.2.3). False for anything else.
 */
bool authority_parse(struct slice text, struct authority *out);

/*
 * True when both name the same host (in any case of letters) and the same port; without a port,
 * that of the scheme counts.
 */
bool authority_same(const struct authority *a, const struct authority *b, uint16_t default_port);

enum path_status {
	PATH_CLEAN,    /* nothing to do: the path is in its normal form */
	PATH_RESOLVED, /* the normal form was written to out */
	PATH_BAD, /* refused: there are dot segments that appear only after %2f or %5c is decoded */
};

/*
 * Resolve dot segments, also those written with %2e (RFC 3986 section 5.2.4); ".." at the root
 * stays at the root. All other bytes stay as they are: an encoded slash stays encoded, and empty
 * segments stay. out has room for path.len bytes; *len is the length written. path begins with '/'.
 */
enum path_status path_resolve(struct slice path, char *out, size_t *len);

/* True where path_resolve would say PATH_CLEAN. */
bool path_is_clean(struct slice path);

/*
 * Percent-encode, in place, the bytes that RFC 3986 does not allow in a path (section 2.1). All
 * others stay, also existing escapes. Returns the new length; there must be room for
 * PATH_ESCAPE_GROWTH times len bytes.
 */
size_t path_escape(char *path, size_t len);

#endif
