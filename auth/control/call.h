/* call.h - one request to the control API, from its arrival to its one answer. */
#ifndef JOBGATE_CONTROL_CALL_H
#define JOBGATE_CONTROL_CALL_H

#include <jansson.h>
#include <sys/types.h>

#include "jobgate/slice.h"

#define CALL_REQUEST_ID_LEN 32

struct connection;

/*
 * A handler is given a call and answers it exactly once, at once or later, by one of
 * the call_answer functions; the call is gone after that. It may be answered
 * when its client has left: nothing is sent then, the rest is the same.
 */
struct call {
	void *ctx;	       /* of the server */
	char *target;	       /* owns path, id and query */
	struct slice path, id; /* id: what stood for {id} */
	struct slice query;    /* without '?', percent-encoded */
	char *body;	       /* NUL-terminated; wiped at the end */
	size_t body_len;
	uid_t peer_uid; /* of a client on the Unix socket; -1 elsewhere */
	pid_t peer_pid;
	char request_id[CALL_REQUEST_ID_LEN + 1];
	void *state; /* the handler's own, given to state_free at the end */
	void (*state_free)(void *state);

	/* The server's. */
	struct connection *connection; /* NULL once the client has left */
	const struct endpoint *row;
};

/* For the server: a call for this target, copied; NULL when memory or randomness is short. */
struct call *call_new(struct slice path, struct slice query);
void call_free(struct call *call);

/* Answer with JSON, which it takes; with body NULL there is no content (204). */
void call_answer(struct call *call, unsigned status, json_t *body);

/* The same for a record just made at location ("/v1/jobs/x"): 201. */
void call_answer_created(struct call *call, const char *location, json_t *body);

/* Answer with text of a type; takes text (malloc), NULL answers 500. */
void call_answer_text(struct call *call, unsigned status, const char *type, char *text);

/*
 * Refuse with problem+json (RFC 9457); detail by printf, field (may be NULL)
 * names what is at fault. 503 carries Retry-After.
 */
void call_refuse(struct call *call, unsigned status, const char *field, const char *detail, ...)
    __attribute__((format(printf, 4, 5)));

#endif
