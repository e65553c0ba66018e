/* credential_order.h - which credential of a request counts, of all that it carries. */
#ifndef JOBGATE_EXCHANGE_CREDENTIAL_ORDER_H
#define JOBGATE_EXCHANGE_CREDENTIAL_ORDER_H

#include "jobgate/decision.h"
#include "jobgate/message.h"

/* Where a credential of ours was found, in the order in which they count. */
enum carrier {
	CARRIER_NONE,
	CARRIER_OWN_FIELD, /* X-Jobgate-Authorization */
	CARRIER_AUTHORIZATION,
	CARRIER_SUBPROTOCOL, /* Sec-WebSocket-Protocol */
	CARRIER_SIGN_IN,     /* the sealed cookie of a browser; credential.c opens it */
	CARRIER_QUERY,	     /* ?access_token= */
};

/* The parts of a request that may present credentials. */
struct credential_sources {
	const struct fields *fields;
	bool upgrade;	    /* subprotocols count */
	struct slice query; /* as the request has it; empty where a token in it does not count */
};

/* What a request presents. */
struct presented {
	enum carrier carrier; /* of the credential that counts; NONE: no field has one of ours */
	/*
	 * BEARER: the one that counts is `value`. FOREIGN: there are only others, which are not
	 * ours. MALFORMED: two of one kind, or one that is no credential at all.
	 */
	enum credential credential;
	struct slice value; /* the token as it came, perhaps broken; in a field, or in the room */
	/*
	 * The field, if its scheme is Bearer: its value has to be a b64token (RFC 6750 section
	 * 2.1), which is left to be checked when it is not a token's value.
	 */
	struct slice bearer;
	bool basic; /* the one that counts came with the scheme Basic, as browsers send it
		       unasked */
	bool ours_in_authorization; /* what Authorization holds is ours, whatever counts: it is not
				       for the job */
	size_t used;		    /* bytes of the room that hold secrets */
};

/*
 * Find the credential that counts: the first that looks like ours ("jgt_") in
 *
 *   X-Jobgate-Authorization: Bearer
 *   Authorization: Bearer, token, and Basic (the password; the user if the password is empty)
 *   Sec-WebSocket-Protocol, at an upgrade (subprotocol.h)
 *   ?access_token= (query_token.h), which counts after a browser's sign-in (credential.c)
 *
 * A pure function. Dropped fields count, too: Connection can take nothing away. room is for decoded
 * values: as many bytes as all fields and the query have are enough. The caller wipes it.
 */
void credential_order(
    const struct credential_sources *sources, char *room, size_t cap, struct presented *out);

/* The same, for a request that is refused: with one caller each, both are inlined. */
void credential_order_again(
    const struct credential_sources *sources, char *room, size_t cap, struct presented *out);

/* True when a value has the scheme Basic and holds one of ours. As much room as the value has bytes
 * is enough; it is wiped. */
bool basic_holds_ours(struct slice field, char *room, size_t cap);

/* True when shared caches know of the credential: they keep no answer to Authorization. */
bool carrier_is_for_caches(enum carrier carrier);

/* The name of the field that carried a credential which shared caches do not know; else empty. */
struct slice carrier_field(enum carrier carrier);

#endif
