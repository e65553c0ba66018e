/* mint.c - reading the store's key for values. */
#include "auth/redis/mint.h"

const char *
mint_decode(const redisReply *reply, struct mint *out)
{
	const redisReply *key;

	out->state = MINT_NONE;
	if (reply->type == REDIS_REPLY_ERROR)
		return reply->str;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2)
		return "Redis answered with something else than two values";
	key = reply->element[0];
	if (key->type == REDIS_REPLY_NIL)
		return NULL;
	if (key->type != REDIS_REPLY_STRING ||
	    !jg_mint_key_parse((struct slice){key->str, (size_t)key->len}, out->key))
		return "it is not 64 hex digits";
	out->state = reply->element[1]->type == REDIS_REPLY_NIL ? MINT_STARTED : MINT_ENFORCED;
	return NULL;
}
