/* listeners.h - the sockets that clients connect to, bound before any worker starts. */
#ifndef JOBGATE_LISTENERS_H
#define JOBGATE_LISTENERS_H

#include <sys/socket.h>

#include "config/config.h"

/*
 * One socket for each listener of the configuration and each worker. Over TCP each worker has its
 * own (SO_REUSEPORT: the kernel spreads connections, and a worker that crashes leaves its queue to
 * its successor); all workers share a Unix socket.
 */
struct listeners {
	size_t count; /* of the configuration */
	size_t workers;
	int *fds;			/* [worker * count + listener] */
	struct sockaddr_storage *bound; /* [listener]: the address, its port filled in */
	const struct config *config;
};

/* Sockets that listen already; owned. Those that were taken are -1. */
struct inherited {
	size_t count;
	int *fds;
};

/*
 * Take the sockets that systemd or the previous binary hands over: LISTEN_FDS and LISTEN_PID
 * (sd_listen_fds(3)), which are removed from the environment.
 */
void listeners_inherit(struct inherited *out);

/* Copies of our own, for the configuration that comes after a reload. False when that fails. */
bool listeners_duplicate(const struct listeners *listeners, struct inherited *out);

/* Close those that were not taken. */
void inherited_close(struct inherited *inherited);

/*
 * Take those inherited sockets that the configuration names; bind the others and listen. When one
 * fails: false, with lines in the log that say which and why.
 */
bool listeners_open(struct listeners *listeners, const struct config *config,
    struct inherited *inherited, const struct log *log);

/* Close all, and remove the files of Unix sockets when unlink_files is set. */
void listeners_close(struct listeners *listeners, bool unlink_files);

/*
 * In a worker: close the other workers' Unix sockets, which are the same as its own. Their TCP
 * sockets stay open: this worker accepts from them when their worker does not.
 */
void listeners_keep(struct listeners *listeners, size_t worker);

#endif
