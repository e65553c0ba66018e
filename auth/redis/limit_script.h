/* limit_script.h - changes what limits a token, and keeps its value. */
#ifndef JOBGATE_REDIS_LIMIT_SCRIPT_H
#define JOBGATE_REDIS_LIMIT_SCRIPT_H

#include "auth/redis/record_script.h"
#include "auth/redis/role_script.h"
#include "auth/redis/scope_script.h"

/*
 * KEYS: the record. CALLER_SCRIPT takes its part of KEYS and ARGV. ARGV: scope, version, the names
 * of all fields that limit tokens, the set of uses, the number of fields to remove, these, then
 * fields and values to set. Returns {code}: 0 for another version, -1 for no record; or {1, the
 * record, its use}.
 */
static const char script_limit[] = CALLER_SCRIPT TOKEN_WITHIN RECORD_SCRIPT_WHOLE ROLE_SCRIPT
    "local version = within and redis.pcall('HGET', KEYS[1], 'version')\n"
    "if type(version) ~= 'string' then return {-1} end\n"
    "if version ~= ARGV[at + 1] then return {0} end\n"
    "local gone = at + 4 + tonumber(ARGV[at + 4])\n"
    "redis.call('HSET', KEYS[1], unpack(ARGV, gone + 1))\n"
    "for i = at + 5, gone do redis.call('HDEL', KEYS[1], ARGV[i]) end\n"
    "write_needs(ARGV[at + 2])\n"
    "local id = string.sub(KEYS[1], -16)\n"
    "return {1, (whole(KEYS[1])), redis.pcall('ZSCORE', ARGV[at + 3], id)}\n";

#endif
