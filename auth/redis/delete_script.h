/* delete_script.h - the part of scripts that deletes a record within a scope. */
#ifndef JOBGATE_REDIS_DELETE_SCRIPT_H
#define JOBGATE_REDIS_DELETE_SCRIPT_H

#include "auth/redis/made_script.h"
#include "auth/redis/record_script.h"

/*
 * ARGV: scope, id, 1 to write in any case, the key prefix of quota sets, and that of the sets of
 * tokens that a token has created ('' for a job), the key of the set of uses, and the key prefix of
 * the records of tokens. Then `gone` is 1, or 0 when there was no record, and `was` the record, as
 * whole() returns it ({}: there was none). Within the scope, the id leaves the index either way. A
 * token that has created others stays in the set of its own creator: a cascade finds them through
 * it. The write without a record leaves no trace (no id is "-"), but replicas that confirm it have
 * all earlier writes, such as a deletion that this one repeats. While the slot of a cluster moves,
 * keys that are not in KEYS may be elsewhere: they are read before the first write, and an error
 * there is returned: nothing was changed.
 */
#define DELETE_WITHIN RECORD_SCRIPT_WHOLE MADE_KEEP DELETE_PART
#define DELETE_PART                                                                               \
	"local gone, was = 0, {}\n"                                                               \
	"if within then\n"                                                                        \
	"  local quota = redis.pcall('HGET', KEYS[1], 'quota')\n"                                 \
	"  local maker = redis.pcall('HGET', KEYS[1], 'created_by')\n"                            \
	"  local selector = redis.pcall('HGET', KEYS[1], 'selector')\n"                           \
	"  local made, nested = ARGV[at + 4], 0\n"                                                \
	"  if made ~= '' then\n"                                                                  \
	"    maker = type(maker) == 'string' and maker\n"                                         \
	"    selector = type(selector) == 'string' and selector\n"                                \
	"    nested = redis.pcall('EXISTS', made .. ARGV[at + 1])\n"                              \
	"    local above = maker and maker ~= '' and\n"                                           \
	"      redis.pcall('EXISTS', made .. maker, ARGV[at + 6] .. maker)\n"                     \
	"    if type(nested) == 'table' then return nested end\n"                                 \
	"    if type(above) == 'table' then return above end\n"                                   \
	"  end\n"                                                                                 \
	"  was = whole(KEYS[1])\n"                                                                \
	"  local used = made ~= '' and ARGV[at + 1] or 'job:' .. ARGV[at + 1]\n"                  \
	"  redis.pcall('ZREM', ARGV[at + 5], used)\n"                                             \
	"  redis.call('ZREM', KEYS[2], ARGV[at + 1])\n"                                           \
	"  gone = redis.call('DEL', KEYS[1])\n"                                                   \
	"  if type(quota) == 'string' then redis.pcall('SREM', ARGV[at + 3] .. quota, ARGV[at + " \
	"1]) end\n"                                                                               \
	"  if gone == 1 and made ~= '' then\n"                                                    \
	"    if nested == 1 then\n"                                                               \
	"      remember(made, ARGV[at + 1], maker, selector)\n"                                   \
	"    else leave(made, ARGV[at + 6], maker, ARGV[at + 1]) end\n"                           \
	"  end\n"                                                                                 \
	"end\n"                                                                                   \
	"if gone == 0 and ARGV[at + 2] == '1' then\n"                                             \
	"  redis.call('ZADD', KEYS[2], 0, '-')\n"                                                 \
	"  redis.call('ZREM', KEYS[2], '-')\n"                                                    \
	"end\n"

#endif
