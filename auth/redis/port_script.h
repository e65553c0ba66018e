/* port_script.h - how server-side scripts find that a job's port and another job would have the
 * same host.
 */
#ifndef JOBGATE_REDIS_PORT_SCRIPT_H
#define JOBGATE_REDIS_PORT_SCRIPT_H

/*
 * KEYS[1] is the record and KEYS[2] the index. Port 9000 of job "a" has the host of a job "a-9000",
 * so only one of them may exist. is_taken(first, last): such a job exists for one of the ports
 * among these fields and values of ARGV, or its lease has ended and the index still has it.
 * is_port_of_another(): another job has the port whose host this record's id is (as
 * jg_job_port_split; the ids of tokens never have that form). Neither writes. The keys are named as
 * KEYS[1] is.
 */
#define PORT_SCRIPT                                                                \
	"local keys, id = string.match(KEYS[1], '^(.*:)([^:]*)$')\n"               \
	"local function is_taken(first, last)\n"                                   \
	"  for i = first, last, 2 do\n"                                            \
	"    local number = string.match(ARGV[i], '^port:(.*)$')\n"                \
	"    local other = number and id .. '-' .. number\n"                       \
	"    if other and (redis.call('EXISTS', keys .. other) == 1 or\n"          \
	"        redis.call('ZSCORE', KEYS[2], other)) then return true end\n"     \
	"  end\n"                                                                  \
	"end\n"                                                                    \
	"local function is_port_of_another()\n"                                    \
	"  local owner, number = string.match(id, '^(.*[a-z0-9])%-([1-9]%d*)$')\n" \
	"  return owner and tonumber(number) <= 65535 and\n"                       \
	"    redis.pcall('HEXISTS', keys .. owner, 'port:' .. number) == 1\n"      \
	"end\n"

#endif
