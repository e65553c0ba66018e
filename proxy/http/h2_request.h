/* h2_request.h - requests as HTTP/2's field blocks have them (RFC 9113 section 8.3.1). */
#ifndef JOBGATE_HTTP_H2_REQUEST_H
#define JOBGATE_HTTP_H2_REQUEST_H

#include "http/h2_fields.h"
#include "http/request.h"
#include "http/write.h"

/* Bytes of room that h2_request_read may need, for a head of at most this many bytes. */
#define H2_REQUEST_ROOM(head_bytes) (PATH_ESCAPE_GROWTH * (head_bytes))

/*
 * Read a request from a whole block, whose array is changed: fields are marked dropped as
 * request_framing does, and moved. All slices point into the block's text, into `room` (a path
 * that was resolved or escaped, joined cookies), or to static text. end_stream: no content follows.
 *
 * REQUEST_MALFORMED is a stream error of type PROTOCOL_ERROR. All other errors are answered, see
 * request_rejection; only with REQUEST_NOT_SERVED is *out whole.
 *
 * Extended CONNECT for a WebSocket (RFC 8441) becomes what it is in HTTP/1: GET without content,
 * with `upgrade`. A Sec-WebSocket-Key is dropped, because it belongs to HTTP/1's handshake.
 */
enum request_error h2_request_read(const struct hpack_block *block, bool end_stream,
    const struct head_limits *limits, struct writer *room, struct request *out);

#endif
