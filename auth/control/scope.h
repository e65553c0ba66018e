/* scope.h - what an operator with a label selector may make and change. Pure functions. */
#ifndef JOBGATE_CONTROL_SCOPE_H
#define JOBGATE_CONTROL_SCOPE_H

#include "auth/control/control.h"
#include "auth/control/input.h"
#include "jobgate/directory.h"

/*
 * A scope is the label selector of whoever asks; empty: everything. A job lies in
 * it when it carries all of its labels, a token when its own selector has them.
 */
bool scope_has(const struct label_set *scope, const struct record *record);

enum scope_merge {
	SCOPE_OK,
	SCOPE_CONTRADICTED, /* a label of the scope was given with another value */
	SCOPE_TOO_MANY,	    /* with the scope's labels there are more than max */
};

/*
 * Add those of the scope's labels that are not there yet to labels, which has room
 * for max. With SCOPE_CONTRADICTED *culprit is the label's name.
 */
enum scope_merge scope_add(const struct label_set *scope, struct label *labels, size_t *count,
    size_t max, struct slice *culprit);

/* True when this patch would take a job that lies in the scope out of it. */
bool scope_left_by(const struct label_set *scope, const struct record_input *patch);

/*
 * May whoever has a scope give a job this valid URL? No label says where a URL leads, and
 * the gateway reaches what its maker may not: the jobs of others above all. So the host must be
 * an address within one of the ranges. What a name leads to is up to whoever has it, and may
 * change behind our back: names pass only where every address does (::/0). Unix sockets never do.
 */
bool scope_may_lead_to(struct slice url, const struct ip_range *ranges, size_t count);

#endif
