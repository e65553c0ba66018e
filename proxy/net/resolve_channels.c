/* resolve_channels.c - c-ares on the event loop: its sockets, its timer, its configuration. */
#include "net/resolve_channels.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

/* A socket of c-ares that is watched. */
struct watched_socket {
	LIST_ENTRY(watched_socket) link;
	struct dns_channels *channels;
	struct event *event;
	ares_socket_t fd;
};

void
dns_channels_schedule(struct dns_channels *channels)
{
	struct timeval max = {1, 0}, room;
	struct timeval *next = ares_timeout(channels->dns, &max, &room);

	if (LIST_EMPTY(&channels->sockets))
		event_del(channels->timer);
	else
		event_add(channels->timer, next);
}

static void
on_socket(evutil_socket_t fd, short what, void *ctx)
{
	struct dns_channels *channels = ((struct watched_socket *)ctx)->channels;

	ares_process_fd(channels->dns, what & EV_READ ? fd : ARES_SOCKET_BAD,
	    what & EV_WRITE ? fd : ARES_SOCKET_BAD);
	dns_channels_schedule(channels);
}

static void
on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct dns_channels *channels = ctx;

	(void)fd;
	(void)what;
	ares_process_fd(channels->dns, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	dns_channels_schedule(channels);
}

static void
socket_forget(struct watched_socket *socket)
{
	LIST_REMOVE(socket, link);
	event_free(socket->event);
	free(socket);
}

/* c-ares opens a socket, waits for other events on it, or closes it. */
static void
on_socket_state(void *ctx, ares_socket_t fd, int readable, int writable)
{
	struct dns_channels *channels = ctx;
	struct watched_socket *socket;
	short what = (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0) | EV_PERSIST);

	LIST_FOREACH(socket, &channels->sockets, link)
	if (socket->fd == fd)
		break;
	if (socket != NULL)
		socket_forget(socket);
	if (!readable && !writable)
		return;
	socket = calloc(1, sizeof(*socket));
	if (socket == NULL)
		return; /* the query will time out */
	socket->channels = channels;
	socket->fd = fd;
	socket->event = event_new(channels->base, fd, what, on_socket, socket);
	if (socket->event == NULL) {
		free(socket);
		return;
	}
	event_add(socket->event, NULL);
	LIST_INSERT_HEAD(&channels->sockets, socket, link);
}

static bool
open_channel(struct dns_channels *channels, ares_channel *channel, const char *lookups)
{
	/* c-ares takes no const pointers, but copies what they point to. */
	char copy[] = {lookups[0], '\0'}, path[PATH_MAX];
	struct ares_options options = {.timeout = 1000,
	    .tries = 3,
	    .udp_port = channels->port,
	    .tcp_port = channels->port,
	    .lookups = copy,
	    .resolvconf_path = path,
	    .sock_state_cb = on_socket_state,
	    .sock_state_cb_data = channels};

	snprintf(path, sizeof(path), "%s", channels->resolv_conf);
	return ares_init_options(channel, &options,
		   ARES_OPT_SOCK_STATE_CB | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
		       ARES_OPT_RESOLVCONF | ARES_OPT_UDP_PORT | ARES_OPT_TCP_PORT) == ARES_SUCCESS;
}

static bool
resolv_conf_changed(struct dns_channels *channels)
{
	struct stat now = {0}, *before = &channels->resolv_conf_read;
	bool changed;

	(void)stat(channels->resolv_conf, &now); /* missing: all zero */
	changed = now.st_ino != before->st_ino || now.st_size != before->st_size ||
		  now.st_mtim.tv_sec != before->st_mtim.tv_sec ||
		  now.st_mtim.tv_nsec != before->st_mtim.tv_nsec;
	*before = now;
	return changed;
}

void
dns_channels_follow(struct dns_channels *channels)
{
	ares_channel channel;

	if (channels->servers_given || !resolv_conf_changed(channels) ||
	    !open_channel(channels, &channel, "b"))
		return;
	ares_destroy(channels->dns);
	channels->dns = channel;
}

bool
dns_channels_open(struct dns_channels *channels, struct event_base *base, const char *servers,
    const char *resolv_conf, uint16_t port)
{
	*channels = (struct dns_channels){.base = base,
	    .resolv_conf = resolv_conf,
	    .port = port,
	    .servers_given = servers != NULL};
	LIST_INIT(&channels->sockets);
	(void)resolv_conf_changed(channels);
	channels->timer = evtimer_new(base, on_timer, channels);
	return channels->timer != NULL && open_channel(channels, &channels->hosts, "f") &&
	       open_channel(channels, &channels->dns, "b") &&
	       (servers == NULL ||
		   ares_set_servers_ports_csv(channels->dns, servers) == ARES_SUCCESS);
}

void
dns_channels_close(struct dns_channels *channels)
{
	struct watched_socket *socket;

	if (channels->hosts != NULL)
		ares_destroy(channels->hosts);
	if (channels->dns != NULL)
		ares_destroy(channels->dns);
	while ((socket = LIST_FIRST(&channels->sockets)) != NULL)
		/* It has left the list. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		socket_forget(socket);
	if (channels->timer != NULL)
		event_free(channels->timer);
}
