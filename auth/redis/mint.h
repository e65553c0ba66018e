/* mint.h - the store's mint key, read from its two keys in Redis. */
#ifndef JOBGATE_REDIS_MINT_H
#define JOBGATE_REDIS_MINT_H

#include <hiredis/hiredis.h>

#include "jobgate/mint.h"

/*
 * Names of the Redis keys, after the prefix. The first holds the mint key, 64 hex digits; the
 * second exists when that is enforced.
 */
#define MINT_KEY "mint"
#define MINT_ENFORCED_KEY "mint:enforced"

/*
 * Decode the reply to MGET of the two keys, in this order. existing says how many of them exist,
 * because MGET does not show a key of a wrong type. The second key counts whatever it holds.
 * Returns NULL, or why the first cannot be used; out then is MINT_NONE. That is safe, since a value
 * is proved by the hash in its token's record, and refusing all values would lock every user out.
 * The reason points into the reply, or is static. out->edition is not set.
 */
const char *mint_decode(const redisReply *reply, unsigned existing, struct mint *out);

/* True when this is less strict than before: values that were refused are no longer refused. */
bool mint_is_loosened(enum mint_state known, enum mint_state state);

#endif
