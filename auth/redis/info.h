/* info.h - fields of the reply to INFO. */
#ifndef JOBGATE_REDIS_INFO_H
#define JOBGATE_REDIS_INFO_H

#include <hiredis/hiredis.h>

#include "jobgate/slice.h"

/* The value of a field; empty when the reply does not have it. */
struct slice info_field(const redisReply *reply, const char *name);

#endif
