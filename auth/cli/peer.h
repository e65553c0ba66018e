/* peer.h - the user who listens at a Unix socket, and whether to send secrets there. */
#ifndef JOBGATE_CLI_PEER_H
#define JOBGATE_CLI_PEER_H

#include <stdbool.h>

/*
 * fd is connected to the socket at path. Root's are trusted and our own; another user's (a service
 * has one of its own) where no stranger could have put a socket. False after telling on
 * standard error.
 */
bool peer_is_trusted(int fd, const char *path);

#endif
