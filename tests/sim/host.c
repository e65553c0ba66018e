/* host.c - delays, losses and partitions. */
#include "host.h"

#include <stdio.h>
#include <string.h>

#include "schedule.h"

static LIST_HEAD(, host) hosts = LIST_HEAD_INITIALIZER(hosts);

void
host_init(struct host *host, const char *name, unsigned number, uint32_t address, uint64_t seed)
{
	*host = (struct host){.address = address, .next_port = 32768};
	snprintf(host->name, sizeof(host->name), "%s %u", name, number);
	random_init(&host->random, seed, name, number);
	LIST_INSERT_HEAD(&hosts, host, link);
}

struct host *
host_find(uint32_t address)
{
	struct host *host;

	LIST_FOREACH(host, &hosts, link)
	if (host->address == address)
		break;
	return host;
}

static uint64_t
delay(struct host *host)
{
	uint64_t ns = host->rules.delay_ns;

	if (host->rules.jitter_ns > 0)
		ns += random_below(&host->random, host->rules.jitter_ns);
	if (host->rules.loss > 0 && random_chance(&host->random, host->rules.loss))
		ns += host->rules.resend_ns;
	return ns;
}

uint64_t
host_packet_ns(struct host *from, struct host *to)
{
	return delay(from) + delay(to);
}

uint64_t
host_way_opens_ns(const struct host *from, const struct host *to, uint64_t now_ns)
{
	uint64_t opens_ns = from->cut_out_ns > to->cut_in_ns ? from->cut_out_ns : to->cut_in_ns;

	return opens_ns > now_ns ? opens_ns : 0;
}

bool
place_read(struct place *out, const void *address, socklen_t len)
{
	struct sockaddr_in in;

	if (len < sizeof(in))
		return false;
	memcpy(&in, address, sizeof(in));
	if (in.sin_family != AF_INET)
		return false;
	*out = (struct place){ntohl(in.sin_addr.s_addr), ntohs(in.sin_port)};
	return true;
}

void
place_write(const struct place *place, void *address, socklen_t *len)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
	    .sin_port = htons(place->port),
	    .sin_addr.s_addr = htonl(place->address)};

	if (address == NULL || len == NULL)
		return;
	memcpy(address, &in, *len < sizeof(in) ? *len : sizeof(in));
	*len = sizeof(in);
}
