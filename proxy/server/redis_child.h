/* redis_child.h - the private redis-server of a gateway that was given no store. */
#ifndef JOBGATE_REDIS_CHILD_H
#define JOBGATE_REDIS_CHILD_H

#include <sys/types.h>

#include "config/config.h"

struct redis_child {
	char socket[108];   /* path of its Unix socket */
	char url[128];	    /* the same as a store's URL */
	off_t log_at;	    /* where the next line that redis-server logs begins */
	char line[256];	    /* the text of the last one since its start; "" when there is none */
	bool bound;	    /* its socket has been there since its start */
	bool missed;	    /* and it was missing at the last check */
	bool told_gone;	    /* it has been logged that its socket cannot be created */
	uint64_t looked_ms; /* when it was last checked */
	int lock; /* held on the state directory, so that no second gateway writes there; -1: not
		     yet */
};

/*
 * Fill in its place: next to the control socket, since only this gateway's user may open either.
 * False, with a line in the log, when the path is not usable.
 */
bool redis_child_place(
    struct redis_child *child, const struct config *config, const struct log *log);

/*
 * Prepare its directory and its socket's path. False, with a line in the log,
 * when that fails or another gateway uses the directory or the path.
 */
bool redis_child_prepare(
    struct redis_child *child, const struct config *config, const struct log *log);

/*
 * Create the directory of its socket if it was removed. False with errno; EPERM when it belongs to
 * another user.
 */
bool redis_child_make_directory(const struct redis_child *child);

/* In a forked child: become redis-server. Returns only when that fails, with a line in the log. */
void redis_child_exec(
    const struct redis_child *child, const struct config *config, const struct log *log);

/*
 * Wait until the child listens or has ended, for at most a second, so that the processes that start
 * next do not log that their store is missing.
 */
void redis_child_await(const struct redis_child *child, pid_t pid);

/* Release the lock on the directory. */
void redis_child_release(struct redis_child *child);

#endif
