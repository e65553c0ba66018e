/* session.h - the options by which commands choose sessions. */
#ifndef JOBGATE_CLI_SESSION_H
#define JOBGATE_CLI_SESSION_H

#include "auth/cli/command.h"

/* Check --state and --address; false after printing what is wrong. */
bool session_filters_check(const struct options *options);

/*
 * Add the filters that are given to the path, which it frees. NULL after printing why there is no
 * such token, with the exit status in *result, or when memory is short.
 */
char *session_filters_add(struct command_context *context, char *path, int *result);

#endif
