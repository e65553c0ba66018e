/* listeners.h - the sockets that clients connect to, bound before any worker starts. */
#ifndef JOBGATE_LISTENERS_H
#define JOBGATE_LISTENERS_H

#include <sys/socket.h>

#include "config/config.h"

/*
 * For each listener of the configuration and each worker one socket: over TCP each
 * has its own (SO_REUSEPORT: the kernel spreads connections, and a worker that
 * crashes leaves its queue to its successor), a Unix socket is shared by all.
 */
struct listeners {
	size_t count; /* of the configuration */
	size_t workers;
	int *fds;			/* [worker * count + listener] */
	struct sockaddr_storage *bound; /* [listener]: the address, its port filled in */
	const struct config *config;
};

/* Bind and listen. False, with lines in the log that say which and why, when one fails. */
bool listeners_open(
    struct listeners *listeners, const struct config *config, const struct log *log);

/* Close all, and remove the files of Unix sockets when unlink_files is set. */
void listeners_close(struct listeners *listeners, bool unlink_files);

/* In a worker: close the sockets of the other ones. */
void listeners_keep_own(struct listeners *listeners, size_t worker);

#endif
