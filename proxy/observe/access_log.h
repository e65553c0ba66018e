/* access_log.h - one JSON line for each exchange that ended, written by a thread of its own. */
#ifndef JOBGATE_ACCESS_LOG_H
#define JOBGATE_ACCESS_LOG_H

#include "jobgate/log.h"
#include "observe/access_line.h"
#include "observe/log_runner.h"

/*
 * The event loop puts the plain facts of an exchange into a ring; a thread (log_writer.h) formats
 * and writes them. The loop never waits: what does not fit into the ring is dropped and counted.
 */
struct access_log;

/*
 * where: "off", or as for log_sink_take; fd likewise. runner: log_threads, or a test's. NULL, with
 * a line in the log, when memory or descriptors are short. losses must live until the process ends.
 */
struct access_log *access_log_new(const char *where, int fd, const struct log_runner *runner,
    struct log_losses *losses, const struct log *log);

/*
 * Write what is left and end the thread; one that is stuck in a write is given a second,
 * and then left to the end of the process.
 */
void access_log_free(struct access_log *log);

/* True when lines are written at all. */
bool access_log_on(const struct access_log *log);

/* The facts are copied. */
void access_log_write(struct access_log *log, const struct access_entry *entry);

/*
 * Wake the thread if there is something for it, and log what it could not write. Call it
 * periodically: the thread does not poll.
 */
void access_log_flush(struct access_log *log);

/* Open the file again by its name: it has been moved away. */
void access_log_reopen(struct access_log *log);

#endif
