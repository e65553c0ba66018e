/* peer.h - a client's address as text. */
#ifndef JOBGATE_EXCHANGE_PEER_H
#define JOBGATE_EXCHANGE_PEER_H

#include "jobgate/exchange.h"
#include "net/address.h"

/* The text of a peer's address, "unix" for a local one. */
static inline struct slice
peer_text(const struct exchange_peer *peer, char out[ADDRESS_TEXT_MAX])
{
	if (peer->local)
		return SLICE("unix");
	return (struct slice){out, address_bytes_format(peer->address, out)};
}

#endif
