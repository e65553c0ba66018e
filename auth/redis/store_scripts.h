/* store_scripts.h - the server-side scripts of store.c: each one atomic step, index included. */
#ifndef JOBGATE_REDIS_STORE_SCRIPTS_H
#define JOBGATE_REDIS_STORE_SCRIPTS_H

/*
 * A script that fails half-way is not undone: so each reads and checks all it
 * needs before its first write, and writes the index first, whose key may be of
 * a wrong type. In all of them KEYS[1] is the record, KEYS[2] the index.
 */

/* ARGV: id, score, then fields and values. 1, or 0 when the record exists. */
static const char script_create[] = "if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end\n"
				    "redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])\n"
				    "redis.call('HSET', KEYS[1], unpack(ARGV, 3))\n"
				    "return 1\n";

/* ARGV: id. 1, or 0 when there was no record; the index loses the id either way. */
static const char script_delete[] = "redis.call('ZREM', KEYS[2], ARGV[1])\n"
				    "return redis.call('DEL', KEYS[1])\n";

/* ARGV: version, hash, new version, updated_at. {1, record}, {0} for another version, {-1} for
 * none. */
static const char script_renew[] =
    "local version = redis.call('HGET', KEYS[1], 'version')\n"
    "if not version then return {-1} end\n"
    "if version ~= ARGV[1] then return {0} end\n"
    "redis.call('HSET', KEYS[1], 'hash', ARGV[2], 'version', ARGV[3], 'updated_at', ARGV[4])\n"
    "return {1, redis.call('HGETALL', KEYS[1])}\n";

/*
 * ARGV: updated_at, the most labels a job may have, 1 to remove all labels
 * first, the number n of fields to set, n fields and values, then fields to remove.
 * {1, record}, {0} for too many labels, {-1} for no record.
 */
static const char script_patch[] =
    "local have = redis.call('HKEYS', KEYS[1])\n"
    "if #have == 0 then return {-1} end\n"
    "local last = 4 + 2 * tonumber(ARGV[4])\n"
    "local labels, gone, count = {}, {}, 0\n"
    "local function is_label(field) return string.sub(field, 1, 6) == 'label:' end\n"
    "for i = last + 1, #ARGV do gone[#gone + 1] = ARGV[i] end\n"
    "for _, field in ipairs(have) do\n"
    "  if is_label(field) then\n"
    "    if ARGV[3] == '1' then gone[#gone + 1] = field else labels[field] = true end\n"
    "  end\n"
    "end\n"
    "for _, field in ipairs(gone) do labels[field] = nil end\n"
    "for i = 5, last, 2 do if is_label(ARGV[i]) then labels[ARGV[i]] = true end end\n"
    "for _ in pairs(labels) do count = count + 1 end\n"
    "if count > tonumber(ARGV[2]) then return {0} end\n"
    "redis.call('HSET', KEYS[1], 'updated_at', ARGV[1])\n"
    "for _, field in ipairs(gone) do redis.call('HDEL', KEYS[1], field) end\n"
    "for i = 5, last, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end\n"
    "return {1, redis.call('HGETALL', KEYS[1])}\n";

/*
 * KEYS[1]: the index. ARGV: what record keys begin with, score and id of the
 * cursor (id empty: from the start), the number of records. {1 when there are
 * more, {{id, score, record}, ...}}. Members that are no job's or token's id,
 * put there by others, are passed over here: a cursor could not name them.
 * The member of the cursor may have gone: its score says where it was.
 */
static const char script_page[] =
    "local at, limit = 0, tonumber(ARGV[4])\n"
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
    "local found, read = {}, 0\n"
    "repeat\n"
    "  local ids = redis.call('ZRANGE', KEYS[1], at, at + limit, 'WITHSCORES')\n"
    "  for i = 1, #ids, 2 do\n"
    "    if #ids[i] <= 63 and string.match(ids[i], '^[a-z0-9-]+$') then\n"
    "      if #found == limit then return {1, found} end\n"
    "      local record = redis.pcall('HGETALL', ARGV[1] .. ids[i])\n"
    "      if record.err then record = {} end\n"
    "      found[#found + 1] = {ids[i], ids[i + 1], record}\n"
    "    end\n"
    "  end\n"
    "  at, read = at + limit + 1, #ids / 2\n"
    "until read <= limit\n"
    "return {0, found}\n";

#endif
