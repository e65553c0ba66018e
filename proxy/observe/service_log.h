/* service_log.h - a process's own log, written by a thread so that the process never waits. */
#ifndef JOBGATE_SERVICE_LOG_H
#define JOBGATE_SERVICE_LOG_H

#include "jobgate/log.h"
#include "observe/shared.h"

/*
 * Standard error may be a pipe whose reader has stopped. Lines go through log_writer.h: what
 * finds no room is dropped and counted, and a line says how much once there is room again.
 * Only the thread that started it may log, and the process must not fork (log_buffer.h is for one
 * that does).
 */
struct service_log;

/*
 * From now on lines of *log, and of copies that are made of it, go through a thread. losses
 * stay to the end of the process. NULL, with a line in the log, when memory or descriptors are
 * short; the log is as it was then.
 */
struct service_log *service_log_start(struct log *log, struct log_losses *losses);

/*
 * Write what is left, for a second at most, and end the thread. *log writes by itself again, to
 * standard error (any other descriptor is closed); copies of it must not be used any more. service
 * may be NULL.
 */
void service_log_stop(struct service_log *service, struct log *log);

#endif
