/* uses.h - writes to the store when tokens and jobs were last used. */
#ifndef JOBGATE_CONTROL_USES_H
#define JOBGATE_CONTROL_USES_H

#include <event2/event.h>

#include "auth/control/control.h"
#include "auth/control/disk.h"
#include "auth/redis/store.h"

/*
 * Once a second it takes what was noted here and by workers (setup->uses_take), and writes it, a
 * batch at a time. Without the store it keeps one batch and leaves the rest where it is.
 */
struct uses_writer;

/* setup, store and disk (may be NULL) outlive it. NULL when memory is short. */
struct uses_writer *uses_writer_new(struct event_base *base, const struct control_setup *setup,
    struct store *store, struct disk *disk);

/*
 * Note that the token is used now, in a call that no worker has seen. Without room (STORE_USES_MAX
 * tokens since the last batch) the use is not noted. writer may be NULL: nothing is noted.
 */
void uses_writer_note(struct uses_writer *writer, struct slice id);

/*
 * The process ends, and no worker runs any more: run the loop until all uses are written, for a
 * second at most. Call it outside of the loop. writer may be NULL.
 */
void uses_writer_finish(struct uses_writer *writer, struct event_base *base);

/* Call it after the store has been freed: then no batch is under way. */
void uses_writer_free(struct uses_writer *writer);

#endif
