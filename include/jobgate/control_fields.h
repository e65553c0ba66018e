/* control_fields.h - what a worker tells the control process of a call that it forwards. */
#ifndef JOBGATE_CONTROL_FIELDS_H
#define JOBGATE_CONTROL_FIELDS_H

#include "jobgate/token.h"

/*
 * A worker has read the request, checked its token, and writes a head of its own: of the client's
 * bytes only method, path, query and content remain. These fields say for whom the call is made.
 * Clients cannot send them: the data path drops every X-Jobgate-* field that comes in.
 */

/* Proves that a worker of this gateway speaks: CONTROL_SECRET_TEXT hex digits, drawn at each start.
 */
#define CONTROL_FIELD_SECRET "X-Jobgate-Control-Secret"
#define CONTROL_SECRET_LEN 32
#define CONTROL_SECRET_TEXT 64

/*
 * The token that the worker has found valid: its id, its record's version in decimal, and its mark,
 * how the hash begins, in hex. All are missing in a call for control.metrics.
 */
#define CONTROL_FIELD_TOKEN "X-Jobgate-Control-Token"
#define CONTROL_FIELD_VERSION "X-Jobgate-Control-Version"
#define CONTROL_FIELD_MARK "X-Jobgate-Control-Mark"
#define CONTROL_MARK_TEXT 24

_Static_assert(CONTROL_SECRET_TEXT == 2 * CONTROL_SECRET_LEN, "hex");
_Static_assert(CONTROL_MARK_TEXT == 2 * TOKEN_MARK_LEN, "hex");

/* Bytes of content that a call may have. */
#define CONTROL_BODY_MAX (64u << 10)

#endif
