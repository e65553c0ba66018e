/* scope.h - what an operator with a label selector may create and change. Pure functions. */
#ifndef JOBGATE_CONTROL_SCOPE_H
#define JOBGATE_CONTROL_SCOPE_H

#include "auth/control/control.h"
#include "auth/control/input.h"
#include "jobgate/directory.h"

/*
 * A scope is the label selector of the caller's token; empty: everything. A job is in the scope
 * when it has all of these labels, a token when its own selector has them.
 */
bool scope_has(const struct label_set *scope, const struct record *record);

/*
 * True when the scopes have a label in common. Operators that a scoped operator has created all
 * have its labels, so an operator that makes many tokens is known by this.
 */
bool scope_shares(const struct label_set *a, const struct label_set *b);

enum scope_merge {
	SCOPE_OK,
	SCOPE_CONTRADICTED, /* a label of the scope was given with another value */
	SCOPE_TOO_MANY,	    /* with the scope's labels there are more than max */
};

/*
 * Add the scope's labels that are missing to labels, which has room for max. With
 * SCOPE_CONTRADICTED *culprit is the label's name.
 */
enum scope_merge scope_add(const struct label_set *scope, struct label *labels, size_t *count,
    size_t max, struct slice *culprit);

/* True when this patch would take a job that lies in the scope out of it. */
bool scope_left_by(const struct label_set *scope, const struct record_input *patch);

/*
 * True when a caller with a scope may give a job the valid URLs in this text. No label says where a
 * URL leads, and the gateway reaches servers that the caller may not reach, above all the jobs of
 * others. So each host must be an address within one of the ranges. The owner of a name decides
 * which address it has, and may change it at any time: a name is allowed only where every address
 * is (::/0). A Unix socket is never allowed.
 */
bool scope_may_lead_to(struct slice text, const struct ip_range *ranges, size_t range_count);

#endif
