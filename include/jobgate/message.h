/* message.h - requests and answers as values, free of any protocol's wire form. */
#ifndef JOBGATE_MESSAGE_H
#define JOBGATE_MESSAGE_H

#include <stdint.h>

#include "jobgate/slice.h"

/* The fields that the gateway reads, writes or removes; everything else is FIELD_OTHER. */
enum field_id {
	FIELD_OTHER,
	FIELD_ACCEPT,
	FIELD_AUTHORIZATION,
	FIELD_CACHE_CONTROL,
	FIELD_CDN_CACHE_CONTROL, /* shared caches may prefer it to Cache-Control: RFC 9213 and
				    similar fields */
	FIELD_CLEAR_SITE_DATA,
	FIELD_CONNECTION,
	FIELD_CONTENT_LENGTH,
	FIELD_COOKIE,
	FIELD_DATE,
	FIELD_EXPECT,
	FIELD_FORWARDED,
	FIELD_HOST,
	FIELD_HTTP2_SETTINGS,
	FIELD_KEEP_ALIVE,
	FIELD_MAX_FORWARDS,
	FIELD_ORIGIN,
	FIELD_PROXY_AUTHENTICATE,
	FIELD_PROXY_AUTHORIZATION,
	FIELD_PROXY_CLAIM, /* by which proxies describe their clients: addresses, names, URLs */
	FIELD_PROXY_CONNECTION,
	FIELD_PROXY_ORDER, /* instructions of a job to a proxy: X-Accel-*, X-Sendfile */
	FIELD_SET_COOKIE,
	FIELD_TE,
	FIELD_TRACEPARENT,
	FIELD_TRACESTATE,
	FIELD_TRAILER,
	FIELD_TRANSFER_ENCODING,
	FIELD_UPGRADE,
	FIELD_VARY,
	FIELD_VIA,
	FIELD_X_FORWARDED_FOR,
	FIELD_X_FORWARDED_HOST,
	FIELD_X_FORWARDED_PREFIX,
	FIELD_X_FORWARDED_PROTO,
	FIELD_X_JOBGATE, /* any name that begins with x-jobgate- */
	FIELD_X_REQUEST_ID,
	FIELD_DISGUISED, /* equals one of the above once '_' is read as '-' */
};

/* One field line. dropped: not to be forwarded. */
struct field {
	struct slice name, value; /* value without the white space around it */
	enum field_id id;
	bool dropped;
};

struct fields {
	struct field *items;
	size_t count;
};

enum method_id {
	METHOD_OTHER, /* an extension method: forwarded as it stands */
	METHOD_GET,
	METHOD_HEAD,
	METHOD_POST,
	METHOD_PUT,
	METHOD_DELETE,
	METHOD_PATCH,
	METHOD_OPTIONS,
	METHOD_TRACE,
	METHOD_CONNECT,
};

/* RFC 9110 section 9.2.2. */
static inline bool
method_is_idempotent(enum method_id method)
{
	return method == METHOD_GET || method == METHOD_HEAD || method == METHOD_OPTIONS ||
	       method == METHOD_PUT || method == METHOD_DELETE;
}

/* How long a message's content is, as far as its head says. */
enum content {
	CONTENT_NONE,
	CONTENT_LENGTH,	 /* exactly `length` bytes, which may be 0 */
	CONTENT_UNKNOWN, /* until the sender says that it ends */
};

/* A request's head. Hop-by-hop fields are marked dropped; all slices belong to the connection. */
struct request {
	struct slice method;
	enum method_id method_id;
	struct slice authority; /* host[:port] as sent; empty only in HTTP/1.0 */
	struct slice path;	/* absolute, dot segments resolved; or "*" with OPTIONS */
	struct slice query;	/* with its '?'; may be empty */
	struct fields fields;
	enum content content;
	uint64_t length;
	bool expect_continue; /* the client waits for 100 before it sends content */
	struct slice upgrade; /* the one protocol asked for, or empty */
	bool path_resolved;   /* path had dot segments when it came */
	unsigned minor;	      /* of HTTP/1.x, for Via and for what 1.0 clients cannot read */
};

/* An answer's head, of a backend or of ours. */
struct response {
	unsigned status;
	struct slice reason; /* may be empty */
	struct fields fields;
	enum content content; /* CONTENT_NONE for HEAD, 204, 304 */
	uint64_t length;
	bool length_known; /* length is to be announced although no content follows (HEAD, 304) */
	struct slice upgrade; /* with 101: the protocol switched to */
};

#endif
