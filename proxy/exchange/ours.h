/* ours.h - what looks like a token of the gateway. */
#ifndef JOBGATE_EXCHANGE_OURS_H
#define JOBGATE_EXCHANGE_OURS_H

#include "jobgate/slice.h"

/* True when a credential's value looks like ours ("jgt_"), broken or not. */
static inline bool
is_ours(struct slice value)
{
	return slice_starts_with(value, SLICE("jgt_"));
}

/*
 * True when one of ours is somewhere in the text, in whatever form. What begins like a value is
 * ours whatever precedes: it is not there by chance.
 */
bool holds_ours(struct slice text);

#endif
