/* record_script.h - a server-side script that reads a record, so that Redis never sends too much.
 */
#ifndef JOBGATE_REDIS_RECORD_SCRIPT_H
#define JOBGATE_REDIS_RECORD_SCRIPT_H

#include "auth/redis/connection.h"
#include "auth/redis/records.h"

#define RECORD_SCRIPT_TEXT_(number) #number
#define RECORD_SCRIPT_TEXT(number) RECORD_SCRIPT_TEXT_(number)

/*
 * whole(key) returns the reply to HGETALL and its bytes. It returns an error where the key does not
 * hold a hash, or holds one that is too large for a record; of such a hash only the names of the
 * fields are copied. With any other error (the key may be at another server of a cluster) the
 * script fails. A worker uses it only for records that may be too large: for others, HGETALL alone
 * costs Redis less.
 */
#define RECORD_SCRIPT_WHOLE                                                                       \
	"local function whole(key)\n"                                                             \
	"  local large = redis.error_reply('" REDIS_TOO_LONG " is this record')\n"                \
	"  local fields, bytes = redis.pcall('HLEN', key), 0\n"                                   \
	"  if type(fields) == 'table' then\n"                                                     \
	"    if not string.find(fields.err, '^WRONGTYPE') then redis.call('HLEN', key) end\n"     \
	"    return fields, 0\n"                                                                  \
	"  end\n"                                                                                 \
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

/* KEYS[1]: the record. Returns its fields and values, as HGETALL does. */
#define RECORD_SCRIPT_GET RECORD_SCRIPT_WHOLE "return (whole(KEYS[1]))\n"

#endif
