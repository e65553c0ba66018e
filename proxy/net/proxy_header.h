/* proxy_header.h - the PROXY protocol, versions 1 and 2: the client that a proxy names. */
#ifndef JOBGATE_PROXY_HEADER_H
#define JOBGATE_PROXY_HEADER_H

#include "net/address.h"

/* A header may be as long as this, extensions (TLVs) included. */
#define PROXY_HEADER_MAX 2048

enum proxy_status {
	PROXY_COMPLETE,
	PROXY_INCOMPLETE, /* so far it may become one */
	PROXY_BAD,	  /* no header, or one that breaks the rules */
};

struct proxy_header {
	bool direct;	       /* the proxy speaks for itself (a health check), or cannot say */
	struct address source; /* unless direct: the client's address and port */
};

/*
 * Read the header at the beginning of what has come; *len is its length once it is complete
 * (haproxy.org/download/2.9/doc/proxy-protocol.txt). Strict: nothing is guessed, no
 * number is written in two ways, extensions must fit and their checksum, if there is one, be right.
 */
enum proxy_status proxy_header_parse(struct slice bytes, struct proxy_header *out, size_t *len);

#endif
