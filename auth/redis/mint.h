/* mint.h - the store's key for values, as its two keys in Redis hold it. */
#ifndef JOBGATE_REDIS_MINT_H
#define JOBGATE_REDIS_MINT_H

#include <hiredis/hiredis.h>

#include "jobgate/mint.h"

/* Behind the prefix: the key, 64 hex digits; and a string, there when it is enforced. */
#define MINT_KEY "mint"
#define MINT_ENFORCED_KEY "mint:enforced"

/*
 * The reply to MGET of the two, in this order. Returns NULL, or why the key there cannot be used:
 * out then is MINT_NONE. The reason points into the reply, or is static. The edition is not set.
 */
const char *mint_decode(const redisReply *reply, struct mint *out);

#endif
