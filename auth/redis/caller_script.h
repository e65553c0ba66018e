/* caller_script.h - how server-side scripts check that their caller's token is still the same. */
#ifndef JOBGATE_REDIS_CALLER_SCRIPT_H
#define JOBGATE_REDIS_CALLER_SCRIPT_H

/*
 * is_revoked(hash): the caller's token, the last of KEYS, is gone or was renewed since it was read:
 * its hash is new with each renewal. A caller without a token has the hash '', and no key.
 */
#define IS_REVOKED                                                      \
	"local function is_revoked(hash)\n"                             \
	"  if hash == '' then return false end\n"                       \
	"  local now = redis.pcall('HGET', KEYS[#KEYS], 'hash')\n"      \
	"  return type(now) ~= 'string' or string.lower(now) ~= hash\n" \
	"end\n"

/*
 * The beginning of each script that changes records for a caller. The first of ARGV, the hash, is
 * taken off. Returns STORE_SCRIPT_REVOKED, the number alone, before anything is written.
 */
#define STORE_SCRIPT_REVOKED (-4)
#define CALLER_SCRIPT IS_REVOKED "if is_revoked(table.remove(ARGV, 1)) then return -4 end\n"

#endif
