/* mint.c - decodes the store's mint key. */
#include "auth/redis/mint.h"

/* Why the key cannot be used; NULL when the store never had one. */
static const char *
why_none(const redisReply *key, bool enforced, unsigned missed)
{
	if (key->type != REDIS_REPLY_NIL)
		return "it is not 64 hex digits";
	if (missed > 0)
		return "it, or " MINT_ENFORCED_KEY ", is of a wrong type";
	return enforced ? "it is gone, but " MINT_ENFORCED_KEY " is there" : NULL;
}

const char *
mint_decode(const redisReply *reply, unsigned existing, struct mint *out)
{
	const redisReply *key;
	unsigned seen;
	bool enforced;

	out->state = MINT_NONE;
	if (reply->type == REDIS_REPLY_ERROR)
		return reply->str;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2)
		return "Redis answered with something other than two values";
	key = reply->element[0];
	enforced = reply->element[1]->type != REDIS_REPLY_NIL;
	seen = (key->type != REDIS_REPLY_NIL) + enforced;
	if (key->type != REDIS_REPLY_STRING ||
	    !jg_mint_key_parse((struct slice){key->str, (size_t)key->len}, out->key))
		return why_none(key, enforced, existing > seen ? existing - seen : 0);
	out->state = enforced || existing > seen ? MINT_ENFORCED : MINT_STARTED;
	return NULL;
}

bool
mint_is_loosened(enum mint_state known, enum mint_state state)
{
	return known == MINT_ENFORCED && (state == MINT_STARTED || state == MINT_NONE);
}
