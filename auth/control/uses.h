/* uses.h - writes to the store when tokens were last used. */
#ifndef JOBGATE_CONTROL_USES_H
#define JOBGATE_CONTROL_USES_H

#include <event2/event.h>

#include "auth/control/control.h"
#include "auth/control/disk.h"
#include "auth/redis/store.h"

/*
 * Once a second it takes what workers have noted (setup->uses_take), and writes it, a batch at a
 * time. Without the store it keeps one batch and leaves the rest where it is.
 */
struct uses_writer;

/* setup, store and disk (may be NULL) outlive it. NULL when memory is short. */
struct uses_writer *uses_writer_new(struct event_base *base, const struct control_setup *setup,
    struct store *store, struct disk *disk);

/* Call it after the store has been freed: then no batch is under way. */
void uses_writer_free(struct uses_writer *writer);

#endif
