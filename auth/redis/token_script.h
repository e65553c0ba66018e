/* token_script.h - server-side scripts that create and renew tokens, and manage the key that their
 * values are minted with.
 */
#ifndef JOBGATE_REDIS_TOKEN_SCRIPT_H
#define JOBGATE_REDIS_TOKEN_SCRIPT_H

#include "auth/redis/maker_script.h"
#include "auth/redis/record_script.h"
#include "auth/redis/role_script.h"
#include "auth/redis/scope_script.h"

/*
 * Each script answers {code, key, enforced}, whatever it did, so that the next value is minted with
 * the right key. In all scripts `key` is the store's key, or false. If Redis holds something other
 * than a string there, GET fails before anything is written. unfit() is true when the value was
 * minted with another key than the store's ('' means with none). So once there is a key, each new
 * value is minted, and the number of tokens without one can only shrink while they are counted.
 */
#define MINT_READ(mint, enforced)                                                        \
	"local key = redis.call('GET', KEYS[" #mint "])\n"                               \
	"local enforced = redis.call('EXISTS', KEYS[" #enforced "])\n"                   \
	"local function answer(code) return {code, key, enforced} end\n"                 \
	"local function differs(other) return string.lower(key) ~= other end\n"          \
	"local function usable() return #key == 64 and not string.find(key, '%X') end\n" \
	"local function unfit(used)\n"                                                   \
	"  if not key then return false end\n"                                           \
	"  if used == '' then return usable() end\n"                                     \
	"  return differs(used)\n"                                                       \
	"end\n"

/* `new` becomes the store's key, enforced or not. */
#define MINT_MAKE(mint, enforced_key)                                             \
	"local function make(new, enforce)\n"                                     \
	"  redis.call('SET', KEYS[" #mint "], new, 'NX')\n"                       \
	"  if enforce then redis.call('SET', KEYS[" #enforced_key "], '1') end\n" \
	"  if not enforce then redis.call('DEL', KEYS[" #enforced_key "]) end\n"  \
	"  key, enforced = new, enforce and 1 or 0\n"                             \
	"end\n"

/*
 * True when the store has no token. The index is not enough: other programs may have written tokens
 * without it, and tokens that are older than the key must not be refused. So the script looks at up
 * to about 10,000 keys of Redis. If there are more, it returns false.
 */
#define IS_EMPTY(index)                                                           \
	"local function is_empty(prefix)\n"                                       \
	"  if redis.call('ZCARD', KEYS[" #index "]) > 0 then return false end\n"  \
	"  local cursor = '0'\n"                                                  \
	"  for _ = 1, 10 do\n"                                                    \
	"    local step = redis.pcall('SCAN', cursor, 'COUNT', 1000)\n"           \
	"    if step.err then return false end\n"                                 \
	"    for _, name in ipairs(step[2]) do\n"                                 \
	"      if string.sub(name, 1, #prefix) == prefix then return false end\n" \
	"    end\n"                                                               \
	"    cursor = step[1]\n"                                                  \
	"    if cursor == '0' then return true end\n"                             \
	"  end\n"                                                                 \
	"  return false\n"                                                        \
	"end\n"

/*
 * KEYS: record, index, key, enforced, maker. ARGV: what MAKER_SCRIPT takes, then id, score, key (''
 * for a value that is not minted), version, fields and values. The code is 1, or 0 when the record
 * exists, or -3 for another key, or that of refused().
 */
static const char script_create_token[] = MAKER_SCRIPT MINT_READ(3, 4) MINT_MAKE(3, 4)
    IS_EMPTY(2) "if redis.call('EXISTS', KEYS[1]) == 1 then return answer(0) end\n"
		"if unfit(ARGV[3]) then return answer(-3) end\n"
		"local no = refused()\n"
		"if no then return answer(no) end\n"
		"if ARGV[3] ~= '' and not key and is_empty(records) then make(ARGV[3], true) end\n"
		"redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])\n"
		"redis.call('HSET', KEYS[1], unpack(ARGV, 5))\n"
		"if ARGV[3] ~= '' and key then redis.call('HSET', KEYS[1], 'minted', ARGV[4]) end\n"
		"counted(ARGV[1])\n"
		"return answer(1)\n";

/*
 * KEYS: record, key, enforced, the set of uses, what CALLER_SCRIPT takes. ARGV: what it takes, then
 * scope, version, new version, key, the names of all fields that limit tokens ('=' leaves the role
 * as it is), the number of fields to remove, these, then fields and values to set. The role itself
 * is never written: another program may change it at any time. The code is 1, 0 for another
 * version, -1 for no record, or -3 for another key. With 1, the record and its use are the next
 * elements.
 */
static const char script_renew[] =
    CALLER_SCRIPT TOKEN_WITHIN RECORD_SCRIPT_WHOLE ROLE_SCRIPT MINT_READ(
	2, 3) "if not within then return answer(-1) end\n"
	      "local version = redis.call('HGET', KEYS[1], 'version')\n"
	      "if not version then return answer(-1) end\n"
	      "if version ~= ARGV[at + 1] then return answer(0) end\n"
	      "local used, needs = ARGV[at + 3], ARGV[at + 4]\n"
	      "local gone = at + 5 + tonumber(ARGV[at + 5])\n"
	      "if unfit(used) then return answer(-3) end\n"
	      "redis.call('HSET', KEYS[1], unpack(ARGV, gone + 1))\n"
	      "for i = at + 6, gone do redis.call('HDEL', KEYS[1], ARGV[i]) end\n"
	      "if needs ~= '=' then write_needs(needs) end\n"
	      "if used ~= '' and key then redis.call('HSET', KEYS[1], 'minted', ARGV[at + 2])\n"
	      "else redis.call('HDEL', KEYS[1], 'minted') end\n"
	      "local id = string.sub(KEYS[1], -16)\n"
	      "return {1, key, enforced, (whole(KEYS[1])), redis.pcall('ZSCORE', KEYS[4], id)}\n";

/*
 * True when the current value of each token is minted, and no grace keeps a value before it valid,
 * which may not be. `now` is the time as records have it (RFC 3339 in UTC); sortable() gives texts
 * that sort like the times, in milliseconds, and '' for what is not a time. Only the newest 10,000
 * tokens of the index are checked, which takes 0.2 s, in which Redis does nothing else. That
 * suffices: the caller has counted all tokens before, and only a renewal, an import or another
 * program can have added one since.
 */
#define ALL_MINTED(index)                                                                         \
	"local function sortable(time)\n"                                                         \
	"  local seconds, rest = string.match(time,\n"                                            \
	"    '^(%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d)(.*)$')\n"                                    \
	"  if not seconds then return '' end\n"                                                   \
	"  return seconds .. string.sub((string.match(rest, '^%.(%d+)') or '') .. '000', 1, 3)\n" \
	"end\n"                                                                                   \
	"local function is_ready(prefix, id, now)\n"                                              \
	"  local found = redis.pcall('HMGET', prefix .. id, 'version', 'minted',\n"               \
	"    'previous_version', 'previous_until')\n"                                             \
	"  if found.err or not found[1] then return true end\n"                                   \
	"  if found[1] ~= found[2] then return false end\n"                                       \
	"  local before = tonumber(found[3] or '')\n"                                             \
	"  if not before or before + 1 ~= tonumber(found[1]) then return true end\n"              \
	"  return sortable(found[4] or '') <= sortable(now)\n"                                    \
	"end\n"                                                                                   \
	"local function all_minted(prefix, now)\n"                                                \
	"  for at = 0, 9000, 1000 do\n"                                                           \
	"    for _, id in ipairs(redis.call('ZREVRANGE', KEYS[" #index "], at, at + 999)) do\n"   \
	"      if not is_ready(prefix, id, now) then return false end\n"                          \
	"    end\n"                                                                               \
	"  end\n"                                                                                 \
	"  return true\n"                                                                         \
	"end\n"

/*
 * KEYS: index, key, enforced. ARGV: new key, what to do (enum store_mint_change), the prefix of
 * keys of tokens, the time. The code is 1, 0 for another key or a token that is not ready, or -1
 * when there is no key.
 */
static const char script_mint[] = MINT_READ(2, 3) MINT_MAKE(2, 3) IS_EMPTY(1) ALL_MINTED(
    1) "local change = tonumber(ARGV[2])\n"
       "if change >= 2 then\n"
       "  if not key then return answer(-1) end\n"
       "  if change == 2 and not all_minted(ARGV[3], ARGV[4]) then return answer(0) end\n"
       "  redis.call('SET', KEYS[3], '1')\n"
       "  enforced = 1\n"
       "  return answer(1)\n"
       "end\n"
       "if key and differs(ARGV[1]) then return answer(0) end\n"
       "if not key then make(ARGV[1], change == 1 and is_empty(ARGV[3])) end\n"
       "return answer(1)\n";

/*
 * KEYS: key, enforced. Only reads both; the code is always 1. A key of a wrong type is not an error
 * here.
 */
static const char script_know[] = "local key = redis.pcall('GET', KEYS[1])\n"
				  "return {1, key, redis.call('EXISTS', KEYS[2])}\n";

#endif
