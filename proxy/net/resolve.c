/* resolve.c - c-ares on the event loop. */
#include "net/resolve.h"

#include <ares.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/un.h>

#define NAME_MAX_LEN 253
#define TTL_MAX 3600

/* A socket that c-ares wants watched. */
struct watched_socket {
	LIST_ENTRY(watched_socket) link;
	struct resolver *resolver;
	struct event *event;
	ares_socket_t fd;
};

struct resolution {
	LIST_ENTRY(resolution) link;
	struct resolver *resolver;
	void (*done)(void *ctx, const struct resolved *resolved); /* NULL: cancelled */
	void *ctx;
	struct event *deliver; /* tells of the answer, never from within resolver_ask */
	bool answered;	       /* c-ares is done with it */
	struct resolved resolved;
};

struct resolver {
	struct event_base *base;
	ares_channel channel;
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

struct resolver *
resolver_new(struct event_base *base, const char *servers)
{
	struct resolver *resolver = calloc(1, sizeof(*resolver));
	struct ares_options options = {.timeout = 1000, .tries = 3};

	if (resolver == NULL)
		return NULL;
	resolver->base = base;
	options.sock_state_cb = on_socket_state;
	options.sock_state_cb_data = resolver;
	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
		free(resolver);
		return NULL;
	}
	if (ares_init_options(&resolver->channel, &options,
		ARES_OPT_SOCK_STATE_CB | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES) != ARES_SUCCESS) {
		ares_library_cleanup();
		free(resolver);
		return NULL;
	}
	resolver->timer = evtimer_new(base, on_timer, resolver);
	if (resolver->timer == NULL ||
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
	free(resolution);
}

void
resolver_free(struct resolver *resolver)
{
	struct resolution *resolution;

	if (resolver == NULL)
		return;
	resolver->closing = true;
	ares_destroy(resolver->channel); /* answers every question with ARES_EDESTRUCTION */
	while ((resolution = LIST_FIRST(&resolver->resolutions)) != NULL)
		resolution_free(resolution);
	while (!LIST_EMPTY(&resolver->sockets))
		socket_forget(LIST_FIRST(&resolver->sockets));
	if (resolver->timer != NULL)
		event_free(resolver->timer);
	ares_library_cleanup();
	free(resolver);
}

/* Append the next address of one family, from *at on. False when there is none. */
static bool
take_family(struct resolved *out, const struct ares_addrinfo_node **at, int family)
{
	const struct ares_addrinfo_node *node = *at;
	struct address *address;

	while (node != NULL && node->ai_family != family)
		node = node->ai_next;
	*at = node;
	if (node == NULL || out->count == RESOLVE_ADDRESSES_MAX ||
	    node->ai_addrlen > sizeof(address->storage))
		return false;
	address = &out->addresses[out->count++];
	memcpy(&address->storage, node->ai_addr, node->ai_addrlen);
	address->len = node->ai_addrlen;
	if (node->ai_ttl >= 0 && (uint32_t)node->ai_ttl < out->ttl_s)
		out->ttl_s = node->ai_ttl > 0 ? (uint32_t)node->ai_ttl : 1;
	*at = node->ai_next;
	return true;
}

/* RFC 8305 section 4: first IPv6, then one of each family in turn. */
static void
take_addresses(struct resolved *out, const struct ares_addrinfo *info)
{
	const struct ares_addrinfo_node *in6 = info->nodes, *in = info->nodes;
	bool more = true;

	out->ttl_s = TTL_MAX;
	while (more) {
		more = take_family(out, &in6, AF_INET6);
		more = take_family(out, &in, AF_INET) || more;
	}
}

static void
on_answer(void *ctx, int status, int timeouts, struct ares_addrinfo *info)
{
	struct resolution *resolution = ctx;

	(void)timeouts;
	resolution->answered = true;
	if (status == ARES_SUCCESS && info != NULL)
		take_addresses(&resolution->resolved, info);
	if (resolution->resolved.count == 0) {
		resolution->resolved.ttl_s = 1;
		resolution->resolved.error =
		    ares_strerror(status == ARES_SUCCESS ? ARES_ENODATA : status);
	}
	if (info != NULL)
		ares_freeaddrinfo(info);
	if (!resolution->resolver->closing)
		event_active(resolution->deliver, EV_TIMEOUT, 0);
}

static void
on_deliver(evutil_socket_t fd, short what, void *ctx)
{
	struct resolution *resolution = ctx;

	(void)fd;
	(void)what;
	if (resolution->done != NULL)
		resolution->done(resolution->ctx, &resolution->resolved);
	resolution_free(resolution);
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
	LIST_INSERT_HEAD(&resolver->resolutions, resolution, link);
	resolution->deliver = event_new(resolver->base, -1, 0, on_deliver, resolution);
	if (resolution->deliver == NULL) {
		resolution_free(resolution);
		return NULL;
	}
	memcpy(host, name.at, name.len);
	host[name.len] = '\0';
	snprintf(service, sizeof(service), "%u", port);
	ares_getaddrinfo(resolver->channel, host, service, &hints, on_answer, resolution);
	resolver_schedule(resolver);
	return resolution;
}

void
resolver_cancel(struct resolution *resolution)
{
	/* c-ares cannot take one question back: it is let run, and its answer dropped. */
	resolution->done = NULL;
}

bool
address_parse(struct slice host, uint16_t port, struct address *out)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&out->storage;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&out->storage;
	char text[INET6_ADDRSTRLEN];

	if (host.len == 0 || host.len >= sizeof(text))
		return false;
	memcpy(text, host.at, host.len);
	text[host.len] = '\0';
	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		out->len = sizeof(*in);
		return true;
	}
	if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		out->len = sizeof(*in6);
		return true;
	}
	return false;
}

void
address_format_host(const struct sockaddr *address, char out[ADDRESS_TEXT_MAX])
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;

	snprintf(out, ADDRESS_TEXT_MAX, "unix");
	if (address->sa_family == AF_INET)
		inet_ntop(AF_INET, &in->sin_addr, out, ADDRESS_TEXT_MAX);
	else if (address->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		inet_ntop(AF_INET, in6->sin6_addr.s6_addr + 12, out, ADDRESS_TEXT_MAX);
	else if (address->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &in6->sin6_addr, out, ADDRESS_TEXT_MAX);
}

void
address_format(const struct sockaddr *address, char out[ADDRESS_TEXT_MAX])
{
	char host[ADDRESS_TEXT_MAX];
	unsigned port = 0;

	address_format_host(address, host);
	if (address->sa_family == AF_INET)
		port = ntohs(((const struct sockaddr_in *)address)->sin_port);
	else if (address->sa_family == AF_INET6)
		port = ntohs(((const struct sockaddr_in6 *)address)->sin6_port);
	if (address->sa_family != AF_INET && address->sa_family != AF_INET6)
		snprintf(out, ADDRESS_TEXT_MAX, "unix");
	else if (strchr(host, ':') != NULL)
		snprintf(out, ADDRESS_TEXT_MAX, "[%.50s]:%u", host, port);
	else
		snprintf(out, ADDRESS_TEXT_MAX, "%.50s:%u", host, port);
}
