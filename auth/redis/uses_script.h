/* uses_script.h - server-side scripts that read a record with its last use, and write uses. */
#ifndef JOBGATE_REDIS_USES_SCRIPT_H
#define JOBGATE_REDIS_USES_SCRIPT_H

#include "auth/redis/record_script.h"

#define USES_LOOKS "4"

/* With KEYS[1], the record of a job: last_use() is the minute of its last use, as ZSCORE says it.
 */
#define JOB_USE_SCRIPT                                                    \
	"local function last_use()\n"                                     \
	"  local base, id = string.match(KEYS[1], '^(.*)job:([^:]*)$')\n" \
	"  return redis.pcall('ZSCORE', base .. 'used', 'job:' .. id)\n"  \
	"end\n"

/*
 * KEYS[1]: the set of uses. ARGV: the prefix of all keys, then members (record_use.h) and minutes.
 * Workers never read this key, so Redis tells no client of the change. The clock of a gateway may
 * be wrong: no use is later than the store's clock says. A few entries, drawn at random, are looked
 * at each time: those of tokens and jobs that have ended by themselves, or were deleted by another
 * program, go. So are two for each use that is written, so that jobs that come and go leave little
 * behind. Returns 1, or why the set cannot be written; READONLY is an error of the script,
 * because the server is no longer the primary.
 */
static const char script_uses[] =
    "local set, records = KEYS[1], ARGV[1]\n"
    "local now = math.floor(tonumber(redis.call('TIME')[1]) / 60)\n"
    "local function exists(member)\n"
    "  local key = string.sub(member, 1, 4) == 'job:' and member or 'token:' .. member\n"
    "  return redis.call('EXISTS', records .. key) == 1\n"
    "end\n"
    "for i = 2, #ARGV, 2 do\n"
    "  local minute = math.min(tonumber(ARGV[i + 1]), now)\n"
    "  if exists(ARGV[i]) then\n"
    "    local reply = redis.pcall('ZADD', set, 'GT', minute, ARGV[i])\n"
    "    if type(reply) == 'table' then\n"
    "      return string.find(reply.err, '^READONLY') and reply or reply.err\n"
    "    end\n"
    "  end\n"
    "end\n"
    "local some = redis.pcall('ZRANDMEMBER', set, " USES_LOOKS " + #ARGV, 'WITHSCORES')\n"
    "for i = 1, #some, 2 do\n"
    "  if not exists(some[i]) then redis.pcall('ZREM', set, some[i])\n"
    "  elseif tonumber(some[i + 1]) > now then redis.pcall('ZADD', set, now, some[i]) end\n"
    "end\n"
    "return 1\n";

/*
 * Read one record. HGETALL alone would make Redis send all of a record of gigabytes for each
 * request that names it. KEYS: the record. ARGV: the member, the set of uses. Returns the record,
 * and the minute of its last use. The set is not among KEYS: an ACL that forbids it would refuse
 * all of the script, not only this call.
 */
static const char script_get[] =
    RECORD_SCRIPT_WHOLE "return {(whole(KEYS[1])), redis.pcall('ZSCORE', ARGV[2], ARGV[1])}\n";

#endif
