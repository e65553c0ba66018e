/* unconfirmed.c - a ring of deletions. */
#include "auth/control/unconfirmed.h"

#include <string.h>

void
unconfirmed_add(struct unconfirmed *unconfirmed, const struct deletion *deletion)
{
	unconfirmed->items[unconfirmed->next] = *deletion;
	unconfirmed->next = (unconfirmed->next + 1) % UNCONFIRMED_MAX;
}

bool
unconfirmed_take(struct unconfirmed *unconfirmed, const struct deletion *deletion)
{
	for (size_t i = 0; i < UNCONFIRMED_MAX; i++) {
		struct deletion *one = &unconfirmed->items[i];

		if (one->kind == deletion->kind && strcmp(one->id, deletion->id) == 0 &&
		    strcmp(one->by, deletion->by) == 0) {
			*one = (struct deletion){0};
			return true;
		}
	}
	return false;
}
