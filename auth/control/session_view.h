/* session_view.h - turns a session into the JSON that the API shows. */
#ifndef JOBGATE_CONTROL_SESSION_VIEW_H
#define JOBGATE_CONTROL_SESSION_VIEW_H

#include <jansson.h>

#include "auth/control/workers.h"

/* A session of the worker with this index. NULL when memory is short. */
json_t *session_view(const struct session_id *place, unsigned index, const struct session *session);

#endif
