/* maker_script.h - checks the operator's token and its scope's quota before it creates a record. */
#ifndef JOBGATE_REDIS_MAKER_SCRIPT_H
#define JOBGATE_REDIS_MAKER_SCRIPT_H

#include "auth/redis/caller_script.h"

/*
 * The beginning of each script that creates a record. The last of KEYS is the operator's token. The
 * first five of ARGV are taken off: the token's hash ('' for a caller without a token; then it is
 * not checked), the quota, the key prefixes of quota sets and of the records that are counted, and
 * the key of the set of tokens that this token has created ('' when the record is no token, or is
 * not known to be created by one).
 *
 * The script calls refused() before it writes anything. It returns nil, -4 when the token is gone
 * or was renewed, or -5 when its scope is at its quota. The script calls counted(id) after it has
 * made the record. The hash is new with each renewal, so equal hashes mean that the token has the
 * version with which it was decided on.
 *
 * A record that a scoped operator creates has a field `quota` (the scope that it counts for) and is
 * in the set of that scope. An operator whose own token has this field passes it on, so that a
 * narrower scope gets no quota of its own (unless an operator without one created it). Records that
 * were not deleted by us (an ended lease, a plain DEL) leave the set only when it is full. Of a
 * full set, MAKER_LOOKS records are looked at with each refusal: all of a small quota, a random
 * part of a large one. More would be too much: the server does nothing else meanwhile, and a scope
 * at its quota may be refused again and again.
 */
#define MAKER_LOOKS "1000"

#define MAKER_SCRIPT                                                                  \
	IS_REVOKED                                                                    \
	"local hash, most = table.remove(ARGV, 1), tonumber(table.remove(ARGV, 1))\n" \
	"local sets, records = table.remove(ARGV, 1), table.remove(ARGV, 1)\n"        \
	"local made = table.remove(ARGV, 1)\n"                                        \
	"local quota = ''\n"                                                          \
	"local function refused()\n"                                                  \
	"  if made ~= '' then redis.call('SCARD', made) end\n"                        \
	"  if hash == '' then return nil end\n"                                       \
	"  if is_revoked(hash) then return -4 end\n"                                  \
	"  local maker = redis.call('HMGET', KEYS[#KEYS], 'selector', 'quota')\n"     \
	"  local labels = {}\n"                                                       \
	"  for label in string.gmatch(maker[2] or maker[1] or '', '[^,]+') do\n"      \
	"    labels[#labels + 1] = label\n"                                           \
	"  end\n"                                                                     \
	"  table.sort(labels)\n"                                                      \
	"  quota = table.concat(labels, ',')\n"                                       \
	"  local set = sets .. quota\n"                                               \
	"  if quota == '' or redis.call('SCARD', set) < most then return nil end\n"   \
	"  for _, id in ipairs(redis.call('SRANDMEMBER', set, " MAKER_LOOKS ")) do\n" \
	"    if redis.pcall('HGET', records .. id, 'quota') ~= quota then\n"          \
	"      redis.call('SREM', set, id)\n"                                         \
	"    end\n"                                                                   \
	"  end\n"                                                                     \
	"  if redis.call('SCARD', set) >= most then return -5 end\n"                  \
	"end\n"                                                                       \
	"local function counted(id)\n"                                                \
	"  if made ~= '' then redis.call('SADD', made, id) end\n"                     \
	"  if quota == '' then return end\n"                                          \
	"  redis.call('SADD', sets .. quota, id)\n"                                   \
	"  redis.call('HSET', KEYS[1], 'quota', quota)\n"                             \
	"end\n"

#endif
