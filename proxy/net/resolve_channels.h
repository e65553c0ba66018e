/* resolve_channels.h - c-ares on the event loop, for resolve.c. */
#ifndef JOBGATE_RESOLVE_CHANNELS_H
#define JOBGATE_RESOLVE_CHANNELS_H

#include <ares.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/stat.h>

struct watched_socket;

/* It must not move while it is open: c-ares and the loop have its address. */
struct dns_channels {
	ares_channel hosts; /* /etc/hosts alone */
	ares_channel dns;   /* DNS alone; dns_channels_follow replaces it */
	struct event_base *base;
	const char *resolv_conf;
	uint16_t port;		      /* port of the servers that it names */
	struct stat resolv_conf_read; /* the file when dns was opened */
	bool servers_given;	      /* the servers do not come from the file */
	struct event *timer;
	LIST_HEAD(, watched_socket) sockets;
};

/*
 * Open both; ares_library_init comes before. servers: "ip:port[,ip:port]", or NULL: those in
 * resolv_conf, a path that outlives them, at this port. False when c-ares or memory fails; then
 * too, dns_channels_close is due.
 */
bool dns_channels_open(struct dns_channels *channels, struct event_base *base, const char *servers,
    const char *resolv_conf, uint16_t port);

/*
 * Close both, before base is freed. First, each query under way is answered with ARES_EDESTRUCTION.
 */
void dns_channels_close(struct dns_channels *channels);

/*
 * Read resolv_conf again if it has changed, since c-ares reads it only once, and a network that
 * comes up later rewrites it. Queries under way at the old servers end with ARES_EDESTRUCTION. Not
 * from within a callback of c-ares.
 */
void dns_channels_follow(struct dns_channels *channels);

/* Call it after sending queries: sets the timer for c-ares's next time-out. */
void dns_channels_schedule(struct dns_channels *channels);

#endif
