/* conn_socket.h - the socket of a connection, below TLS: for conn.c and tls.c alone. */
#ifndef JOBGATE_CONN_SOCKET_H
#define JOBGATE_CONN_SOCKET_H

#include "net/conn.h"

/*
 * Read at most cap bytes (over 0) of the socket into `into`; *n is their number with IO_OK. A read
 * that gives less than cap, or IO_AGAIN, makes conn->readable false: see struct conn.
 */
enum io conn_receive(struct conn *conn, char *into, size_t cap, size_t *n);

/* Write from `count` pieces (1 to 8) to the socket; *n is the number of bytes that it took with
 * IO_OK. IO_AGAIN makes conn->writable false. Never IO_EOF. */
enum io conn_send(struct conn *conn, const struct iovec *pieces, int count, size_t *n);

#endif
