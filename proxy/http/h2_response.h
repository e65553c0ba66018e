/* h2_response.h - reads answers from field blocks of HTTP/2 (RFC 9113 section 8.3.2). */
#ifndef JOBGATE_HTTP_H2_RESPONSE_H
#define JOBGATE_HTTP_H2_RESPONSE_H

#include "http/h2_fields.h"

/* The parts of a request that decide what its answer means. */
struct h2_asked {
	enum method_id method;
	struct slice upgrade; /* extended CONNECT for this protocol; else empty */
};

/*
 * Read a head from a whole block; also an interim one (status 100 to 199, never 101). False: it is
 * malformed, or exceeds a limit. Fields are marked dropped as response_framing does. end_stream: no
 * content follows. An answer of 2xx to an extended CONNECT is a tunnel, and gets status 101.
 */
bool h2_response_read(const struct hpack_block *block, bool end_stream,
    const struct h2_asked *asked, const struct head_limits *limits, struct response *out);

#endif
