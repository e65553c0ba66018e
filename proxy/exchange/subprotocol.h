/* subprotocol.h - tokens among the subprotocols of a WebSocket: a browser's script can send no
 * other credential. */
#ifndef JOBGATE_EXCHANGE_SUBPROTOCOL_H
#define JOBGATE_EXCHANGE_SUBPROTOCOL_H

#include "http/write.h"
#include "jobgate/message.h"

/*
 * The gateway's own subprotocol. A browser closes a WebSocket whose answer names none of those that
 * it offered, so a page without any other offers this one beside its token.
 */
#define SUBPROTOCOL_OF_GATEWAY SLICE("jobgate.v1")

/* What a member of Sec-WebSocket-Protocol is. Only the job's own reach the job. */
enum subprotocol {
	SUBPROTOCOL_JOB,
	SUBPROTOCOL_GATEWAY,   /* SUBPROTOCOL_OF_GATEWAY */
	SUBPROTOCOL_TOKEN,     /* a credential, and it looks like ours */
	SUBPROTOCOL_FOREIGN,   /* of our form, with another value */
	SUBPROTOCOL_MALFORMED, /* of our form, and no base64url */
	SUBPROTOCOL_HIDDEN,    /* holds one of ours in a form that does not count */
};

/*
 * Read a member. It is a credential in one of these forms:
 *
 *   base64url.bearer.authorization.jobgate.<unpadded base64url of the token>
 *   v1.token.websocket.jupyter.org.<token>
 *
 * value: that of a TOKEN, in the member or in the room. used: bytes of the room that hold secrets.
 * As much room as the member has bytes is enough.
 */
enum subprotocol subprotocol_read(
    struct slice member, char *room, size_t cap, struct slice *value, size_t *used);

/* What subprotocols_write has found. */
struct subprotocols_found {
	bool for_job;	  /* members that are the job's */
	bool for_gateway; /* SUBPROTOCOL_OF_GATEWAY */
	bool others;	  /* members that are not the job's */
};

/*
 * Write the members that are the job's, of all fields Sec-WebSocket-Protocol that are not dropped,
 * joined by commas. The writer's free room is used meanwhile.
 */
struct subprotocols_found subprotocols_write(struct writer *writer, const struct fields *fields);

/* Take the next member from *rest, without white space around it; false at the end. (They are
 * tokens, never quoted: RFC 6455 section 11.3.4.) */
bool subprotocol_next(struct slice *rest, struct slice *member);

#endif
