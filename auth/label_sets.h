/* label_sets.h - sets of labels, each kept once however many records have it. */
#ifndef JOBGATE_AUTH_LABEL_SETS_H
#define JOBGATE_AUTH_LABEL_SETS_H

#include "auth/table.h"
#include "jobgate/label.h"

struct label_sets {
	struct table table;
};

/* False when memory is short. key is secret: operators choose labels and selectors. */
bool label_sets_init(struct label_sets *sets, const unsigned char key[16]);

/* Free the table; all sets must have been given back. */
void label_sets_free(struct label_sets *sets);

/*
 * The kept set with the same labels in the same order, which is valid until it was given back as
 * often as it was taken. NULL when memory is short.
 */
const struct label_set *label_sets_take(struct label_sets *sets, const struct label_set *labels);

/* Give a set back; NULL is allowed. */
void label_sets_give(struct label_sets *sets, const struct label_set *set);

#endif
