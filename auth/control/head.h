/* head.h - the header fields that the server itself needs. Pure functions. */
#ifndef JOBGATE_CONTROL_HEAD_H
#define JOBGATE_CONTROL_HEAD_H

#include "jobgate/accept.h"
#include "jobgate/control_fields.h"
#include "jobgate/slice.h"

#define CONTROL_FIELDS_MAX 100
#define CONTROL_HEAD_MAX (32u << 10) /* bytes of field lines */
#define HEAD_REQUEST_ID_MAX 64
#define HEAD_CLIENT_MAX 64 /* bytes of X-Forwarded-For */

/* What a worker says about a call that it forwards (jobgate/control_fields.h), not yet checked. */
struct vouched {
	char secret[CONTROL_SECRET_TEXT + 1];
	char token[TOKEN_ID_LEN + 1]; /* empty: the call takes no token */
	char version[20];
	char mark[CONTROL_MARK_TEXT + 1];
	char address[INET6_ADDRSTRLEN]; /* empty: it is not known */
};

/*
 * One head, as far as it has been read; zeroed at first. libevhtp's parser accepts heads that two
 * parsers could read differently (several lengths, a length and chunks, unknown codings). All of
 * these are errors here.
 */
struct head {
	size_t fields, len; /* len: bytes of field lines */
	bool too_large;
	const char *error; /* the first one, a sentence; static. NULL: none */
	unsigned authorizations;
	char *authorization; /* the first one's value; wiped and freed by head_clear */
	bool has_length, has_coding;
	struct accepted accepted;
	/* From a worker that forwards a request; from other clients these are ignored. */
	char request_id[HEAD_REQUEST_ID_MAX + 1];
	/*
	 * The end of X-Forwarded-For, as far as it consists of addresses; the nearest one is last.
	 * The rest may be any text that the client chose.
	 */
	char client[HEAD_CLIENT_MAX + 1];
	struct vouched vouched;
};

/* Take the next field into account. False when memory is short. */
bool head_field(struct head *head, struct slice name, struct slice value);

/* Forget everything, for the next request. */
void head_clear(struct head *head);

#endif
