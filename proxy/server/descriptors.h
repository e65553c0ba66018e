/* descriptors.h - room for a worker's descriptors. */
#ifndef JOBGATE_SERVER_DESCRIPTORS_H
#define JOBGATE_SERVER_DESCRIPTORS_H

#include <stddef.h>

/*
 * Have the kernel make room for `count` descriptors of this process now, or for as many as its
 * limit allows, at most DESCRIPTORS_ROOM_MAX. Call it while the process has one thread: each time
 * that a process with threads needs a larger table, the call that needs it (accept, socket) waits
 * for 10 to 20 ms (expand_fdtable in Linux calls synchronize_rcu). Without memory for that, the
 * table grows later, as needed.
 */
void descriptors_make_room(size_t count);

/* Kept for everything except connections and listening sockets: Redis, resolver, logs. */
#define DESCRIPTORS_SPARE 256

#define DESCRIPTORS_ROOM_MAX 65536 /* takes 8 bytes of kernel memory for each */

#endif
