/* h2_request.h - reads requests from field blocks of HTTP/2 (RFC 9113 section 8.3.1). */
#ifndef JOBGATE_HTTP_H2_REQUEST_H
#define JOBGATE_HTTP_H2_REQUEST_H

#include "http/h2_fields.h"
#include "http/request.h"
#include "http/write.h"

/* The most bytes of room that h2_request_read needs for a head of this many bytes. */
#define H2_REQUEST_ROOM(head_bytes) (PATH_ESCAPE_GROWTH * (head_bytes))

/*
 * Read a request from a whole block. The array of the block changes: fields are marked dropped as
 * request_framing does, and moved. All slices point into the block's text, into `room` (a path that
 * was resolved or escaped, joined cookies), or to static text. end_stream: no content follows.
 *
 * REQUEST_MALFORMED is a stream error of type PROTOCOL_ERROR. All other errors get an answer, see
 * request_rejection; *out is complete only with REQUEST_OK and REQUEST_NOT_SERVED.
 *
 * Extended CONNECT for a WebSocket (RFC 8441) becomes what HTTP/1 has for it: GET without content,
 * with `upgrade`. A Sec-WebSocket-Key is dropped, because it belongs to HTTP/1's handshake.
 */
enum request_error h2_request_read(const struct hpack_block *block, bool end_stream,
    const struct head_limits *limits, struct writer *room, struct request *out);

#endif
