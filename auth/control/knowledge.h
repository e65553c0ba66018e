/* knowledge.h - turns the result of a read of the store into evidence for a decision. */
#ifndef JOBGATE_CONTROL_KNOWLEDGE_H
#define JOBGATE_CONTROL_KNOWLEDGE_H

#include "auth/redis/store.h"
#include "jobgate/directory.h"

/*
 * What the result of a read says of the record. A record that breaks the rules, or is too large to
 * be read, counts as absent. RECORD_UNKNOWN when the store did not say.
 */
enum knowledge store_result_knowledge(enum store_result result);

#endif
