/* message.h - requests and answers as values, independent of any protocol's wire form. */
#ifndef JOBGATE_MESSAGE_H
#define JOBGATE_MESSAGE_H

#include <stdint.h>

#include "jobgate/slice.h"

/*
 * The fields that the gateway reads, writes or removes; FIELD_OTHER (0) is all others. Their table
 * is fields.def.
 */
enum field_id {
#define KIND(id, to_backend, to_client, flags) FIELD_##id,
#include "jobgate/fields.def"
	FIELD_COUNT, /* the number of ids; no field has this one */
};

/* One field line. */
struct field {
	struct slice name, value; /* value without the white space around it */
	enum field_id id;
	bool dropped;	    /* not to be forwarded */
	bool never_indexed; /* received as never indexed over HTTP/2, and must be sent so (RFC 7541
			       section 6.2.3) */
};

struct fields {
	struct field *items;
	size_t count;
};

/* True when any of them is to be forwarded. NULL: there are none. */
static inline bool
fields_are_any(const struct fields *fields)
{
	for (size_t i = 0; fields != NULL && i < fields->count; i++)
		if (!fields->items[i].dropped)
			return true;
	return false;
}

enum method_id {
	METHOD_OTHER, /* an extension method, forwarded unchanged */
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

/* The version of HTTP that a client speaks, as far as it affects what is sent to it. */
enum http_version {
	HTTP_1_0, /* without interim answers and content of unknown length */
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
 * A request's head. Hop-by-hop fields are marked dropped. All slices point into memory of its
 * connection, or of a copy of the request (suspended.h, kept_request.h).
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
	bool takes_trailers; /* the client can read trailers of the answer; set when it is forwarded
			      */
	bool exclusive; /* it may change the state of its connection (NTLM, an upgrade that HTTP/2
			   does not have): no other request may share the connection or follow
			   on it; set when it is forwarded */
	bool path_resolved; /* the client's path had dot segments */
	enum http_version version;
};

/*
 * True for an extended CONNECT (RFC 8441): its client takes every 2xx for an open tunnel. Unlike
 * HTTP/1's handshake for a WebSocket, it has no Sec-WebSocket-Key.
 */
static inline bool
request_is_extended_connect(const struct request *request)
{
	return request->version == HTTP_2 && request->upgrade.len > 0;
}

/* True when the request asks for a WebSocket, in either protocol. */
static inline bool
request_asks_websocket(const struct request *request)
{
	return request->upgrade.len > 0 && slice_equal_nocase(request->upgrade, SLICE("websocket"));
}

/* An answer's head: a backend's, or a local reply's. */
struct response {
	unsigned status;     /* 101 with tunnel; a protocol without 101 sends its own status */
	struct slice reason; /* may be empty */
	struct fields fields;
	enum content content; /* CONTENT_NONE for HEAD, 204, 304 */
	uint64_t length;
	bool length_known; /* announce length although no content follows (HEAD, 304) */
	bool tunnel;	   /* content follows in both directions, until each side ends it */
	bool no_reuse;	   /* over HTTP/1, the connection serves no other request after this one */
	struct slice upgrade;	    /* with tunnel: the protocol switched to */
	bool keyless;		    /* with tunnel: opened over HTTP/2, which proves no key */
	struct slice websocket_key; /* with keyless: that of the client's request; may be empty */
};

#endif
