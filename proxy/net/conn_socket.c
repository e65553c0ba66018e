/* conn_socket.c - edge-triggered reads and writes of the socket itself, and its registration. */
#include "net/conn_socket.h"

#include <errno.h>
#include <sys/socket.h>

#include "jobgate/check.h"

enum io
conn_receive(struct conn *conn, char *into, size_t cap, size_t *n)
{
	ssize_t got;

	CHECK(conn->fd >= 0 && cap > 0, conn_dump, conn);
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

bool
conn_watch(struct conn *conn)
{
	CHECK(conn->fd >= 0, conn_dump, conn);
	conn->watched = conn->watched || event_add(&conn->event, NULL) == 0;
	return conn->watched;
}

static size_t
length_of(const struct iovec *pieces, int count)
{
	size_t len = 0;

	for (int i = 0; i < count; i++)
		len += pieces[i].iov_len;
	return len;
}

enum io
conn_send(struct conn *conn, const struct iovec *pieces, int count, size_t *n)
{
	struct msghdr message = {.msg_iov = (struct iovec *)pieces, .msg_iovlen = (size_t)count};
	int flags = conn->ends ? MSG_NOSIGNAL | MSG_MORE : MSG_NOSIGNAL;
	ssize_t sent;

	CHECK(conn->fd >= 0 && count > 0, conn_dump, conn);
	do
		sent = count == 1 ? send(conn->fd, pieces[0].iov_base, pieces[0].iov_len, flags)
				  : sendmsg(conn->fd, &message, flags);
	while (sent < 0 && errno == EINTR);
	if (sent >= 0) {
		*n = (size_t)sent;
		if (!conn->watched && *n < length_of(pieces, count) && !conn_watch(conn))
			return IO_ERROR;
		return IO_OK;
	}
	if (errno != EAGAIN || !conn_watch(conn))
		return IO_ERROR;
	conn->writable = false;
	return IO_AGAIN;
}
