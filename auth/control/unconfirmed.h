/* unconfirmed.h - deletions that too few replicas have confirmed, so that they can be repeated. */
#ifndef JOBGATE_CONTROL_UNCONFIRMED_H
#define JOBGATE_CONTROL_UNCONFIRMED_H

#include "jobgate/directory.h"

struct deletion {
	enum record_kind kind;
	char id[JOB_ID_MAX + 1];
	char by[TOKEN_ID_LEN + 1]; /* the caller's token; "": local */
};

#define UNCONFIRMED_MAX 256

/* The latest of them; zero it first. A repeated deletion that is not among them gets 404. */
struct unconfirmed {
	struct deletion items[UNCONFIRMED_MAX];
	size_t next; /* the one that is replaced next */
};

void unconfirmed_add(struct unconfirmed *unconfirmed, const struct deletion *deletion);

/* True when the deletion was one of them; removes it. */
bool unconfirmed_take(struct unconfirmed *unconfirmed, const struct deletion *deletion);

#endif
