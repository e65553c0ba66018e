/* query_token.h - tokens in a query: `?access_token=` (RFC 6750 section 2.3). */
#ifndef JOBGATE_EXCHANGE_QUERY_TOKEN_H
#define JOBGATE_EXCHANGE_QUERY_TOKEN_H

#include "http/write.h"

/* The parameters access_token of a query, in any case of letters and escaped or not. */
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
 * Write the query without those. The writer's free room is used meanwhile. Returns what was
 * written; empty when nothing is left, or when it does not fit (with writer->full).
 */
struct slice query_write_without_ours(struct writer *writer, struct slice query);

#endif
