/* info.h - fields of what a server says of itself. */
#ifndef JOBGATE_REDIS_INFO_H
#define JOBGATE_REDIS_INFO_H

#include <hiredis/hiredis.h>

#include "jobgate/slice.h"

/* The value of a field of INFO's reply; empty when there is none. */
struct slice info_field(const redisReply *reply, const char *name);

#endif
