/* service_log.h - the log of a process, written by a thread so that the process never waits. */
#ifndef JOBGATE_SERVICE_LOG_H
#define JOBGATE_SERVICE_LOG_H

#include "jobgate/log.h"
#include "observe/shared.h"

/*
 * Standard error may be a pipe whose reader has stopped. Lines go through log_writer.h: those that
 * do not fit are dropped and counted, and a line reports their number once there is room again.
 * Only the thread that called service_log_start may log, and the process must not fork
 * (log_buffer.h is for a process that forks).
 */
struct service_log;

/*
 * From now on lines of *log, and of later copies of it, go through a thread. losses must live until
 * the process ends. NULL, with a line in the log, when memory or descriptors are short; the log is
 * unchanged then.
 */
struct service_log *service_log_start(struct log *log, struct log_losses *losses);

/*
 * Write what is left, for at most a second, and end the thread. *log writes to standard error again
 * (any other descriptor is closed); copies of it must not be used any more. service may be NULL.
 */
void service_log_stop(struct service_log *service, struct log *log);

#endif
