/* listen.h - opens the sockets at which the control process listens. */
#ifndef JOBGATE_CONTROL_LISTEN_H
#define JOBGATE_CONTROL_LISTEN_H

#include <sys/types.h>

#include "jobgate/log.h"

/* A Unix socket of ours, whose name is removed at the end. */
struct listen_unix {
	const char *path; /* the caller's */
	int type;	  /* SOCK_STREAM or SOCK_SEQPACKET */
	dev_t device;
	ino_t inode;
};

/*
 * Bind and listen at path, with a socket of this type and mode 0600; its directory is created with
 * 0700 if it is missing. A socket on which no process listens is replaced. A socket with a
 * listener, or a file of another kind, is left alone. Returns the descriptor, or -1 after logging
 * why.
 */
int listen_unix_open(const char *path, int type, struct listen_unix *out, const struct log *log);

/* True while its name still leads to this socket. */
bool listen_unix_stands(const struct listen_unix *listening);

/* Remove the socket's name, if it still leads to our socket. */
void listen_unix_remove(const struct listen_unix *listening);

#endif
