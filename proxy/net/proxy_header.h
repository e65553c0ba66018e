/* proxy_header.h - the PROXY protocol, versions 1 and 2: the client that a proxy names. */
#ifndef JOBGATE_PROXY_HEADER_H
#define JOBGATE_PROXY_HEADER_H

#include "net/address.h"

/* The longest header, with extensions (TLVs). */
#define PROXY_HEADER_MAX 2048

enum proxy_status {
	PROXY_COMPLETE,
	PROXY_INCOMPLETE, /* the bytes may become a header */
	PROXY_BAD,	  /* not a header, or one that breaks the rules */
};

struct proxy_header {
	bool direct; /* the connection is the proxy's own (a health check), or it does not know the
			client */
	struct address source; /* unless direct: the client's address and port */
};

/*
 * Read the header at the beginning of the bytes; with PROXY_COMPLETE *len is its length
 * (haproxy.org/download/2.9/doc/proxy-protocol.txt). Strict: nothing is guessed, each number has
 * only one form, extensions must fit, and their checksum, if there is one, must be right.
 */
enum proxy_status proxy_header_parse(struct slice bytes, struct proxy_header *out, size_t *len);

#endif
