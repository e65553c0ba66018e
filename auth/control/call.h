/* call.h - a request to the control API, from its arrival to its answer. */
#ifndef JOBGATE_CONTROL_CALL_H
#define JOBGATE_CONTROL_CALL_H

#include <jansson.h>

#include "auth/control/endpoint.h"
#include "auth/control/head.h"
#include "auth/record_fields.h"
#include "jobgate/directory.h"
#include "jobgate/dump.h"

#define CALL_REQUEST_ID_LEN 32 /* of an id that is made here */
#define CALL_REQUEST_ID_MAX 64
#define CALL_PEER_MAX 96

struct connection;
struct reply;

/* The caller. A call begins with the first of these, which may do nothing. */
enum caller {
	CALLER_UNAUTHENTICATED,
	CALLER_LOCAL, /* our own user or root, at the Unix socket, without a token: may do
			 everything */
	CALLER_TOKEN, /* an operator's token, within its label selector */
};

/*
 * An answer that goes on until the client leaves or the call is refused: that refusal becomes the
 * last event of the stream (see events.h).
 */
struct call_stream {
	/* Begin the answer, 200 with this type of content. False after answering: the client's
	 * HTTP/1.0 knows no such answer, it asked for the head alone, or it has left. */
	bool (*begin)(struct call *call, const char *type);
	/* Add bytes to the next piece, and send it. Nothing is done once the client has left. */
	void (*write)(struct call *call, struct slice text);
	void (*flush)(struct call *call);
	/* Bytes that wait for the client. */
	size_t (*unsent)(const struct call *call);
};

/*
 * A handler gets a call and answers it exactly once, immediately or later, by one of the
 * call_answer functions, which free the call. If the client has left by then, nothing is sent; the
 * handler needs no special case.
 */
struct call {
	void *ctx;		     /* of the server */
	struct slice method;	     /* static; "" if no endpoint has this method */
	char *target;		     /* owns path, id and query */
	struct slice path, id;	     /* id: the text at {id}, or named_id */
	char named_id[TOKEN_ID_LEN]; /* of the token whose name is in the path */
	enum record_kind kind;	     /* kind of the record that id names; set by handler_id */
	struct slice query;	     /* without '?', percent-encoded */
	char *body;		     /* NUL-terminated; wiped at the end */
	size_t body_len;
	bool body_too_large;
	bool takes_openmetrics; /* rather than the text form of Prometheus */
	char request_id[CALL_REQUEST_ID_MAX + 1];

	bool local;		  /* came by a socket that only our own user and root can use */
	char peer[CALL_PEER_MAX]; /* the client's address, for the log */
	unsigned authorizations;  /* Authorization fields */
	char *authorization;	  /* the first one's value; wiped at the end */
	struct bearer bearer;	  /* what that contains, when it is a Bearer credential */
	struct vouched vouched;	  /* what a worker says about the caller; wiped at the end */
	enum caller caller;
	struct record *token;	      /* with CALLER_TOKEN */
	struct token_edition edition; /* with CALLER_TOKEN: the value that was shown */
	struct label_set scope;	      /* the token's selector; empty: everything */
	uint64_t confirmed_ms;	      /* when the last read of the token began, CLOCK_MONOTONIC */
	void (*confirmed)(struct call *call); /* called after the token has been read again */
	json_t *result;			      /* of a read, until the token is confirmed; or NULL */
	char *challenge;		      /* of WWW-Authenticate, for a refusal; malloc */

	bool changed; /* its change was made: a refusal after that says so */
	int replicas; /* how many have confirmed its change; -1: none must */

	void *state; /* the handler's own, given to state_free at the end */
	void (*state_free)(void *state);

	/* The server's. */
	struct connection *connection; /* NULL once the client has left */
	/* Sends the reply, if the client is still there, and frees the call. Takes the content. */
	void (*send)(struct call *call, const struct reply *reply);
	/*
	 * True when the answer cannot be read any more, so that long work for it may end early.
	 * NULL: not known.
	 */
	bool (*has_left)(const struct call *call);
	const struct call_stream *stream; /* NULL: its server has none */
	const struct endpoint_table *endpoints;
	const struct endpoint *row;
	char allow[ENDPOINT_ALLOW_MAX]; /* with 405 */
};

/* For the server: a call for this target, copied; NULL when memory or randomness is short. */
struct call *call_new(struct slice path, struct slice query);
void call_free(struct call *call);

/* The caller, the endpoint and the progress; neither the target nor the content. */
void call_dump(const struct call *call, struct dump *dump);

/* The caller is authenticated: find the endpoint and have it handle the call, or refuse it. */
void call_begin(struct call *call);

/* Answer with JSON, which it releases. body NULL: no content (204). */
void call_answer(struct call *call, unsigned status, json_t *body);

/* Answer 201 for a record just created at location ("/v1/jobs/x"). */
void call_answer_created(struct call *call, const char *location, json_t *body);

/* Answer with text of this type, which it frees (malloc); text NULL: answer 500. */
void call_answer_text(struct call *call, unsigned status, const char *type, char *text);

/*
 * Refuse with problem+json (RFC 9457); detail by printf, field (may be NULL)
 * names what is at fault. 429 and 503 carry Retry-After.
 */
void call_refuse(struct call *call, unsigned status, const char *field, const char *detail, ...)
    __attribute__((format(printf, 4, 5)));

/* The beginning of a 503's detail while this process ends; what the client can do follows it. */
#define SHUTTING_DOWN "the gateway or its control process is shutting down: "

/* Refuse with 500, since memory is short; nothing has been changed. */
void call_refuse_memory(struct call *call);

#endif
