/* reply_fields.h - the header fields of an answer. */
#ifndef JOBGATE_CONTROL_REPLY_FIELDS_H
#define JOBGATE_CONTROL_REPLY_FIELDS_H

#include <evhtp/evhtp.h>

#include "auth/control/reply.h"

struct call;

/* Add all fields of the answer to a call. A field for which memory is short is left out. */
void reply_add_fields(evhtp_request_t *request, const struct call *call, const struct reply *reply);

#endif
