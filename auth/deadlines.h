/* deadlines.h - an intrusive queue of deadlines, the soonest first. */
#ifndef JOBGATE_AUTH_DEADLINES_H
#define JOBGATE_AUTH_DEADLINES_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A pairing heap (Fredman, Sedgewick, Sleator, Tarjan 1986): it allocates nothing, adding takes
 * constant time, and removing takes amortized logarithmic time. Zero it first.
 */
struct deadline {
	struct deadline *child, *next;
	struct deadline *before; /* the sibling before it, or the parent of a first child */
	uint64_t ms;		 /* 0: not in a queue */
};

struct deadlines {
	struct deadline *first; /* the soonest; NULL: there is none */
};

/* Add a deadline that is not in a queue; ms must not be 0. */
void deadlines_add(struct deadlines *deadlines, struct deadline *deadline, uint64_t ms);

/* Remove a deadline; harmless if it is not in a queue. */
void deadlines_remove(struct deadlines *deadlines, struct deadline *deadline);

#endif
