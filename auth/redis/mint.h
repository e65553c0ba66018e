/* mint.h - the store's key for values, as its two keys in Redis hold it. */
#ifndef JOBGATE_REDIS_MINT_H
#define JOBGATE_REDIS_MINT_H

#include <hiredis/hiredis.h>

#include "jobgate/mint.h"

/* Behind the prefix: the key, 64 hex digits; and a string, there when it is enforced. */
#define MINT_KEY "mint"
#define MINT_ENFORCED_KEY "mint:enforced"

/*
 * The reply to MGET of the two, in this order, and how many of them exist: MGET does not show a key
 * of a wrong type. The second one counts whatever it holds. Returns NULL, or why the first cannot
 * be used: out then is MINT_NONE. That is safe, since a value is proved by the hash in its
 * token's record; to refuse all values would lock every user out. The reason points into
 * the reply, or is static. The edition is not set.
 */
const char *mint_decode(const redisReply *reply, unsigned existing, struct mint *out);

/* True when this is less strict than before: values that were refused are no longer refused. */
bool mint_is_loosened(enum mint_state known, enum mint_state state);

#endif
