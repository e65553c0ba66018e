/* role_script.h - how scripts write which fields limit a token. */
#ifndef JOBGATE_REDIS_ROLE_SCRIPT_H
#define JOBGATE_REDIS_ROLE_SCRIPT_H

/*
 * write_needs(names): the role of KEYS[1] names those of these fields (separated by spaces) that
 * the record has, as in "read needs expires_at rate". They are looked up in the record as it is
 * now: another call may have changed it since it was read, and a token whose role names a field
 * that it lacks is refused. The role itself stays, since another program may change it at any time.
 */
#define ROLE_SCRIPT                                                                        \
	"local function write_needs(names)\n"                                              \
	"  local role = string.match(redis.call('HGET', KEYS[1], 'role') or '', '^%S*')\n" \
	"  local before = ' needs '\n"                                                     \
	"  for name in string.gmatch(names, '%S+') do\n"                                   \
	"    if redis.call('HEXISTS', KEYS[1], name) == 1 then\n"                          \
	"      role, before = role .. before .. name, ' '\n"                               \
	"    end\n"                                                                        \
	"  end\n"                                                                          \
	"  redis.call('HSET', KEYS[1], 'role', role)\n"                                    \
	"end\n"

#endif
