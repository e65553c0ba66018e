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
 * True when one of ours is somewhere in the text, in any form. What begins like a value ("jgt_", an
 * id, '_') is one, whatever byte is before it: that is no coincidence.
 */
bool holds_ours(struct slice text);

#endif
