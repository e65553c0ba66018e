/* conn.c - edge-triggered reads and writes, directly on the socket or through TLS. */
#include "net/conn.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "jobgate/check.h"
#include "net/conn_socket.h"
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
	if (conn->tls != NULL)
		conn->drained = conn->drained && !conn->readable;
	conn->ready(conn);
}

bool
conn_begin(struct conn *conn, struct loop *loop, int fd, void (*ready)(struct conn *conn))
{
	CHECK(fd >= 0 && ready != NULL);
	*conn = (struct conn){.fd = fd, .readable = true, .writable = true, .ready = ready};
	if (event_assign(&conn->event, loop_base(loop), fd,
		EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST, conn_event, conn) == 0)
		return true;
	conn->fd = -1;
	return false;
}

bool
conn_open(struct conn *conn, struct loop *loop, int fd, void (*ready)(struct conn *conn))
{
	if (!conn_begin(conn, loop, fd, ready))
		return false;
	if (conn_watch(conn))
		return true;
	conn->fd = -1;
	return false;
}

void
conn_end_follows(struct conn *conn)
{
	conn->ends = conn->tls == NULL;
}

bool
conn_take(struct conn *to, struct loop *loop, struct conn *from, void (*ready)(struct conn *conn))
{
	int fd = from->fd;

	CHECK(fd >= 0 && from->tls == NULL, conn_dump, from);
	event_del(&from->event);
	from->watched = false;
	from->fd = -1;
	if (conn_open(to, loop, fd, ready))
		return true;
	close(fd);
	return false;
}

void
conn_close(struct conn *conn)
{
	if (conn->fd < 0)
		return;
	event_del(&conn->event);
	tls_free(conn->tls);
	conn->tls = NULL;
	conn->unsent = false;
	close(conn->fd);
	conn->watched = false;
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

void
conn_send_unsent(struct conn *conn)
{
	if (conn->unsent && conn->writable)
		tls_flush(conn->tls);
}

void
conn_farewell(struct conn *conn)
{
	if (conn->fd >= 0 && conn->tls != NULL)
		tls_end(conn->tls);
}

enum io
conn_read(struct conn *conn, char *into, size_t cap, size_t *n)
{
	*n = 0;
	if (!conn->readable)
		return IO_AGAIN;
	if (conn->tls != NULL)
		return tls_read(conn->tls, into, cap, n);
	return conn_receive(conn, into, cap, n);
}

enum io
conn_peek(struct conn *conn, char *into, size_t cap, size_t *n)
{
	ssize_t got;

	CHECK(conn->fd >= 0 && conn->tls == NULL, conn_dump, conn);
	if (!conn->readable)
		return IO_AGAIN;
	do
		got = recv(conn->fd, into, cap, MSG_PEEK);
	while (got < 0 && errno == EINTR);
	if (got == 0)
		return IO_EOF;
	if (got < 0 && errno != EAGAIN)
		return IO_ERROR;
	*n = got > 0 ? (size_t)got : 0;
	if (got < 0)
		conn->readable = false;
	return got > 0 ? IO_OK : IO_AGAIN;
}

bool
conn_skip(struct conn *conn, size_t n)
{
	char ignored[512];

	while (n > 0) {
		size_t piece = n < sizeof(ignored) ? n : sizeof(ignored);

		if (recv(conn->fd, ignored, piece, 0) != (ssize_t)piece)
			return false;
		n -= piece;
	}
	return true;
}

void
conn_ask_again(struct conn *conn)
{
	conn->readable = true;
	conn->drained = false;
	conn->read_short = false;
}

void
conn_look_again(struct conn *conn)
{
	if (conn->read_short)
		conn_ask_again(conn);
}

enum io
conn_write(struct conn *conn, const struct iovec *pieces, int count, size_t *n)
{
	*n = 0;
	if (!conn->writable)
		return IO_AGAIN;
	if (conn->tls != NULL)
		return tls_write(conn->tls, pieces, count, n);
	return conn_send(conn, pieces, count, n);
}

size_t
conn_unsent_content(const struct conn *conn)
{
	return conn->unsent ? tls_unsent_content(conn->tls) : 0;
}

void
conn_shutdown_write(struct conn *conn)
{
	if (conn->fd < 0)
		return;
	if (conn->tls != NULL)
		tls_end(conn->tls);
	if (conn->unsent || conn->shut)
		return;
	/* Only once: after each such call the loop reports that the socket is writable. */
	conn->shut = true;
	shutdown(conn->fd, SHUT_WR);
}

void
conn_cut(struct conn *conn)
{
	if (conn->fd >= 0)
		shutdown(conn->fd, SHUT_WR);
}

size_t
conn_unacknowledged(const struct conn *conn)
{
	int n = 0;

	return ioctl(conn->fd, SIOCOUTQ, &n) == 0 && n > 0 ? (size_t)n : 0;
}

bool
conn_failed(const struct conn *conn)
{
	socklen_t len = sizeof(int);
	int error = 0;

	return getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0;
}

void
conn_probe(struct conn *conn)
{
	const int on = 1, seconds = 15, count = 4;

	setsockopt(conn->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(conn->fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof(seconds));
	setsockopt(conn->fd, IPPROTO_TCP, TCP_KEEPINTVL, &seconds, sizeof(seconds));
	setsockopt(conn->fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}
