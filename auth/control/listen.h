/* listen.h - the sockets the control process listens on. */
#ifndef JOBGATE_CONTROL_LISTEN_H
#define JOBGATE_CONTROL_LISTEN_H

#include <sys/types.h>

#include "jobgate/log.h"

/* A Unix socket of ours, to be taken away at the end. */
struct listen_unix {
	const char *path; /* the caller's */
	dev_t device;
	ino_t inode;
};

/*
 * Bind and listen at path with mode 0600; its directory is made with 0700 if
 * missing. A socket on which no process listens is replaced. A socket with a listener, or a file of
 * another kind, is left alone. The descriptor, or -1 after logging why.
 */
int listen_unix_open(const char *path, struct listen_unix *out, const struct log *log);

/* True while its name leads to this socket. */
bool listen_unix_stands(const struct listen_unix *listening);

/* Remove the socket's name, if it still is ours. */
void listen_unix_remove(const struct listen_unix *listening);

#endif
