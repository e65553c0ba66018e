/* trailers.h - which fields behind a message's content travel on, in either direction. */
#ifndef JOBGATE_TRAILERS_H
#define JOBGATE_TRAILERS_H

#include "jobgate/message.h"

struct gateway;

/*
 * Parse a trailer section into scratch, marking what may not travel on as
 * dropped, and what is listed (see name_is_listed). *out, or NULL when it breaks the rules.
 */
const struct fields *trailers_take(
    struct gateway *gateway, struct slice section, const char *const *listed, struct fields *out);

#endif
