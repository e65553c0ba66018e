/* resolve.c - c-ares on the event loop. */
#include "net/resolve.h"

#include <ares.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#define NAME_MAX_LEN 253
#define TTL_MAX 3600

/* A socket that c-ares wants watched. */
struct watched_socket {
	LIST_ENTRY(watched_socket) link;
	struct resolver *resolver;
	struct event *event;
	ares_socket_t fd;
};

/* The question for one family. */
struct half {
	struct resolution *resolution;
	struct ares_addrinfo *info; /* NULL: none, or not yet */
	int status;
	bool answered; /* c-ares is done with it */
};

#define FAMILIES 2 /* IPv6 goes first */

/* It lives until c-ares has answered both halves. */
struct resolution {
	LIST_ENTRY(resolution) link;
	struct resolver *resolver;
	void (*done)(void *ctx, const struct resolved *resolved); /* NULL: cancelled */
	void *ctx;
	struct event *deliver; /* tells of the answer, never from within resolver_ask */
	struct half halves[FAMILIES];
	int told; /* the half that went ahead of the other; -1: none */
};

struct resolver {
	struct event_base *base;
	ares_channel hosts;   /* /etc/hosts alone, which goes first for both families */
	ares_channel channel; /* DNS alone */
	struct event *timer;
	LIST_HEAD(, watched_socket) sockets;
	LIST_HEAD(, resolution) resolutions;
	bool closing;
};

/* c-ares says when it wants to be called next. */
static void
resolver_schedule(struct resolver *resolver)
{
	struct timeval max = {1, 0}, room;
	struct timeval *next = ares_timeout(resolver->channel, &max, &room);

	if (LIST_EMPTY(&resolver->sockets))
		event_del(resolver->timer);
	else
		event_add(resolver->timer, next);
}

static void
on_socket(evutil_socket_t fd, short what, void *ctx)
{
	struct resolver *resolver = ((struct watched_socket *)ctx)->resolver;

	ares_process_fd(resolver->channel, what & EV_READ ? fd : ARES_SOCKET_BAD,
	    what & EV_WRITE ? fd : ARES_SOCKET_BAD);
	resolver_schedule(resolver);
}

static void
on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct resolver *resolver = ctx;

	(void)fd;
	(void)what;
	ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	resolver_schedule(resolver);
}

static void
socket_forget(struct watched_socket *socket)
{
	LIST_REMOVE(socket, link);
	event_free(socket->event);
	free(socket);
}

/* c-ares opened, wants or closes a socket. */
static void
on_socket_state(void *ctx, ares_socket_t fd, int readable, int writable)
{
	struct resolver *resolver = ctx;
	struct watched_socket *socket;
	short what = (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0) | EV_PERSIST);

	LIST_FOREACH(socket, &resolver->sockets, link)
	if (socket->fd == fd)
		break;
	if (socket != NULL)
		socket_forget(socket);
	if (!readable && !writable)
		return;
	socket = calloc(1, sizeof(*socket));
	if (socket == NULL)
		return; /* the question times out */
	socket->resolver = resolver;
	socket->fd = fd;
	socket->event = event_new(resolver->base, fd, what, on_socket, socket);
	if (socket->event == NULL) {
		free(socket);
		return;
	}
	event_add(socket->event, NULL);
	LIST_INSERT_HEAD(&resolver->sockets, socket, link);
}

static bool
open_channel(struct resolver *resolver, ares_channel *channel, const char *lookups)
{
	char copy[] = {lookups[0], '\0'}; /* c-ares takes no constant, but copies it */
	struct ares_options options = {.timeout = 1000,
	    .tries = 3,
	    .lookups = copy,
	    .sock_state_cb = on_socket_state,
	    .sock_state_cb_data = resolver};

	return ares_init_options(channel, &options,
		   ARES_OPT_SOCK_STATE_CB | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
		       ARES_OPT_LOOKUPS) == ARES_SUCCESS;
}

struct resolver *
resolver_new(struct event_base *base, const char *servers)
{
	struct resolver *resolver = calloc(1, sizeof(*resolver));

	if (resolver == NULL)
		return NULL;
	resolver->base = base;
	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
		free(resolver);
		return NULL;
	}
	resolver->timer = evtimer_new(base, on_timer, resolver);
	if (resolver->timer == NULL || !open_channel(resolver, &resolver->hosts, "f") ||
	    !open_channel(resolver, &resolver->channel, "b") ||
	    (servers != NULL &&
		ares_set_servers_ports_csv(resolver->channel, servers) != ARES_SUCCESS)) {
		resolver_free(resolver);
		return NULL;
	}
	return resolver;
}

static void
resolution_free(struct resolution *resolution)
{
	LIST_REMOVE(resolution, link);
	if (resolution->deliver != NULL)
		event_free(resolution->deliver);
	for (size_t i = 0; i < FAMILIES; i++)
		if (resolution->halves[i].info != NULL)
			ares_freeaddrinfo(resolution->halves[i].info);
	free(resolution);
}

void
resolver_free(struct resolver *resolver)
{
	struct resolution *resolution;
	struct watched_socket *socket;

	if (resolver == NULL)
		return;
	resolver->closing = true;
	/* Every question is answered with ARES_EDESTRUCTION. */
	if (resolver->hosts != NULL)
		ares_destroy(resolver->hosts);
	if (resolver->channel != NULL)
		ares_destroy(resolver->channel);
	while ((resolution = LIST_FIRST(&resolver->resolutions)) != NULL)
		resolution_free(resolution);
	while ((socket = LIST_FIRST(&resolver->sockets)) != NULL)
		/* It has left the list. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		socket_forget(socket);
	if (resolver->timer != NULL)
		event_free(resolver->timer);
	ares_library_cleanup();
	free(resolver);
}

/* Append the next address from *at on. False when there is none, or no room. */
static bool
take_address(struct resolved *out, const struct ares_addrinfo_node **at)
{
	const struct ares_addrinfo_node *node = *at;
	struct address *address;

	if (node == NULL || out->count == RESOLVE_ADDRESSES_MAX ||
	    node->ai_addrlen > sizeof(address->storage))
		return false;
	address = &out->addresses[out->count++];
	memcpy(&address->storage, node->ai_addr, node->ai_addrlen);
	address->len = node->ai_addrlen;
	*at = node->ai_next;
	return true;
}

/* An answer is as good as the shortest-lived of what it rests on, aliases included. */
static uint32_t
ttl_of(const struct ares_addrinfo *info, uint32_t ttl_s)
{
	for (const struct ares_addrinfo_node *at = info->nodes; at != NULL; at = at->ai_next)
		if (at->ai_ttl >= 0 && (uint32_t)at->ai_ttl < ttl_s)
			ttl_s = (uint32_t)at->ai_ttl;
	for (const struct ares_addrinfo_cname *at = info->cnames; at != NULL; at = at->next)
		if (at->ttl >= 0 && (uint32_t)at->ttl < ttl_s)
			ttl_s = (uint32_t)at->ttl;
	return ttl_s > 0 ? ttl_s : 1;
}

static bool
all_answered(const struct resolution *resolution)
{
	return resolution->halves[0].answered && resolution->halves[1].answered;
}

/* Families in turn; but what has been told already keeps its place, and leaves room. */
static void
take_addresses(const struct resolution *resolution, struct resolved *out)
{
	const struct ares_addrinfo_node *at[FAMILIES] = {NULL};
	bool more = true;

	for (size_t i = 0; i < FAMILIES; i++)
		if (resolution->halves[i].info != NULL)
			at[i] = resolution->halves[i].info->nodes;
	if (resolution->told >= 0) {
		while (more && out->count < RESOLVE_ADDRESSES_MAX / 2)
			more = take_address(out, &at[resolution->told]);
		at[resolution->told] = NULL;
	}
	do {
		more = false;
		for (size_t i = 0; i < FAMILIES; i++)
			more = take_address(out, &at[i]) || more;
	} while (more);
}

/* What has been answered so far, as its asker is told. */
static void
resolution_merge(const struct resolution *resolution, struct resolved *out)
{
	int status = ARES_ENODATA;

	*out = (struct resolved){.ttl_s = TTL_MAX, .partial = !all_answered(resolution)};
	for (size_t i = 0; i < FAMILIES; i++) {
		const struct half *half = &resolution->halves[i];

		if (half->info != NULL)
			out->ttl_s = ttl_of(half->info, out->ttl_s);
		if (half->answered && half->status != ARES_SUCCESS && half->status != ARES_ENODATA)
			status = half->status;
	}
	take_addresses(resolution, out);
	if (out->count > 0)
		return;
	out->ttl_s = 1;
	out->failed = status != ARES_ENODATA && status != ARES_ENOTFOUND;
	out->error = ares_strerror(status);
}

static void
on_answer(void *ctx, int status, int timeouts, struct ares_addrinfo *info)
{
	const struct timeval delay = {0, RESOLUTION_DELAY_MS * 1000};
	struct half *half = ctx;
	struct resolution *resolution = half->resolution;

	(void)timeouts;
	half->answered = true;
	half->status = status;
	half->info = info;
	if (resolution->resolver->closing)
		return;
	if (all_answered(resolution))
		event_active(resolution->deliver, EV_TIMEOUT, 0);
	else if (info != NULL && info->nodes != NULL)
		event_add(resolution->deliver, &delay);
}

/* Told of one family, or of all: then it is over. */
static void
on_deliver(evutil_socket_t fd, short what, void *ctx)
{
	struct resolution *resolution = ctx;
	struct resolved resolved;

	(void)fd;
	(void)what;
	if (!all_answered(resolution))
		resolution->told = resolution->halves[0].answered ? 0 : 1;
	if (resolution->done != NULL) {
		resolution_merge(resolution, &resolved);
		resolution->done(resolution->ctx, &resolved);
	}
	if (all_answered(resolution))
		resolution_free(resolution);
}

static void
ask_dns(struct resolution *resolution, const char *host, const char *service)
{
	static const int families[FAMILIES] = {AF_INET6, AF_INET};
	struct ares_addrinfo_hints hints = {.ai_socktype = SOCK_STREAM};

	for (size_t i = 0; i < FAMILIES; i++) {
		hints.ai_family = families[i];
		ares_getaddrinfo(resolution->resolver->channel, host, service, &hints, on_answer,
		    &resolution->halves[i]);
	}
}

/* The hosts file knows the name: then nobody else is asked, not even for the other family. */
static void
on_hosts(void *ctx, int status, int timeouts, struct ares_addrinfo *info)
{
	struct resolution *resolution = ctx;

	(void)timeouts;
	if (status != ARES_SUCCESS)
		return;
	resolution->halves[0].info = info;
	for (size_t i = 0; i < FAMILIES; i++) {
		resolution->halves[i].answered = true;
		resolution->halves[i].status = ARES_SUCCESS;
	}
	event_active(resolution->deliver, EV_TIMEOUT, 0);
}

struct resolution *
resolver_ask(struct resolver *resolver, struct slice name, uint16_t port,
    void (*done)(void *ctx, const struct resolved *resolved), void *ctx)
{
	const struct ares_addrinfo_hints hints = {
	    .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct resolution *resolution;
	char host[NAME_MAX_LEN + 1], service[8];

	if (name.len == 0 || name.len > NAME_MAX_LEN)
		return NULL;
	resolution = calloc(1, sizeof(*resolution));
	if (resolution == NULL)
		return NULL;
	resolution->resolver = resolver;
	resolution->done = done;
	resolution->ctx = ctx;
	resolution->told = -1;
	LIST_INSERT_HEAD(&resolver->resolutions, resolution, link);
	resolution->deliver = event_new(resolver->base, -1, 0, on_deliver, resolution);
	if (resolution->deliver == NULL) {
		resolution_free(resolution);
		return NULL;
	}
	for (size_t i = 0; i < FAMILIES; i++)
		resolution->halves[i].resolution = resolution;
	memcpy(host, name.at, name.len);
	host[name.len] = '\0';
	snprintf(service, sizeof(service), "%u", port);
	/* A file is read at once: on_hosts has been called when this returns. */
	ares_getaddrinfo(resolver->hosts, host, service, &hints, on_hosts, resolution);
	if (!all_answered(resolution))
		ask_dns(resolution, host, service);
	resolver_schedule(resolver);
	return resolution;
}

void
resolver_cancel(struct resolution *resolution)
{
	/* c-ares cannot take one question back: it is let run, and its answer dropped. */
	resolution->done = NULL;
}
