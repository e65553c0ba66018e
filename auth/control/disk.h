/* disk.h - reserves space for revocations on the disk of the private store. */
#ifndef JOBGATE_CONTROL_DISK_H
#define JOBGATE_CONTROL_DISK_H

#include <event2/event.h>

#include "jobgate/log.h"

/*
 * A redis-server that cannot append to its file ends, and everything is refused until it is back.
 * So changes that make the store larger are refused while the disk is nearly full, and space is
 * reserved for deletions, renewals and the ends of leases. It is reserved as blocks after the end
 * of the file that redis-server appends to, which no other program can take. When they run short,
 * space of a ballast file moves there piece by piece; the file is created again when there is
 * space.
 */
struct disk;

/* directory, of the private store's files, must outlive the result. NULL when memory is short. */
struct disk *disk_new(struct event_base *base, const char *directory, const struct log *log);
void disk_free(struct disk *disk); /* the ballast stays */

/* True when the disk of this directory has space for changes that make the store larger. */
bool disk_has_room(const char *directory);

/* True when a change may make the store larger. disk NULL (the store is elsewhere): true. */
bool disk_may_grow(struct disk *disk);

/* Call it before a change that must pass: reserves space for it while the ballast lasts. */
void disk_make_room(struct disk *disk);

#endif
