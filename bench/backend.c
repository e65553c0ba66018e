/*
 * backend.c - the server behind every proxy of a benchmark; it answers as cheaply as possible.
 *
 * "/small" has 64 bytes, "/N" has N; a request's content is read and dropped; an upgrade makes an
 * echo. Requests may be pipelined. It listens on one port at 127.0.0.1 and further addresses
 * (127.0.x.y), so that many jobs can have a backend each. With a third argument it takes so many
 * microseconds for each answer, one after the other: a slow server with a queue.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD_MAX 8192
#define CONTENT_MAX (1024 * 1024)
#define READ_BYTES (64 * 1024)

struct conn {
	int fd;
	bool listener, echo, close;
	size_t head_len;       /* bytes of a head that is not complete */
	uint64_t content_left; /* of the request, to be dropped */
	size_t out_start, out_end;
	char *out; /* NULL: nothing waits to be sent */
	char head[HEAD_MAX];
};

static char content[CONTENT_MAX];
static struct timespec delay;
static int loop;

static void
conn_add(int fd, bool listener)
{
	struct conn *conn = malloc(listener ? offsetof(struct conn, head) : sizeof(*conn));
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};

	if (conn == NULL)
		exit(1);
	memset(conn, 0, offsetof(struct conn, head));
	conn->fd = fd;
	conn->listener = listener;
	if (!listener)
		event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
	epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event);
}

static void
conn_close(struct conn *conn)
{
	close(conn->fd);
	free(conn->out);
	free(conn);
}

/* Send, keeping what does not go. */
static void
conn_send(struct conn *conn, const char *at, size_t len)
{
	ssize_t n = conn->out != NULL ? 0 : send(conn->fd, at, len, MSG_NOSIGNAL);
	size_t pending = conn->out_end - conn->out_start;
	char *out;

	if (n < 0)
		n = 0;
	if ((size_t)n == len)
		return;
	out = malloc(pending + len - (size_t)n);
	if (out == NULL)
		exit(1);
	if (pending > 0)
		memcpy(out, conn->out + conn->out_start, pending);
	memcpy(out + pending, at + n, len - (size_t)n);
	free(conn->out);
	conn->out = out;
	conn->out_start = 0;
	conn->out_end = pending + len - (size_t)n;
}

/* False while something still waits. */
static bool
conn_flush(struct conn *conn)
{
	while (conn->out != NULL) {
		ssize_t n = send(conn->fd, conn->out + conn->out_start,
		    conn->out_end - conn->out_start, MSG_NOSIGNAL);

		if (n < 0)
			return false;
		conn->out_start += (size_t)n;
		if (conn->out_start == conn->out_end) {
			free(conn->out);
			conn->out = NULL;
			conn->out_start = conn->out_end = 0;
		}
	}
	return true;
}

/* A head is complete, NUL-terminated. */
static void
conn_answer(struct conn *conn)
{
	static const char upgrade[] =
	    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
	    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
	static char answer[256 + CONTENT_MAX];
	const char *length = strcasestr(conn->head, "\r\ncontent-length:");
	const char *path = strchr(conn->head, ' ');
	size_t size = path != NULL ? strtoul(path + 2, NULL, 10) : 0;
	int head;

	if (delay.tv_nsec > 0)
		nanosleep(&delay, NULL);
	if (strcasestr(conn->head, "\r\nupgrade: websocket") != NULL) {
		conn->echo = true;
		conn_send(conn, upgrade, sizeof(upgrade) - 1);
		return;
	}
	conn->content_left = length != NULL ? strtoull(length + 17, NULL, 10) : 0;
	conn->close = strcasestr(conn->head, "\r\nconnection: close") != NULL;
	if (size == 0 || size > CONTENT_MAX)
		size = 64;
	head = snprintf(answer, 256,
	    "HTTP/1.1 200 OK\r\nServer: backend\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
	    "Content-Type: text/plain\r\nContent-Length: %zu\r\n%s\r\n",
	    size, conn->close ? "Connection: close\r\n" : "");
	memcpy(answer + head, content, size);
	conn_send(conn, answer, (size_t)head + size);
}

static void
conn_take(struct conn *conn, const char *at, size_t len)
{
	if (conn->echo) {
		conn_send(conn, at, len);
		return;
	}
	while (len > 0) {
		size_t n = len < conn->content_left ? len : conn->content_left;

		conn->content_left -= n;
		at += n;
		len -= n;
		while (len > 0 && conn->head_len < HEAD_MAX - 1) {
			conn->head[conn->head_len++] = *at++;
			len--;
			if (at[-1] == '\n' && conn->head_len >= 4 &&
			    memcmp(conn->head + conn->head_len - 4, "\r\n\r\n", 4) == 0) {
				conn->head[conn->head_len] = '\0';
				conn->head_len = 0;
				conn_answer(conn);
				break;
			}
		}
		if (conn->head_len == HEAD_MAX - 1)
			return;
	}
}

static void
conn_ready(struct conn *conn)
{
	static char buffer[READ_BYTES];

	if (conn->listener) {
		int fd, on = 1;

		while ((fd = accept4(conn->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
			conn_add(fd, false);
		}
		return;
	}
	for (;;) {
		ssize_t n = 1;

		if (!conn_flush(conn))
			return;
		if (!conn->close)
			n = recv(conn->fd, buffer, READ_BYTES, 0);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0 || (conn->close && conn->content_left == 0)) {
			conn_close(conn);
			return;
		}
		conn_take(conn, buffer, (size_t)n);
	}
}

/* Listen at `count` addresses from 127.0.0.1 on. */
static void
listen_at(uint16_t port, unsigned count)
{
	struct rlimit limit;
	int on = 1;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	for (unsigned i = 0; i < count; i++) {
		struct sockaddr_in address = {.sin_family = AF_INET,
		    .sin_port = htons(port),
		    .sin_addr.s_addr = htonl(INADDR_LOOPBACK + i)};
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
		    listen(fd, 4096) != 0) {
			perror("backend: listen");
			exit(1);
		}
		conn_add(fd, true);
	}
}

int
main(int argc, char **argv)
{
	struct epoll_event events[256];

	if (argc < 3 || argc > 4) {
		fputs("Usage: bench_backend PORT ADDRESSES [MICROSECONDS]   (127.0.0.1 and those "
		      "that follow it)\n",
		    stderr);
		return 2;
	}
	if (argc == 4)
		delay.tv_nsec = atol(argv[3]) * 1000;
	signal(SIGPIPE, SIG_IGN);
	memset(content, 'x', sizeof(content));
	loop = epoll_create1(EPOLL_CLOEXEC);
	listen_at((uint16_t)atoi(argv[1]), (unsigned)atoi(argv[2]));
	for (;;) {
		int count = epoll_wait(loop, events, 256, -1);

		for (int i = 0; i < count; i++)
			conn_ready(events[i].data.ptr);
	}
}
