/* message.h - requests and answers as values, free of any protocol's wire form. */
#ifndef JOBGATE_MESSAGE_H
#define JOBGATE_MESSAGE_H

#include <stdint.h>

#include "jobgate/slice.h"

/*
 * The fields that the gateway reads, writes or removes, FIELD_OTHER (0) for all others. Their table
 * is fields.def, which says what each one is.
 */
enum field_id {
#define KIND(id, to_backend, to_client, flags) FIELD_##id,
#include "jobgate/fields.def"
	FIELD_COUNT, /* of ids; no field has this one */
};

/* One field line. */
struct field {
	struct slice name, value; /* value without the white space around it */
	enum field_id id;
	bool dropped;	    /* not to be forwarded */
	bool never_indexed; /* came so over HTTP/2, and must go on so (RFC 7541 section 6.2.3) */
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

/* Which HTTP a client speaks, where that makes a difference to what it is sent. */
enum http_version {
	HTTP_1_0, /* knows neither interim answers nor content of unknown length */
	HTTP_1_1,
	HTTP_2,
};

static inline bool
status_is_success(unsigned status)
{
	return status >= 200 && status < 300;
}

/* How long a message's content is, as far as its head says. */
enum content {
	CONTENT_NONE,
	CONTENT_LENGTH,	 /* exactly `length` bytes, which may be 0 */
	CONTENT_UNKNOWN, /* until the sender says that it ends */
};

/*
 * A request's head. Hop-by-hop fields are marked dropped; all slices belong to the connection that
 * it came on, or to a copy of it (suspended.h, kept_request.h).
 */
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
	bool takes_trailers;  /* the client can read trailers of the answer; set on the way out */
	bool exclusive;	    /* it may change what its connection is for (an upgrade, NTLM): no other
			       request may share the connection or follow on it; set on the way out */
	bool path_resolved; /* path had dot segments when it came */
	enum http_version version;
};

/*
 * Does the client of this request take every answer of 2xx for an open tunnel (RFC 8441)? HTTP/1's
 * handshake for a WebSocket is not in such a request: it has no Sec-WebSocket-Key.
 */
static inline bool
request_is_extended_connect(const struct request *request)
{
	return request->version == HTTP_2 && request->upgrade.len > 0;
}

/* An answer's head: a backend's, or a local reply's. */
struct response {
	unsigned status;     /* 101 with tunnel; a protocol that has no 101 sends its own */
	struct slice reason; /* may be empty */
	struct fields fields;
	enum content content; /* CONTENT_NONE for HEAD, 204, 304 */
	uint64_t length;
	bool length_known; /* length is to be announced although no content follows (HEAD, 304) */
	bool tunnel;	   /* content follows in both directions, until each side ends it */
	bool last; /* no other request is served on the connection, where its protocol has one after
		      another */
	struct slice upgrade; /* with tunnel: the protocol switched to */
};

#endif
