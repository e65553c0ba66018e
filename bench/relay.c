/*
 * relay.c - the lower limit: what it costs to move the bytes without looking at them.
 *
 * Each client connection gets a backend connection of its own; bytes go both ways as they come. One
 * edge-triggered event for each socket, registered once; one buffer for all; a handler writes at
 * once, and waits for writability only after EAGAIN. No parsing, no authorization, no pool.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_BYTES (64 * 1024)

/* One of the two sockets of a pair, and what could not be written to it yet. */
struct side {
	struct event event;
	struct side *other;
	int fd;
	char *pending; /* NULL: nothing */
	size_t pending_start, pending_end;
	bool readable, ended; /* ended: its end of stream has been read */
};

struct relay {
	struct event_base *base;
	struct sockaddr_in backend;
	char buffer[BUFFER_BYTES];
};

static struct relay relay;

static void
pair_close(struct side *side)
{
	struct side *sides[2] = {side, side->other};

	for (int i = 0; i < 2; i++) {
		event_del(&sides[i]->event);
		close(sides[i]->fd);
		free(sides[i]->pending);
	}
	free(sides[0] < sides[1] ? sides[0] : sides[1]);
}

/* Send what is pending. False when the pair is lost; *done when nothing is left. */
static bool
send_pending(struct side *side, bool *done)
{
	*done = side->pending == NULL;
	while (side->pending != NULL) {
		ssize_t n = send(side->fd, side->pending + side->pending_start,
		    side->pending_end - side->pending_start, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN;
		side->pending_start += (size_t)n;
		if (side->pending_start == side->pending_end) {
			free(side->pending);
			side->pending = NULL;
			*done = true;
		}
	}
	return true;
}

/* Send bytes, keeping what does not go. False when the pair is lost. */
static bool
send_on(struct side *to, const char *at, size_t len)
{
	ssize_t n = send(to->fd, at, len, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN)
		return false;
	if (n < 0)
		n = 0;
	if ((size_t)n == len)
		return true;
	to->pending = malloc(len - (size_t)n);
	if (to->pending == NULL)
		return false;
	memcpy(to->pending, at + n, len - (size_t)n);
	to->pending_start = 0;
	to->pending_end = len - (size_t)n;
	return true;
}

/* Move what there is from one side to the other. False when the pair is to be closed. */
static bool
move(struct side *from)
{
	struct side *to = from->other;

	while (from->readable && to->pending == NULL) {
		ssize_t n = recv(from->fd, relay.buffer, BUFFER_BYTES, 0);

		if (n == 0)
			return false;
		if (n < 0) {
			from->readable = false;
			return errno == EAGAIN;
		}
		if ((size_t)n < BUFFER_BYTES && !from->ended)
			from->readable = false;
		if (!send_on(to, relay.buffer, (size_t)n))
			return false;
	}
	return true;
}

static void
on_ready(evutil_socket_t fd, short what, void *ctx)
{
	struct side *side = ctx;
	bool done = true;

	(void)fd;
	if (what & (EV_READ | EV_CLOSED))
		side->readable = true;
	if (what & EV_CLOSED)
		side->ended = true;
	if ((what & EV_WRITE) && side->pending != NULL && !send_pending(side, &done)) {
		pair_close(side);
		return;
	}
	if (!move(side) || (done && !move(side->other)))
		pair_close(side);
}

static void
side_open(struct side *side, struct side *other, int fd)
{
	int on = 1;

	side->other = other;
	side->fd = fd;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	event_assign(&side->event, relay.base, fd,
	    EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST, on_ready, side);
	event_add(&side->event, NULL);
}

static void
on_accept(evutil_socket_t listener, short what, void *ctx)
{
	int client, backend;

	(void)what;
	(void)ctx;
	while ((client = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct side *sides = calloc(2, sizeof(*sides));

		backend = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		/* On loopback connecting does not wait, so it may as well block. */
		if (sides == NULL || backend < 0 ||
		    connect(backend, (struct sockaddr *)&relay.backend, sizeof(relay.backend)) !=
			0) {
			perror("relay: backend");
			exit(1);
		}
		evutil_make_socket_nonblocking(backend);
		side_open(&sides[0], &sides[1], client);
		side_open(&sides[1], &sides[0], backend);
	}
}

int
main(int argc, char **argv)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct event *accepting;
	int listener, on = 1;

	if (argc != 3) {
		fputs(
		    "Usage: bench_relay LISTEN_PORT BACKEND_PORT   (both on 127.0.0.1)\n", stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	relay.backend = address;
	relay.backend.sin_port = htons((uint16_t)atoi(argv[2]));
	address.sin_port = htons((uint16_t)atoi(argv[1]));
	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(listener, 4096) != 0) {
		perror("relay: listen");
		return 1;
	}
	relay.base = event_base_new();
	accepting = event_new(relay.base, listener, EV_READ | EV_PERSIST, on_accept, NULL);
	event_add(accepting, NULL);
	event_base_dispatch(relay.base);
	return 0;
}
