/* cluster_slot.h - which slot of a Redis Cluster has the store's keys. */
#ifndef JOBGATE_REDIS_CLUSTER_SLOT_H
#define JOBGATE_REDIS_CLUSTER_SLOT_H

#include "jobgate/slice.h"

#define CLUSTER_SLOTS 16384

/*
 * True when the prefix has a tag, such as {jobgate}: then all keys with this prefix have the same
 * slot (Redis Cluster specification, "Hash tags").
 */
bool cluster_prefix_has_tag(struct slice prefix);

/* What to say about a prefix without a tag. */
#define REDIS_PREFIX_WITHOUT_TAG                                                                 \
	"in a cluster the prefix of keys needs a tag, such as {jobgate}:, so that all keys are " \
	"in "                                                                                    \
	"one slot"

/* The slot of all keys that begin with a prefix with a tag; of the key `prefix` if it has none. */
unsigned cluster_slot(struct slice prefix);

#endif
