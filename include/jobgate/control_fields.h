/* control_fields.h - what a worker tells the control process about a call that it forwards. */
#ifndef JOBGATE_CONTROL_FIELDS_H
#define JOBGATE_CONTROL_FIELDS_H

#include "jobgate/token.h"

/*
 * A worker parses the request, checks its token and writes a new head: only method, path, query and
 * content come from the client. These fields say who makes the call. Clients cannot send them: the
 * data path drops every X-Jobgate-* field of a request.
 */

/* Proves that the sender is a worker of this gateway: CONTROL_SECRET_TEXT random hex digits.
 */
#define CONTROL_FIELD_SECRET "X-Jobgate-Control-Secret"
#define CONTROL_SECRET_LEN 32
#define CONTROL_SECRET_TEXT 64

/*
 * The token that the worker has found valid: its id, and of the value that was shown the version
 * (decimal) and the mark (the beginning of its hash, hex). During a grace this may be the value
 * before. The address is the client's, if it is known: a token may be limited to addresses. A call
 * for control.metrics has none of them, and neither has a revocation by value.
 */
#define CONTROL_FIELD_TOKEN "X-Jobgate-Control-Token"
#define CONTROL_FIELD_VERSION "X-Jobgate-Control-Version"
#define CONTROL_FIELD_MARK "X-Jobgate-Control-Mark"
#define CONTROL_FIELD_ADDRESS "X-Jobgate-Control-Address"
#define CONTROL_MARK_TEXT 24

_Static_assert(CONTROL_SECRET_TEXT == 2 * CONTROL_SECRET_LEN, "hex");
_Static_assert(CONTROL_MARK_TEXT == 2 * TOKEN_MARK_LEN, "hex");

/* The one call, a POST, that strangers may make: it revokes the token whose value is its content.
 */
#define CONTROL_OPEN_PATH "/v1/tokens/revoke"

/*
 * POSTs that only workers make, for the sign-in host (auth/control/sign_ins.c). No client's request
 * is forwarded to these paths: without a token a client reaches only those above, and with one they
 * do not exist.
 */
#define CONTROL_SIGN_IN_PATH "/gateway/sign-in"
#define CONTROL_SIGN_OUT_PATH "/gateway/sign-out"
#define CONTROL_CODE_ADD_PATH "/gateway/code/add"
#define CONTROL_CODE_TAKE_PATH "/gateway/code/take"

/* The largest content of a call, in bytes. */
#define CONTROL_BODY_MAX (64u << 10)

/*
 * The longest path and query of a call together, in bytes: libevhtp's parser drops a connection
 * whose line is longer than 8192.
 */
#define CONTROL_TARGET_MAX 8000

#endif
