/* cascade_script.h - deletes a token, and counts its descendants or deletes them, too, in batches.
 */
#ifndef JOBGATE_REDIS_CASCADE_SCRIPT_H
#define JOBGATE_REDIS_CASCADE_SCRIPT_H

#include "auth/redis/delete_script.h"
#include "auth/redis/made_script.h"
#include "auth/redis/record_script.h"
#include "auth/redis/scope_script.h"

/*
 * KEYS and ARGV as for CALLER_SCRIPT and MADE_SCRIPT. Deletes the token, unless it is gone, then up
 * to CASCADE_STEPS of its descendants, each before those that it has created: from then on it
 * cannot create more. Returns {code, record, id, ...}: the token's record ({}: it was gone) and the
 * ids of all that were deleted. code: 1 when some are left, 2 when a key that should be a set is
 * not one; {-1} for a token outside the scope.
 * Descendants outside the scope stay; a batch that finds only such ones is the last.
 *
 * Only the sets record how far it has come, so it may be repeated after any failure. A
 * node (a token whose set is being emptied) leaves the set that led to it only when its own is
 * gone. If a chain of creators is longer than a batch, its last node moves to the root's set, where
 * the next batch finds it.
 */
#define CASCADE_STEPS "100"
static const char script_cascade[] = CALLER_SCRIPT RECORD_SCRIPT_WHOLE MADE_SCRIPT MADE_KEEP
    "local answer, steps, moved = {0, {}}, 0, 0\n"
    "local function remove(id)\n"
    "  local key = records .. id\n"
    "  if not exists(key) then return true end\n"
    "  if not in_scope(id) then return false end\n"
    "  local fields = redis.pcall('HMGET', key, 'quota', 'created_by', 'selector')\n"
    "  if exists(made .. id) then remember(made, id, fields[2], fields[3]) end\n"
    "  redis.pcall('ZREM', used, id)\n"
    "  redis.call('ZREM', KEYS[2], id)\n"
    "  redis.call('DEL', key)\n"
    "  if fields[1] then redis.pcall('SREM', quotas .. fields[1], id) end\n"
    "  answer[#answer + 1] = id\n"
    "  return true\n"
    "end\n"
    "local function unlink(set, id)\n"
    "  redis.call('SREM', made .. set, id)\n"
    "  if not exists(made .. id) then redis.call('DEL', made .. id .. ':of') end\n"
    "  moved = moved + 1\n"
    "end\n"
    "if not in_scope(root) then return {-1} end\n"
    "local maker = redis.pcall('HGET', KEYS[1], 'created_by') or\n"
    "  redis.pcall('HGET', made .. root .. ':of', 'created_by')\n"
    "answer[2] = whole(KEYS[1])\n"
    "remove(root)\n"
    "local path, seen = {root}, {[root] = true}\n"
    "while #path > 0 and answer[1] == 0 do\n"
    "  local node, above, nested, stay = path[#path], path[#path - 1], nil, 0\n"
    "  local ids = some_of(node, " CASCADE_STEPS " - steps)\n"
    "  if not ids then\n"
    "    answer[1] = 2\n"
    "    break\n"
    "  end\n"
    "  for _, id in ipairs(ids) do\n"
    "    steps = steps + 1\n"
    "    if not remove(id) then stay = stay + 1\n"
    "    elseif not exists(made .. id) then unlink(node, id)\n"
    "    elseif seen[id] then stay = stay + 1\n"
    "    else nested = id break end\n"
    "  end\n"
    "  local left = redis.call('SCARD', made .. node)\n"
    "  if nested then\n"
    "    path[#path + 1], seen[nested] = nested, true\n"
    "  elseif left > stay then\n"
    "    if above and above ~= root then\n"
    "      redis.call('SADD', made .. root, node)\n"
    "      redis.call('HSET', made .. node .. ':of', 'created_by', root)\n"
    "      unlink(above, node)\n"
    "    end\n"
    "    if #answer == 2 and moved == 0 then break end\n"
    "    answer[1] = 1\n"
    "  else\n"
    "    path[#path] = nil\n"
    "    if above and left == 0 then\n"
    "      unlink(above, node)\n"
    "      redis.call('DEL', made .. node .. ':of')\n"
    "    end\n"
    "  end\n"
    "end\n"
    "if not exists(made .. root) then\n"
    "  redis.call('DEL', made .. root .. ':of')\n"
    "  leave(made, records, maker, root)\n"
    "end\n"
    "if #answer == 2 and ARGV[first + 2] == '1' then\n"
    "  redis.call('ZADD', KEYS[2], 0, '-')\n"
    "  redis.call('ZREM', KEYS[2], '-')\n"
    "end\n"
    "return answer\n";

/*
 * KEYS and ARGV as for CALLER_SCRIPT and MADE_SCRIPT. Returns {1, or 0 when there was no record,
 * the record, remaining()}.
 */
static const char script_delete_token[] =
    CALLER_SCRIPT TOKEN_WITHIN MADE_SCRIPT DELETE_WITHIN MADE_REMAINING
    "if gone == 0 then return {0, {}, 0, 0} end\n"
    "return {1, was, remaining()}\n";

/*
 * KEYS: what is kept of the token that is gone. ARGV: its id, its creator (an id, local, or ''
 * when that is not known), its selector, the key prefixes of the sets made and of the records of
 * tokens. Returns 1, 0 when the store knows this token already, or -1 when the token would be among
 * those that created its creator.
 */
static const char script_gone[] = MADE_KEEP MADE_CIRCULAR
    "local id, maker, made = ARGV[1], ARGV[2], ARGV[4]\n"
    "if redis.call('EXISTS', KEYS[1], ARGV[5] .. id) > 0 then return 0 end\n"
    "if circular(made, ARGV[5], id, maker) then return -1 end\n"
    "if #maker == 16 then redis.call('SADD', made .. maker, id) end\n"
    "remember(made, id, maker, ARGV[3])\n"
    "return 1\n";

#endif
