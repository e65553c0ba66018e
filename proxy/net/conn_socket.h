/* conn_socket.h - the socket of a connection, below TLS; only for conn.c and tls.c. */
#ifndef JOBGATE_CONN_SOCKET_H
#define JOBGATE_CONN_SOCKET_H

#include "net/conn.h"

/*
 * Read at most cap bytes (at least 1) of the socket; with IO_OK *n is their number. A read that
 * gives less than cap, or IO_AGAIN, makes conn->readable false: see struct conn.
 */
enum io conn_receive(struct conn *conn, char *into, size_t cap, size_t *n);

/*
 * Write from `count` pieces (1 to 8) to the socket; with IO_OK *n is the number of bytes that it
 * took. IO_AGAIN makes conn->writable false. Never IO_EOF. When it does not take all, conn is
 * registered with the loop from then on.
 */
enum io conn_send(struct conn *conn, const struct iovec *pieces, int count, size_t *n);

#endif
