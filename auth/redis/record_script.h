/* record_script.h - reading a record by a script of the server's, so that it never sends too much.
 */
#ifndef JOBGATE_REDIS_RECORD_SCRIPT_H
#define JOBGATE_REDIS_RECORD_SCRIPT_H

#include "auth/redis/connection.h"
#include "auth/redis/records.h"

#define RECORD_SCRIPT_TEXT_(number) #number
#define RECORD_SCRIPT_TEXT(number) RECORD_SCRIPT_TEXT_(number)

/*
 * whole(key): what HGETALL says, and its bytes; an error where the key holds no hash, or one
 * larger than a record may be, of which nothing is copied then but the names of its fields. It
 * costs Redis some calls more than HGETALL alone, which a worker uses for records that it has no
 * reason to fear.
 */
#define RECORD_SCRIPT_WHOLE                                                                       \
	"local function whole(key)\n"                                                             \
	"  local large = redis.error_reply('" REDIS_TOO_LONG " is this record')\n"                \
	"  local fields, bytes = redis.pcall('HLEN', key), 0\n"                                   \
	"  if type(fields) == 'table' then return fields, 0 end\n"                                \
	"  if fields > " RECORD_SCRIPT_TEXT(                                                      \
	    RECORD_FIELDS_MAX) " then return large, 0 end\n"                                      \
			       "  for _, field in ipairs(redis.call('HKEYS', key)) do\n"          \
			       "    bytes = bytes + #field + redis.call('HSTRLEN', key, field)\n" \
			       "  end\n"                                                          \
			       "  if bytes > " RECORD_SCRIPT_TEXT(                                \
				   RECORD_BYTES_MAX) " then return large, 0 end\n"                \
						     "  return redis.call('HGETALL', key), "      \
						     "bytes\n"                                    \
						     "end\n"

/* KEYS[1]: the record. Its fields and values, as a reply to HGETALL. */
#define RECORD_SCRIPT_GET RECORD_SCRIPT_WHOLE "return (whole(KEYS[1]))\n"

#endif
