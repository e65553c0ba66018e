/* unconfirmed.h - deletions that too few replicas have confirmed, for who repeats them. */
#ifndef JOBGATE_CONTROL_UNCONFIRMED_H
#define JOBGATE_CONTROL_UNCONFIRMED_H

#include "jobgate/directory.h"

struct deletion {
	enum record_kind kind;
	char id[JOB_ID_MAX + 1];
	char by[TOKEN_ID_LEN + 1]; /* the caller's token; "": local */
};

#define UNCONFIRMED_MAX 256

/* The latest of them; zeroed to begin with. Whose deletion is not among them is told that there is
 * no such record. */
struct unconfirmed {
	struct deletion items[UNCONFIRMED_MAX];
	size_t next; /* to be replaced */
};

void unconfirmed_add(struct unconfirmed *unconfirmed, const struct deletion *deletion);

/* True when it is one of them; it no longer is. */
bool unconfirmed_take(struct unconfirmed *unconfirmed, const struct deletion *deletion);

#endif
