/* state.h - tables of the states of an object and of allowed transitions. */
#ifndef JOBGATE_STATE_H
#define JOBGATE_STATE_H

#include <stdbool.h>
#include <stddef.h>

#include "jobgate/check.h"
#include "jobgate/probe.h"

/*
 * An object with states has one function that assigns them, xxx_set_state(object, to). It CHECKs
 * the transition by the object's table, fires the probe xxx_state, and moves the object to the list
 * of its new state, if states have lists. The table has one row for each value of the enum:
 *
 *	static const struct state_row tracker_states[] = {
 *	    [TRACKER_WAITING] = {"waiting", STATE(TRACKER_FINDING) | STATE(TRACKER_CONNECTING)},
 *	    ...
 *
 * tests/states.py compares these tables with the diagrams in the documents.
 */
struct state_row {
	const char *name;  /* for dumps, static */
	unsigned long may; /* the states that may follow, each as STATE(state) */
};

#define STATE(state) (1ul << (state))

#ifdef JOBGATE_STATES_SEEN
/* The simulator's report of coverage defines it; in other programs it is NULL. */
void jg_state_changes(const struct state_row *table, unsigned from, unsigned to)
    __attribute__((weak));
#endif

/*
 * True when an object in state `from` may change to state `to`; both are values of the table's
 * enum.
 */
static inline bool
state_allows(const struct state_row *table, unsigned from, unsigned to)
{
#ifdef JOBGATE_STATES_SEEN
	if (jg_state_changes != NULL)
		jg_state_changes(table, from, to);
#endif
	return (table[from].may >> to & 1) != 0;
}

#endif
