/* channel.c - carries out the orders of the control process that concern sessions. */
#define _GNU_SOURCE 1 /* struct ucred */
#include "server/channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "jobgate/clock.h"

/* In each turn of the loop: so few that no client waits for long. */
#define EXCHANGES_AT_ONCE 1024
#define SESSIONS_AT_ONCE 32

struct channel {
	struct event_base *base;
	struct exchange_context *exchanges;
	const char *path;
	unsigned index;
	int fd; /* -1: not connected */
	struct event *readable, *writable;
	struct running_walk *walk; /* NULL: no order is being carried out */
	struct session_order order;
	uint64_t count;			/* of sessions that were listed, or cut, for this order */
	struct session_message message; /* the one that was sent last */
	bool waits;			/* it has not been sent yet */
};

static void
disconnect(struct channel *channel)
{
	running_walk_free(channel->walk);
	running_watch_free(channel->exchanges);
	channel->walk = NULL;
	if (channel->readable != NULL)
		event_free(channel->readable);
	if (channel->writable != NULL)
		event_free(channel->writable);
	channel->readable = channel->writable = NULL;
	channel->waits = false;
	if (channel->fd >= 0)
		close(channel->fd);
	channel->fd = -1;
}

/* ---- answers ---- */

/* Send `message`. False: not yet, because the socket has no room; or the connection is lost. */
static bool
put(struct channel *channel)
{
	ssize_t sent;

	channel->message.number = channel->order.number;
	sent = send(
	    channel->fd, &channel->message, sizeof(channel->message), MSG_DONTWAIT | MSG_NOSIGNAL);
	channel->waits = sent < 0 && (errno == EAGAIN || errno == EINTR);
	if (sent < 0 && !channel->waits)
		disconnect(channel);
	return sent >= 0;
}

/* All of the answer has been sent. */
static void
finish(struct channel *channel)
{
	running_walk_free(channel->walk);
	channel->walk = NULL;
	event_del(channel->writable);
}

static void
put_end(struct channel *channel, bool more)
{
	channel->message =
	    (struct session_message){.kind = SESSION_END, .end = {channel->count, more, {0}}};
	if (channel->order.counts)
		memcpy(channel->message.end.counts, running_counts(channel->walk),
		    sizeof(channel->message.end.counts));
	if (put(channel))
		finish(channel);
}

/* True when the control process no longer waits for what this cut has ended. */
static bool
is_too_late(const struct channel *channel)
{
	return channel->order.cuts && clock_ms(CLOCK_MONOTONIC) > channel->order.until_ms;
}

/* Find the next session, among *left exchanges, and tell of it. False: not now. */
static bool
tell_next(struct channel *channel, size_t *left)
{
	channel->message = (struct session_message){.kind = SESSION_ONE};
	switch (running_walk_next(channel->walk, left, &channel->message.session)) {
	case RUNNING_PAUSE:
		return false;
	case RUNNING_DONE:
		put_end(channel, false);
		return false;
	case RUNNING_FOUND:
		break;
	}
	if (channel->order.most > 0 && channel->count == channel->order.most) {
		put_end(channel, true);
		return false;
	}
	channel->count++;
	return channel->order.cuts || put(channel);
}

/* The socket has room: go on with the answer. */
static void
on_writable(evutil_socket_t fd, short what, void *ctx)
{
	struct channel *channel = ctx;
	size_t left = EXCHANGES_AT_ONCE;

	(void)fd;
	(void)what;
	if (channel->waits) {
		if (!put(channel))
			return;
		if (channel->message.kind == SESSION_END) {
			finish(channel);
			return;
		}
	}
	if (is_too_late(channel)) {
		finish(channel);
		return;
	}
	for (unsigned i = 0; i < SESSIONS_AT_ONCE && tell_next(channel, &left); i++)
		;
}

/* ---- what is watched ---- */

/* False: the socket has no room, or the connection is lost; then no slot is watched any more. */
static bool
tell(void *ctx, const struct session_event *event)
{
	const struct channel *channel = ctx;
	const struct session_message message = {.kind = SESSION_EVENT, .event = *event};

	return send(channel->fd, &message, sizeof(message), MSG_DONTWAIT | MSG_NOSIGNAL) ==
	       (ssize_t)sizeof(message);
}

/* The confirmation comes before all that is told to the slot, and after what was told before. */
static void
watch(struct channel *channel, const struct session_order *order)
{
	const struct session_message message = {.kind = SESSION_WATCHING, .number = order->number};

	if (!running_watch(channel->exchanges, order, tell, channel) ||
	    send(channel->fd, &message, sizeof(message), MSG_DONTWAIT | MSG_NOSIGNAL) !=
		(ssize_t)sizeof(message))
		disconnect(channel);
}

/* ---- orders ---- */

/* jobs: whose sessions it is to count; NULL: it is no such order. */
static void
begin(struct channel *channel, const struct session_order *order, const struct session_jobs *jobs)
{
	running_walk_free(channel->walk);
	channel->order = *order;
	channel->order.counts = jobs != NULL;
	channel->count = 0;
	channel->waits = false;
	channel->walk = jobs != NULL ? running_count_new(channel->exchanges, jobs)
				     : running_walk_new(channel->exchanges, order);
	if (channel->walk == NULL || event_add(channel->writable, NULL) != 0)
		disconnect(channel);
}

static void
on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct channel *channel = ctx;
	struct session_count_order message;
	const struct session_order *order = &message.order;
	ssize_t got = recv(fd, &message, sizeof(message), MSG_DONTWAIT | MSG_TRUNC);

	(void)what;
	if (got == (ssize_t)sizeof(message))
		begin(channel, order, &message.jobs);
	else if (got == (ssize_t)sizeof(*order) && order->watch != SESSION_WATCH_NOT)
		watch(channel, order);
	else if (got == (ssize_t)sizeof(*order))
		begin(channel, order, NULL);
	else if (got >= 0 || (errno != EAGAIN && errno != EINTR))
		disconnect(channel);
}

/* ---- connecting ---- */

/* True when a process of our own user listens there: others must learn nothing. */
static bool
is_ours(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 && cred.uid == geteuid();
}

static int
dial(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return -1;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
			   !is_ours(fd))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static bool
say_hello(struct channel *channel)
{
	channel->order.number = 0;
	channel->message = (struct session_message){.kind = SESSION_HELLO,
	    .hello = {SESSION_PROTOCOL, channel->index, running_worker(channel->exchanges)}};
	return put(channel);
}

void
channel_look(struct channel *channel)
{
	running_watch_look(channel->exchanges);
	if (channel->fd >= 0)
		return;
	channel->fd = dial(channel->path);
	if (channel->fd < 0)
		return;
	channel->readable =
	    event_new(channel->base, channel->fd, EV_READ | EV_PERSIST, on_readable, channel);
	channel->writable =
	    event_new(channel->base, channel->fd, EV_WRITE | EV_PERSIST, on_writable, channel);
	if (channel->readable != NULL && channel->writable != NULL &&
	    event_add(channel->readable, NULL) == 0 && say_hello(channel))
		return;
	if (channel->fd >= 0) /* a new socket without room for a word cannot be used */
		disconnect(channel);
}

struct channel *
channel_new(
    struct event_base *base, struct exchange_context *exchanges, const char *path, unsigned index)
{
	struct channel *channel = calloc(1, sizeof(*channel));

	if (channel != NULL)
		*channel = (struct channel){
		    .base = base, .exchanges = exchanges, .path = path, .index = index, .fd = -1};
	return channel;
}

void
channel_free(struct channel *channel)
{
	if (channel == NULL)
		return;
	disconnect(channel);
	free(channel);
}
