/* outcome.h - how an exchange ended: one word in the access log and in metrics. */
#ifndef JOBGATE_OUTCOME_H
#define JOBGATE_OUTCOME_H

/* observe/shared.c has the words. */
enum outcome {
	OUTCOME_ANSWERED,   /* the backend's answer was relayed completely */
	OUTCOME_REDIRECTED, /* 308: to https, without reading its token; or to a job's path with a
			       slash */
	OUTCOME_AUTHORIZED, /* another proxy was told that the request may pass */
	OUTCOME_SIGNED_IN,  /* a browser got a session */
	OUTCOME_SIGNED_OUT,
	OUTCOME_PREFLIGHT,	 /* a browser was told which requests a page may make (CORS) */
	OUTCOME_REFUSED,	 /* a verdict other than allow; see the verdict's own counter */
	OUTCOME_RATE_LIMITED,	 /* 429: too many failed authentications from one address */
	OUTCOME_BAD_REQUEST,	 /* a local reply 4xx or 501: malformed, over a limit, not served */
	OUTCOME_HEAD_TIMEOUT,	 /* 408 */
	OUTCOME_BODY_TIMEOUT,	 /* the request's body stopped coming */
	OUTCOME_NOT_RESOLVED,	 /* 502: the backend's name has no address */
	OUTCOME_NOT_ALLOWED,	 /* 502: the guard refused the backend's address */
	OUTCOME_CONNECT_FAILED,	 /* 502 */
	OUTCOME_NOT_VERIFIED,	 /* 502: the backend's certificate is not trusted */
	OUTCOME_CONNECT_TIMEOUT, /* 504 */
	OUTCOME_CIRCUIT_OPEN,	 /* 503: the backend has refused connections, so it was not tried */
	OUTCOME_ANSWER_TIMEOUT,	 /* 504: no first byte in time */
	OUTCOME_DEADLINE,	 /* the deadline that the client set for its gRPC call */
	OUTCOME_BAD_ANSWER,	 /* 502: not valid HTTP */
	OUTCOME_BACKEND_CLOSED,	 /* 502, or cut after the head was sent */
	OUTCOME_ANSWER_IDLE, /* cut: the answer's body stopped coming, or the client stopped reading
				it */
	OUTCOME_CLIENT_CLOSED,	 /* the client went away first */
	OUTCOME_REVOKED,	 /* cut: the token or job changed */
	OUTCOME_CUT,		 /* an operator ended the session (DELETE /v1/sessions) */
	OUTCOME_SESSION_EXPIRED, /* cut: the browser's session has expired */
	OUTCOME_TUNNEL_CLOSED,	 /* a tunnel ended normally */
	OUTCOME_TUNNEL_IDLE,
	OUTCOME_SHUTDOWN, /* cut when the drain time was over */
};
#define OUTCOME_COUNT (OUTCOME_SHUTDOWN + 1)

#endif
