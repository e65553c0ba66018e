/* server.h - the processes: supervisor, workers, control, and the private redis-server. */
#ifndef JOBGATE_SERVER_H
#define JOBGATE_SERVER_H

#include "config/config.h"

/*
 * Serve until SIGTERM or SIGINT (drain, then end) with this configuration.
 * Returns the exit status: 0 after an orderly end, 1 when it could not start.
 */
int server_run(const struct config *config, const struct log *log);

#endif
