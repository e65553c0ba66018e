/* server.h - the processes: supervisor, workers, control, and the private redis-server. */
#ifndef JOBGATE_SERVER_H
#define JOBGATE_SERVER_H

#include "config/config.h"

/*
 * Serve until SIGTERM or SIGINT (drain, then end) with this configuration, which is
 * taken. SIGHUP reads it again from its file; SIGUSR2 replaces the running binary, called
 * with the arguments of main. Returns the exit status: 0 after an orderly end, 1 when
 * it could not start.
 */
int server_run(struct config *config, const struct log *log, char *const *arguments);

/*
 * Are the files there that the configuration names, such as certificates, and do they hold what
 * they should? For whoever asks: another user may see other files. False with a line in the log,
 * which is that of server_run.
 */
bool server_check(const struct config *config, const struct log *log);

#endif
