/* host.h - a machine in the simulated network: its address, and how bytes travel to and from it. */
#ifndef SIM_HOST_H
#define SIM_HOST_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "random.h"

/* How packets travel. Both ends of a connection have such rules; the times add up. */
struct host_rules {
	uint64_t delay_ns, jitter_ns; /* one way */
	unsigned split;		      /* per mille: what is sent at once arrives in pieces */
	unsigned loss;		      /* per mille: a packet is lost, and sent again later */
	uint64_t resend_ns;	      /* after this long */
};

struct host {
	LIST_ENTRY(host) link;
	char name[24];
	uint32_t address; /* host byte order */
	uint16_t next_port;
	struct host_rules rules;
	uint64_t cut_in_ns, cut_out_ns; /* no packet comes in, or leaves, until then */
	struct random random;
};

void host_init(
    struct host *host, const char *name, unsigned number, uint32_t address, uint64_t seed);

/* NULL: no machine has this address. */
struct host *host_find(uint32_t address);

/* How long the next packet takes. */
uint64_t host_packet_ns(struct host *from, struct host *to);

/* When the way from one to the other is open again; 0: it is. */
uint64_t host_way_opens_ns(const struct host *from, const struct host *to, uint64_t now_ns);

/* Where a socket is. */
struct place {
	uint32_t address; /* host byte order; 0: none */
	uint16_t port;
};

/* As sockaddr_in; false when the address is of another family. */
bool place_read(struct place *out, const void *address, socklen_t len);
void place_write(const struct place *place, void *address, socklen_t *len);

#endif
