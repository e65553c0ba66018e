/* log_buffer.h - the log of a process that forks: it never waits, and needs no thread. */
#ifndef JOBGATE_LOG_BUFFER_H
#define JOBGATE_LOG_BUFFER_H

#include "jobgate/log.h"
#include "observe/shared.h"

/*
 * Does for the supervisor what service_log.h does for workers. It has no thread, because a fork
 * copies the locks of a thread but not the thread. A line is written immediately if that does not
 * wait. Otherwise it is kept until the next flush; lines that do not fit are dropped and counted,
 * and a line reports their number once all is written. Uses SIGALRM: a write that has to wait after
 * all (another process has just filled the pipe) is interrupted within milliseconds.
 */
struct log_buffer;

/* From now on lines of *log, and of later copies of it, go through the buffer. NULL when memory is
 * short; the log is unchanged then. losses must outlive it. */
struct log_buffer *log_buffer_start(struct log *log, struct log_losses *losses);

/* Write what can be written without waiting. Call it periodically. */
void log_buffer_flush(struct log_buffer *buffer);

/*
 * Write what is left, for at most a second. *log writes to its descriptor again; copies of it must
 * not be used any more. buffer may be NULL.
 */
void log_buffer_stop(struct log_buffer *buffer, struct log *log);

/* In a forked child: forget what is left; the parent writes it. */
void log_buffer_forget(struct log_buffer *buffer, struct log *log);

#endif
