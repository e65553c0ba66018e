/*
 * h2_encode.h - writes requests, answers and trailers as field blocks of HTTP/2 (RFC 9113 section
 * 8), into a buffer of the caller.
 */
#ifndef JOBGATE_HTTP_H2_ENCODE_H
#define JOBGATE_HTTP_H2_ENCODE_H

#include "http/write.h"

/*
 * All of them append to a writer; what does not fit sets writer->full. Names are written in lower
 * case, and dropped fields are left out. hpack_write_fields writes trailers.
 */

/*
 * A request for a backend: pseudo-fields, the fields in `lines` (see upstream_ops.begin), and those
 * made from the other members. With request->upgrade it is an extended CONNECT (RFC 8441), without
 * content. secure: the connection to the backend uses TLS.
 */
void h2_encode_request(
    struct writer *writer, const struct request *request, struct slice lines, bool secure);

/*
 * The head of an answer, final or interim: :status, the fields `first` (may be NULL), the answer's
 * own, Content-Length. A tunnel has 200 in place of 101. An answer without content or length is
 * complete with this block: the caller sets END_STREAM.
 */
void h2_encode_response(
    struct writer *writer, const struct response *response, const struct fields *first);

#endif
