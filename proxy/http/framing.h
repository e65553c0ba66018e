/* framing.h - what a head says about its message: its body, its connection, its upgrade. */
#ifndef JOBGATE_HTTP_FRAMING_H
#define JOBGATE_HTTP_FRAMING_H

#include "http/body.h"
#include "http/head.h"

enum framing_error {
	FRAMING_OK,
	FRAMING_BAD_LENGTH,	/* several, not only digits, or more than 2^63 - 1 */
	FRAMING_BAD_CODING,	/* Transfer-Encoding other than one "chunked", or in HTTP/1.0 */
	FRAMING_CONFLICT,	/* both */
	FRAMING_BAD_HOST,	/* HTTP/1.1 with none or several, or no valid authority */
	FRAMING_BAD_CONNECTION, /* a member of Connection is not a token, or there are too many */
	FRAMING_BAD_EXPECT,	/* 417: an expectation other than 100-continue */
	FRAMING_BAD_UPGRADE,	/* an answer of 101 names no protocol */
};

struct request_framing {
	enum body_kind body;  /* BODY_NONE, BODY_LENGTH or BODY_CHUNKED */
	uint64_t length;      /* bytes, with BODY_LENGTH */
	bool keep_alive;      /* the client keeps the connection open (RFC 9112 section 9.3) */
	bool expect_continue; /* only in 1.1 */
	struct slice host;    /* the Host field's value; empty when HTTP/1.0 sent none */
	struct slice upgrade; /* HTTP/1.1: the first protocol in Upgrade, if Connection lists
				 Upgrade; else empty */
};

/*
 * Read the framing and the connection options of a request, and mark as dropped all fields that
 * must not be forwarded: hop-by-hop fields (Connection, Keep-Alive, Proxy-Connection,
 * Proxy-Authenticate, Proxy-Authorization, TE, Transfer-Encoding, Upgrade, HTTP2-Settings), the
 * fields that Connection lists, and Content-Length, Host and Expect (the gateway writes its own).
 * Content-Length: 0 gives BODY_LENGTH with 0.
 */
enum framing_error request_framing(struct request_head *head, struct request_framing *out);

/*
 * The same for the fields of a request of any version. HTTP/2 needs no Host, and its body ends with
 * its stream: BODY_NONE means that no length was sent.
 */
enum framing_error request_fields_framing(
    struct fields fields, enum http_version version, struct request_framing *out);

struct response_framing {
	enum body_kind body; /* any */
	uint64_t length;     /* with BODY_LENGTH; and when length_known */
	bool length_known;   /* Content-Length was sent, even if no body follows (HEAD, 304) */
	bool keep_alive;
	struct slice upgrade; /* with 101 */
};

/*
 * The same for an answer to a request of this method. 1xx, 204, 304 and answers
 * to HEAD have BODY_NONE (RFC 9112 section 6.3); a 101 must name one protocol. After a 1xx or
 * 204 that announces content, keep_alive is false: its server may send that content.
 */
enum framing_error response_framing(
    struct response_head *head, enum method_id method, struct response_framing *out);

/* The same for the fields of an answer of any version; HTTP/2: BODY_UNTIL_CLOSE means that no
 * length was sent. */
enum framing_error response_fields_framing(struct fields fields, unsigned status,
    enum http_version version, enum method_id method, struct response_framing *out);

#endif
