/* request.h - the rules for requests that hold in every protocol. */
#ifndef JOBGATE_HTTP_REQUEST_H
#define JOBGATE_HTTP_REQUEST_H

#include "http/target.h"
#include "jobgate/message.h"

/* Why a request is not served; request_rejection has the answer for each. */
enum request_error {
	REQUEST_OK,
	REQUEST_MALFORMED, /* it breaks the rules of its protocol (HTTP/2: a stream error of type
			      PROTOCOL_ERROR) */
	REQUEST_BAD_TARGET,
	REQUEST_BAD_SCHEME,	 /* neither http nor https */
	REQUEST_BAD_HOST,	 /* none or several, or no valid authority */
	REQUEST_HOST_DIFFERS,	 /* the target names another authority than Host does */
	REQUEST_HIDES_DOTS,	 /* see PATH_BAD */
	REQUEST_BAD_EXPECT,	 /* 417: an expectation other than 100-continue */
	REQUEST_TARGET_TOO_LONG, /* 414 */
	REQUEST_TOO_LARGE,	 /* 431: more bytes or more fields than allowed */
	REQUEST_NOT_SERVED,	 /* 405: CONNECT or TRACE */
	REQUEST_BAD_PROTOCOL,	 /* 501: extended CONNECT for a protocol other than WebSocket */
};

/* For exchange_reject. */
struct request_rejection {
	unsigned status;
	struct slice title, detail;
};

/* The answer for this error, which must not be REQUEST_OK. Static. */
struct request_rejection request_rejection(enum request_error error);

/*
 * Set authority, path, path_resolved and query from the target (if it has an authority, that is
 * valid) and from the Host field (empty: there is none). request->method_id and method are set
 * before. The path is the one that is routed and forwarded: dot segments are resolved, and raw
 * bytes escaped. It lies in the target's text, or in `room`, which must have PATH_ESCAPE_GROWTH
 * times its length. This does not judge whether CONNECT is served.
 */
enum request_error request_set_target(
    struct request *request, const struct target *target, struct slice host, char *room);

#endif
