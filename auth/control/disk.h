/* disk.h - the disk of the private store: room for revocations is kept on it. */
#ifndef JOBGATE_CONTROL_DISK_H
#define JOBGATE_CONTROL_DISK_H

#include <event2/event.h>

#include "jobgate/log.h"

/*
 * A redis-server that cannot append to its file ends, and everything is refused until it is
 * back. So what makes the store larger is refused while the disk is nearly full, and room is kept
 * for what must pass all the same: deletions, renewals, the ends of leases. Blocks behind the end
 * of the file that redis-server appends to are its own, whoever fills the disk; a ballast file is
 * turned into more of them piece by piece, and made again when there is room.
 */
struct disk;

/* directory: of the private store's files; the caller's. NULL when memory is short. */
struct disk *disk_new(struct event_base *base, const char *directory, const struct log *log);
void disk_free(struct disk *disk); /* the ballast stays */

/* Has the disk of this directory room for changes that make the store larger? */
bool disk_has_room(const char *directory);

/* Before a change that makes the store larger: may it? disk NULL: the store is elsewhere, yes. */
bool disk_may_grow(struct disk *disk);

/* Before a change that must pass: see that there is room for it, as far as the ballast reaches. */
void disk_make_room(struct disk *disk);

#endif
