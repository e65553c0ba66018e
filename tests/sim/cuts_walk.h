/* cuts_walk.h - a worker ends sessions. */
#ifndef SIM_CUTS_WALK_H
#define SIM_CUTS_WALK_H

#include <stdbool.h>
#include <stddef.h>

#include "jobgate/session.h"

struct worker;

/* *count: how many it has ended. False: it was short of memory, and has ended none. */
bool cuts_walk(struct worker *worker, const struct session_order *order, size_t *count);

#endif
