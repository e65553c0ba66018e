/* server.h - the processes: supervisor, workers, control, and the private redis-server. */
#ifndef JOBGATE_SERVER_H
#define JOBGATE_SERVER_H

#include "config/config.h"

/*
 * Serve until SIGTERM or SIGINT (drain, then end) with this configuration, which it takes over.
 * SIGHUP reads it again from its file; SIGUSR2 replaces the running binary, called with the
 * arguments of main. Returns the exit status: 0 after an orderly end, 1 when it could not start.
 */
int server_run(struct config *config, const struct log *log, char *const *arguments);

/*
 * Check that the files which the configuration names, such as certificates, exist and are valid.
 * The answer is for the current user: another user may see other files. False with a line in the
 * log, the same as that of server_run.
 */
bool server_check(const struct config *config, const struct log *log);

/*
 * Check that the store answers, that the record of a fixed job has what it needs, and that
 * something listens at jobs.fixed_url. Takes at most some seconds for each. False with a line in
 * the log for each of them.
 */
bool server_check_connect(const struct config *config, const struct log *log);

#endif
