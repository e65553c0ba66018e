/* connect_address.h - connecting to one address of a backend; for race.c alone. */
#ifndef JOBGATE_UPSTREAM_CONNECT_ADDRESS_H
#define JOBGATE_UPSTREAM_CONNECT_ADDRESS_H

#include "net/conn.h"
#include "upstream/pool_state.h"

enum connect_result {
	CONNECT_STARTED,     /* conn->ready is called once it is known how it ended */
	CONNECT_FAILED,	     /* it failed at once */
	CONNECT_NOT_ALLOWED, /* the guard refuses the address */
	CONNECT_NO_SOCKET,   /* this process is short of descriptors, ports or memory */
};

/*
 * Judge an address (index into backend->addresses; 0 for a backend that is a Unix socket) and begin
 * to connect to it. conn is closed before, and open after
 * CONNECT_STARTED only; it is neither readable nor writable until the loop says so.
 */
enum connect_result connect_address(
    struct backend *backend, size_t index, struct conn *conn, void (*ready)(struct conn *conn));

#endif
