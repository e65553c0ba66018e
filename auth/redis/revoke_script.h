/* revoke_script.h - deletes a token if its record has a given hash. */
#ifndef JOBGATE_REDIS_REVOKE_SCRIPT_H
#define JOBGATE_REDIS_REVOKE_SCRIPT_H

#include "auth/redis/delete_script.h"

/* As DELETE_WITHIN, but ARGV[1], the hash that the record must have, is in place of a scope.
 * Returns {1 if it has deleted the token, otherwise 0, the record before that}. */
#define TOKEN_OF_HASH                                         \
	"local at = 1\n"                                      \
	"local hash = redis.pcall('HGET', KEYS[1], 'hash')\n" \
	"local within = type(hash) == 'string' and string.lower(hash) == ARGV[1]\n"
static const char script_revoke[] = TOKEN_OF_HASH DELETE_WITHIN "return {gone, was}\n";

#endif
