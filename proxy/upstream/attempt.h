/* attempt.h - a socket on its way to one address of a backend; for connect.c alone. */
#ifndef JOBGATE_UPSTREAM_ATTEMPT_H
#define JOBGATE_UPSTREAM_ATTEMPT_H

#include "net/conn.h"
#include "upstream/pool_state.h"

enum attempt {
	ATTEMPT_STARTED,     /* conn->ready is called once it is known how it ended */
	ATTEMPT_FAILED,	     /* it failed at once */
	ATTEMPT_NOT_ALLOWED, /* the guard refuses the address */
	ATTEMPT_NO_SOCKET,   /* this process is short of something: no fault of the backend's */
};

/*
 * Judge an address (index into backend->addresses; for a backend that is a Unix socket
 * 0, its path) and set out to connect to it. conn is closed before, and open after
 * ATTEMPT_STARTED only; it is neither readable nor writable until the loop says so.
 */
enum attempt attempt_start(
    struct backend *backend, size_t index, struct conn *conn, void (*ready)(struct conn *conn));

#endif
