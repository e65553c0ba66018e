/* public.h - the set of public jobs in Redis, and the part of scripts that keeps it. */
#ifndef JOBGATE_REDIS_PUBLIC_H
#define JOBGATE_REDIS_PUBLIC_H

/* Its name, after the prefix. Its members are ids of jobs. */
#define PUBLIC_KEY "public"

/*
 * For scripts on a job, after PORT_SCRIPT, whose `keys` and `id` it uses. A record says itself
 * whether its job is public; the set lists the jobs whose record does, for those who must not look
 * up any other. full(): true if the set has no room for the job. It fails if the set cannot be
 * read; nothing is written before that. list(): brings the set in line with the record. It never
 * fails: if the set cannot be written, the job is not listed, and so it is not public (or it stays
 * listed, and its record still says that it is not public).
 */
#define PUBLIC_SCRIPT                                                                    \
	"local publics = string.match(keys, '^(.*)job:$')\n"                             \
	"publics = publics and publics .. '" PUBLIC_KEY "'\n"                            \
	"local function full(first, last)\n"                                             \
	"  if not publics or redis.call('EXISTS', publics) == 0 then return false end\n" \
	"  for i = first, last, 2 do\n"                                                  \
	"    if ARGV[i] == 'access' then\n"                                              \
	"      return redis.call('SISMEMBER', publics, id) == 0 and\n"                   \
	"        redis.call('SCARD', publics) >= 10000\n"                                \
	"    end\n"                                                                      \
	"  end\n"                                                                        \
	"  return false\n"                                                               \
	"end\n"                                                                          \
	"local function list()\n"                                                        \
	"  if not publics then return end\n"                                             \
	"  if redis.pcall('HGET', KEYS[1], 'access') == 'public' then\n"                 \
	"    redis.pcall('SADD', publics, id)\n"                                         \
	"  else redis.pcall('SREM', publics, id) end\n"                                  \
	"end\n"

#endif
