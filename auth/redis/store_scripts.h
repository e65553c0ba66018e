/* store_scripts.h - the server-side scripts of store_commands.c. Each is one atomic step, index
 * included.
 */
#ifndef JOBGATE_REDIS_STORE_SCRIPTS_H
#define JOBGATE_REDIS_STORE_SCRIPTS_H

#include "auth/redis/delete_script.h"
#include "auth/redis/maker_script.h"
#include "auth/redis/port_script.h"
#include "auth/redis/public.h"
#include "auth/redis/record_script.h"
#include "auth/redis/revoke_script.h"
#include "auth/redis/scope_script.h"
#include "auth/redis/uses_script.h"

/*
 * Redis does not undo a script that fails half-way. So each script reads and checks everything
 * before its first write, and writes the index first, because that key may be of a wrong type.
 * KEYS[1] is the record and KEYS[2] the index, except in script_page. CALLER_SCRIPT takes its part
 * of KEYS and ARGV. A record in an answer comes from whole(), which may return the error that the
 * record is too large.
 */

/*
 * ARGV: what MAKER_SCRIPT takes, then id, score, lease in seconds (0: none), then fields and
 * values. Returns 1, or 0 when the record exists, or the code of refused(), or -6 when a port of
 * one job would have the host of another job, or -7 when it would be one public job too many. A
 * job with a lease is a key that expires; its entry in the index is removed by the next list
 * (script_page).
 */
static const char script_create[] = MAKER_SCRIPT PORT_SCRIPT PUBLIC_SCRIPT
    "if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end\n"
    "local no = refused()\n"
    "if no then return no end\n"
    "if is_port_of_another() or is_taken(4, #ARGV) then return -6 end\n"
    "if full(4, #ARGV) then return -7 end\n"
    "redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])\n"
    "redis.call('HSET', KEYS[1], unpack(ARGV, 4))\n"
    "list()\n"
    "counted(ARGV[1])\n"
    "if ARGV[3] ~= '0' then redis.call('EXPIRE', KEYS[1], ARGV[3]) end\n"
    "return 1\n";

/* Returns {1, or 0 when there was no record, the record}. */
static const char script_delete_job[] = CALLER_SCRIPT JOB_WITHIN PORT_SCRIPT PUBLIC_SCRIPT
    "local moved = within and publics and redis.pcall('EXISTS', publics)\n"
    "if type(moved) == 'table' then return moved end\n" DELETE_WITHIN "if within then list() end\n"
    "return {gone, was}\n";

/* ARGV: scope. Returns {1, record, its last use}, {0} for a job without a lease, {-1} when there is
 * no job. */
static const char script_renew_job[] = CALLER_SCRIPT JOB_WITHIN RECORD_SCRIPT_WHOLE JOB_USE_SCRIPT
    "if not within or redis.call('EXISTS', KEYS[1]) == 0 then return {-1} end\n"
    "local lease = redis.call('HGET', KEYS[1], 'lease')\n"
    "if not lease or not string.match(lease, '^[1-9]%d?%d?%d?%d?$') then return {0} end\n"
    "redis.call('EXPIRE', KEYS[1], lease)\n"
    "return {1, (whole(KEYS[1])), last_use()}\n";

/*
 * ARGV: scope, 1 to refuse jobs within it or 2 to refuse public ones, updated_at, the most labels
 * that a job may have, 1 to remove all labels first, the same two for ports, a lease to begin (0:
 * no change, -1: end it), the number n of fields to set, n fields and values, then fields to
 * remove. Returns {1, record, its last use, the record before}, {0} for too many labels, {-1} for
 * no record, {-2} when refused,
 * {-3} for too many ports, {-6} when a port would have the host of another job, {-7} for one public
 * job too many, {-8} for a public job.
 */
static const char script_patch[] =
    CALLER_SCRIPT JOB_WITHIN RECORD_SCRIPT_WHOLE PORT_SCRIPT PUBLIC_SCRIPT JOB_USE_SCRIPT
    "if not within then return {-1} end\n"
    "local have = redis.call('HKEYS', KEYS[1])\n"
    "if #have == 0 then return {-1} end\n"
    "if ARGV[at + 1] == '1' then return {-2} end\n"
    "if ARGV[at + 1] == '2' and redis.call('HGET', KEYS[1], 'access') then return {-8} end\n"
    "local lease = tonumber(ARGV[at + 7])\n"
    "local first, last = at + 9, at + 8 + 2 * tonumber(ARGV[at + 8])\n"
    "local gone = {}\n"
    "for i = last + 1, #ARGV do gone[#gone + 1] = ARGV[i] end\n"
    "local function too_many(prefix, most, clears)\n"
    "  local kept, count = {}, 0\n"
    "  local function is_one(field) return string.sub(field, 1, #prefix) == prefix end\n"
    "  for _, field in ipairs(have) do\n"
    "    if is_one(field) then\n"
    "      if clears == '1' then gone[#gone + 1] = field else kept[field] = true end\n"
    "    end\n"
    "  end\n"
    "  for _, field in ipairs(gone) do kept[field] = nil end\n"
    "  for i = first, last, 2 do if is_one(ARGV[i]) then kept[ARGV[i]] = true end end\n"
    "  for _ in pairs(kept) do count = count + 1 end\n"
    "  return count > tonumber(most)\n"
    "end\n"
    "if too_many('label:', ARGV[at + 3], ARGV[at + 4]) then return {0} end\n"
    "if too_many('port:', ARGV[at + 5], ARGV[at + 6]) then return {-3} end\n"
    "if is_taken(first, last) then return {-6} end\n"
    "if full(first, last) then return {-7} end\n"
    "local before = whole(KEYS[1])\n"
    "redis.call('HSET', KEYS[1], 'updated_at', ARGV[at + 2])\n"
    "for _, field in ipairs(gone) do redis.call('HDEL', KEYS[1], field) end\n"
    "for i = first, last, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end\n"
    "list()\n"
    "if lease > 0 then redis.call('EXPIRE', KEYS[1], lease) end\n"
    "if lease < 0 then redis.call('PERSIST', KEYS[1]) end\n"
    "return {1, (whole(KEYS[1])), last_use(), before}\n";

/*
 * KEYS: the index. ARGV: the prefix of record keys, score and id of the cursor (id empty: from the
 * start), the most records, 1 to drop entries without a record, the set of uses (which an
 * ACL may forbid; see script_get), and what its members have in front of the ids. Returns {1 when
 * there are more, {{id, score, record, use},
 * ...}}. Members that cannot be an id of a job or token, written by other programs, are skipped: a
 * cursor could not name them. The member of the cursor may be gone; its score says where it was.
 * Jobs whose lease has ended leave their entry behind, also among the public ones; it is dropped
 * here. The records of an answer
 * have 2 MiB together at most, unless it has just one.
 */
static const char script_page[] = RECORD_SCRIPT_WHOLE
    "local at, limit, gone = 0, tonumber(ARGV[4]), {}\n"
    "if ARGV[3] ~= '' then\n"
    "  local rank = redis.call('ZRANK', KEYS[1], ARGV[3])\n"
    "  if rank and redis.call('ZSCORE', KEYS[1], ARGV[3]) == ARGV[2] then\n"
    "    at = rank + 1\n"
    "  else\n"
    "    at = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. ARGV[2])\n"
    "    for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[2], ARGV[2])) do\n"
    "      if id < ARGV[3] then at = at + 1 end\n"
    "    end\n"
    "  end\n"
    "end\n"
    "local found, read, bytes = {}, 0, 0\n"
    "local function answer(more)\n"
    "  if #gone > 0 then redis.pcall('ZREM', KEYS[1], unpack(gone)) end\n"
    "  local prefix = string.match(ARGV[1], '^(.*)job:$')\n"
    "  if #gone > 0 and prefix then\n"
    "    redis.pcall('SREM', prefix .. '" PUBLIC_KEY "', unpack(gone))\n"
    "  end\n"
    "  return {more, found}\n"
    "end\n"
    "repeat\n"
    "  local ids = redis.call('ZRANGE', KEYS[1], at, at + limit, 'WITHSCORES')\n"
    "  for i = 1, #ids, 2 do\n"
    "    if #ids[i] <= 63 and string.match(ids[i], '^[a-z0-9-]+$') then\n"
    "      if #found == limit then return answer(1) end\n"
    "      local record, more = whole(ARGV[1] .. ids[i])\n"
    "      bytes = bytes + more\n"
    "      if #found > 0 and bytes > 2097152 then return answer(1) end\n"
    "      if not record.err and #record == 0 and ARGV[5] == '1' then gone[#gone + 1] = ids[i] "
    "end\n"
    "      if record.err then record = {} end\n"
    "      local use = redis.pcall('ZSCORE', ARGV[6], ARGV[7] .. ids[i])\n"
    "      found[#found + 1] = {ids[i], ids[i + 1], record, use}\n"
    "    end\n"
    "  end\n"
    "  at, read = at + limit + 1, #ids / 2\n"
    "until read <= limit\n"
    "return answer(0)\n";

#endif
