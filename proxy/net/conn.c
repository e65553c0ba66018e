/* conn.c - edge-triggered reading and writing, straight on the socket or through TLS. */
#include "net/conn.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/tls.h"

static void
conn_event(evutil_socket_t fd, short what, void *arg)
{
	struct conn *conn = arg;

	(void)fd;
	if (what & EV_READ)
		conn->readable = true;
	if (what & EV_WRITE)
		conn->writable = true;
	if (what & EV_CLOSED)
		conn->readable = conn->peer_closed = true;
	if (conn->tls !=
	    NULL) /* either direction of TLS may have waited for the other of the socket */
		conn->readable = conn->writable = true;
	conn->ready(conn);
}

bool
conn_open(struct conn *conn, struct loop *loop, int fd, void (*ready)(struct conn *conn))
{
	*conn = (struct conn){
	    .loop = loop, .fd = fd, .readable = true, .writable = true, .ready = ready};
	if (event_assign(&conn->event, loop_base(loop), fd,
		EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST, conn_event, conn) != 0 ||
	    event_add(&conn->event, NULL) != 0) {
		conn->fd = -1;
		return false;
	}
	return true;
}

void
conn_close(struct conn *conn)
{
	if (conn->fd < 0)
		return;
	event_del(&conn->event);
	if (conn->tls != NULL)
		tls_close(conn->tls);
	conn->tls = NULL;
	close(conn->fd);
	conn->fd = -1;
}

void
conn_reset(struct conn *conn)
{
	const struct linger linger = {.l_onoff = 1, .l_linger = 0};

	if (conn->fd < 0)
		return;
	setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	conn_close(conn);
}

static enum io
conn_read_tls(struct conn *conn, char *into, size_t cap, size_t *n)
{
	switch (tls_read(conn->tls, into, cap, n)) {
	case TLS_IO_OK:
		return IO_OK;
	case TLS_IO_WANT_READ:
	case TLS_IO_WANT_WRITE:
		conn->readable = false;
		return IO_AGAIN;
	case TLS_IO_EOF:
		return IO_EOF;
	case TLS_IO_ERROR:
		break;
	}
	return IO_ERROR;
}

enum io
conn_read(struct conn *conn, char *into, size_t cap, size_t *n)
{
	ssize_t got;

	*n = 0;
	if (!conn->readable)
		return IO_AGAIN;
	if (conn->tls != NULL)
		return conn_read_tls(conn, into, cap, n);
	do
		got = recv(conn->fd, into, cap, 0);
	while (got < 0 && errno == EINTR);
	if (got > 0) {
		*n = (size_t)got;
		conn->read_short = *n < cap;
		if (conn->read_short && !conn->peer_closed)
			conn->readable = false;
		return IO_OK;
	}
	if (got == 0)
		return IO_EOF;
	if (errno != EAGAIN)
		return IO_ERROR;
	conn->readable = false;
	return IO_AGAIN;
}

void
conn_look_again(struct conn *conn)
{
	if (conn->read_short)
		conn->readable = true;
	conn->read_short = false;
}

static enum io
conn_write_tls(struct conn *conn, const struct iovec *pieces, int count, size_t *n)
{
	for (int i = 0; i < count; i++) {
		size_t taken = 0;

		if (pieces[i].iov_len == 0)
			continue;
		switch (tls_write(conn->tls, pieces[i].iov_base, pieces[i].iov_len, &taken)) {
		case TLS_IO_OK:
			*n += taken;
			if (taken < pieces[i].iov_len)
				return IO_OK;
			break;
		case TLS_IO_WANT_READ:
		case TLS_IO_WANT_WRITE:
			conn->writable = false;
			return *n > 0 ? IO_OK : IO_AGAIN;
		case TLS_IO_EOF:
		case TLS_IO_ERROR:
			return IO_ERROR;
		}
	}
	return IO_OK;
}

enum io
conn_write(struct conn *conn, const struct iovec *pieces, int count, size_t *n)
{
	struct msghdr message = {.msg_iov = (struct iovec *)pieces, .msg_iovlen = (size_t)count};
	ssize_t sent;

	*n = 0;
	if (!conn->writable)
		return IO_AGAIN;
	if (conn->tls != NULL)
		return conn_write_tls(conn, pieces, count, n);
	do
		sent = count == 1
			   ? send(conn->fd, pieces[0].iov_base, pieces[0].iov_len, MSG_NOSIGNAL)
			   : sendmsg(conn->fd, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent >= 0) {
		*n = (size_t)sent;
		return IO_OK;
	}
	if (errno != EAGAIN)
		return IO_ERROR;
	conn->writable = false;
	return IO_AGAIN;
}

void
conn_shutdown_write(struct conn *conn)
{
	if (conn->fd < 0)
		return;
	if (conn->tls != NULL)
		tls_shutdown(conn->tls);
	shutdown(conn->fd, SHUT_WR);
}
