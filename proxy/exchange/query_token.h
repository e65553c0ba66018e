/* query_token.h - tokens in a query: `?access_token=` (RFC 6750 section 2.3). */
#ifndef JOBGATE_EXCHANGE_QUERY_TOKEN_H
#define JOBGATE_EXCHANGE_QUERY_TOKEN_H

#include "jobgate/message.h"

/* The parameters access_token of a query, in upper or lower case, percent-encoded or not. */
struct query_tokens {
	size_t count;
	size_t ours;	    /* those of them that look like ours */
	struct slice value; /* of the first of ours, in the room */
	size_t used;	    /* bytes of the room that hold secrets */
};

/*
 * Find them. query begins with '?' or is empty. As much room as the query has bytes is enough.
 */
void query_tokens_find(struct slice query, char *room, size_t cap, struct query_tokens *out);

/* True when one of them holds one of ours, in whatever form. room as above; it is wiped. */
bool query_holds_ours(struct slice query, char *room, size_t cap);

/*
 * Remove those from the request's query: the job, the control API and pages must not see them. The
 * new query is in the room; if there is none of ours, the query stays as it is.
 */
void query_hide_ours(struct request *request, char *room, size_t cap);

#define QUERY_ROOM (64 * 1024) /* as much as the longest head */

/* The shortest query that may hold one: "?access_token=jgt_". */
#define QUERY_TOKEN_MIN 18

/* True when a URL holds one of ours: as plain text, or encoded in an access_token. room as above;
 * it is wiped. */
bool url_holds_ours(struct slice url, char *room, size_t cap);

#endif
