/* scope_script.h - how server-side scripts check that a record lies within a scope. */
#ifndef JOBGATE_REDIS_SCOPE_SCRIPT_H
#define JOBGATE_REDIS_SCOPE_SCRIPT_H

#include "auth/redis/caller_script.h"

/*
 * The beginning of scripts for records within a scope, after CALLER_SCRIPT. ARGV[1] is the number
 * of labels in the scope; their names and values follow; ARGV[at + 1] is the next argument after
 * them. pcall is used because the key may hold something other than a hash. All labels are looked
 * up, so that a record outside the scope takes as long as a missing one.
 */
#define JOB_WITHIN                                                            \
	"local at, within = 1 + 2 * tonumber(ARGV[1]), true\n"                \
	"for i = 2, at, 2 do\n"                                               \
	"  local value = redis.pcall('HGET', KEYS[1], 'label:' .. ARGV[i])\n" \
	"  within = value == ARGV[i + 1] and within\n"                        \
	"end\n"

/* A selector is stored as "a=b,c=d"; no name or value contains a comma. */
#define TOKEN_WITHIN                                                             \
	"local at, within = 1 + 2 * tonumber(ARGV[1]), true\n"                   \
	"local selector = at > 1 and redis.pcall('HGET', KEYS[1], 'selector')\n" \
	"for i = 2, at, 2 do\n"                                                  \
	"  local label = ',' .. ARGV[i] .. '=' .. ARGV[i + 1] .. ','\n"          \
	"  within = type(selector) == 'string' and within and\n"                 \
	"    string.find(',' .. selector .. ',', label, 1, true) ~= nil\n"       \
	"end\n"

#endif
