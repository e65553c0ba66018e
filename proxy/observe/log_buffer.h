/* log_buffer.h - the log of a process that forks: it never waits, and needs no thread. */
#ifndef JOBGATE_LOG_BUFFER_H
#define JOBGATE_LOG_BUFFER_H

#include "jobgate/log.h"
#include "observe/shared.h"

/*
 * What service_log.h is for workers, for the supervisor: a fork takes no thread along, but the
 * locks that it may hold. A line is written at once where that takes no waiting. Otherwise it is
 * kept until the next flush; what finds no room is dropped and counted, and a line says how much
 * once all is written. Uses SIGALRM: a write that has to wait after all (other processes have
 * filled the pipe first) is interrupted within milliseconds.
 */
struct log_buffer;

/* From now on lines of *log, and of copies that are made of it, go through the buffer. NULL when
 * memory is short; the log is as it was then. losses outlive it. */
struct log_buffer *log_buffer_start(struct log *log, struct log_losses *losses);

/* Write what can be written without waiting; called now and then. */
void log_buffer_flush(struct log_buffer *buffer);

/*
 * Write what is left, for a second at most. *log writes by itself again; copies of it must not be
 * used any more. buffer may be NULL.
 */
void log_buffer_stop(struct log_buffer *buffer, struct log *log);

/* In a forked child: what is left is the parent's to write. */
void log_buffer_forget(struct log_buffer *buffer, struct log *log);

#endif
