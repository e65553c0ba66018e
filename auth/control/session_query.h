/* session_query.h - ids of sessions, and the queries of calls about them. Pure functions. */
#ifndef JOBGATE_CONTROL_SESSION_QUERY_H
#define JOBGATE_CONTROL_SESSION_QUERY_H

#include "auth/control/input.h"
#include "auth/control/workers.h"

/* "<worker, 8 hex digits>-<serial, hex>", with its NUL. */
#define SESSION_ID_MAX (8 + 1 + 16 + 1)

void session_id_format(const struct session_id *id, char out[SESSION_ID_MAX]);

/* False when the text is no id of a session. */
bool session_id_parse(struct slice text, struct session_id *out);

/*
 * Parse the query of a list ("limit", "cursor", and the filters "token", "job", "address" and
 * "state") or, with order.cuts set in *out, of a cut, which takes exactly one of the first three.
 * False with *error.
 */
bool session_query_parse(
    struct slice query, struct session_question *out, struct input_error *error);

/* Restrict the question to what an operator with this label selector may see; empty: to nothing.
 * False when that does not fit; then the question must not be put. */
bool session_query_scope(const struct label_set *scope, struct session_question *out);

#endif
