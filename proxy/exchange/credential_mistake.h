/* credential_mistake.h - what people often get wrong when they send a token, for the refusal. */
#ifndef JOBGATE_EXCHANGE_CREDENTIAL_MISTAKE_H
#define JOBGATE_EXCHANGE_CREDENTIAL_MISTAKE_H

#include "exchange/credential_order.h"

enum credential_mistake {
	MISTAKE_NONE, /* none that can be seen */
	MISTAKE_SEVERAL,
	MISTAKE_EMPTY,
	MISTAKE_PLACEHOLDER,
	MISTAKE_QUOTES,
	MISTAKE_NO_SCHEME,
	MISTAKE_SCHEME_TWICE,
	MISTAKE_SPACE,
	MISTAKE_SHORT,
	MISTAKE_LONG,
	MISTAKE_NOT_OURS,
	MISTAKE_QUERY_OFF,
};

/*
 * Find the mistake in the credential of a request that was refused, from its form alone: nothing is
 * said of a value of the right form. query_counts: as credentials.query says; sources->query is the
 * query in either case. room as for credential_order; it is wiped.
 */
enum credential_mistake credential_mistake_find(
    const struct credential_sources *sources, bool query_counts, char *room, size_t cap);

/* What to tell the client: static text, which repeats nothing of the value. MISTAKE_NONE: empty. */
struct slice credential_mistake_text(enum credential_mistake mistake);

#endif
