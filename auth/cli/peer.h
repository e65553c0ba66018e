/* peer.h - decides whether secrets may be sent to the user that listens at a Unix socket. */
#ifndef JOBGATE_CLI_PEER_H
#define JOBGATE_CLI_PEER_H

#include <stdbool.h>

/*
 * fd is connected to the socket at path. Sockets of root and of our own user are trusted. A socket
 * of another user (a service has its own) is trusted if only that user and root could put one at
 * this path. False after printing why on standard error.
 */
bool peer_is_trusted(int fd, const char *path);

#endif
