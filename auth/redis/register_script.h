/* register_script.h - server-side scripts that keep the record of a sidecar's job, which several
 * gateways may share.
 */
#ifndef JOBGATE_REDIS_REGISTER_SCRIPT_H
#define JOBGATE_REDIS_REGISTER_SCRIPT_H

#include "auth/redis/port_script.h"
#include "auth/redis/public.h"
#include "auth/redis/record_script.h"

/*
 * The field registered_by has the marks of the gateways that made the last three renewals, the last
 * one first: "b a b". All renew equally often, so who has made all three is alone.
 */

/*
 * KEYS: the record, the index. ARGV: the gateway's mark (16 characters), id, score, lease in
 * seconds, then fields and values, the lease among them. Creates the record, or starts its lease
 * again if its URL, labels, lease and ports are these, or if this gateway has renewed it last.
 * Returns {1, record}; {0}: it has no lease; {2, record}: it is another one; {-6}: another job has
 * a port with this host.
 */
static const char script_register[] = RECORD_SCRIPT_WHOLE PORT_SCRIPT PUBLIC_SCRIPT
    "local record, have, other = whole(KEYS[1]), {}, false\n"
    "if record.err then return {2, record} end\n"
    "if #record == 0 then\n"
    "  if is_port_of_another() or is_taken(5, #ARGV) then return {-6} end\n"
    "  redis.call('ZADD', KEYS[2], ARGV[3], ARGV[2])\n"
    "  redis.call('HSET', KEYS[1], 'registered_by', ARGV[1], unpack(ARGV, 5))\n"
    "  list()\n"
    "  redis.call('EXPIRE', KEYS[1], ARGV[4])\n"
    "  return {1, (whole(KEYS[1]))}\n"
    "end\n"
    "for i = 1, #record, 2 do have[record[i]] = record[i + 1] end\n"
    "local lease, marks = have['lease'] or '', have['registered_by'] or ''\n"
    "if not string.match(lease, '^[1-9]%d?%d?%d?%d?$') then return {0} end\n"
    "for i = 5, #ARGV, 2 do\n"
    "  if ARGV[i] ~= 'created_at' and ARGV[i] ~= 'updated_at' then\n"
    "    other = other or have[ARGV[i]] ~= ARGV[i + 1]\n"
    "    have[ARGV[i]] = nil\n"
    "  end\n"
    "end\n"
    "for field in pairs(have) do\n"
    "  other = other or field == 'url' or string.match(field, '^label:') ~= nil or\n"
    "    string.match(field, '^port:') ~= nil\n"
    "end\n"
    "if other and string.sub(marks, 1, 16) ~= ARGV[1] then return {2, record} end\n"
    "marks = string.sub(ARGV[1] .. ' ' .. marks, 1, 50)\n"
    "redis.call('HSET', KEYS[1], 'registered_by', marks)\n"
    "redis.call('EXPIRE', KEYS[1], lease)\n"
    "return {1, record}\n";

/*
 * KEYS: the record, the index. ARGV: the gateway's mark, id. Deletes the record if the marks are
 * all this gateway's; returns 1. Otherwise takes its marks out, so that the last of the others
 * deletes the record; returns 2. 0: there is no record.
 */
static const char script_unregister[] = PORT_SCRIPT PUBLIC_SCRIPT
    "local marks, others = redis.pcall('HGET', KEYS[1], 'registered_by'), {}\n"
    "if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end\n"
    "if type(marks) ~= 'string' or not string.find(marks, ARGV[1], 1, true) then return 2 end\n"
    "for mark in string.gmatch(marks, '%S+') do\n"
    "  if mark ~= ARGV[1] then others[#others + 1] = mark end\n"
    "end\n"
    "if #others > 0 then\n"
    "  redis.call('HSET', KEYS[1], 'registered_by', table.concat(others, ' '))\n"
    "  return 2\n"
    "end\n"
    "redis.call('ZREM', KEYS[2], ARGV[2])\n"
    "redis.call('DEL', KEYS[1])\n"
    "list()\n"
    "return 1\n";

#endif
