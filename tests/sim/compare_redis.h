/* compare_redis.h - compares the model of Redis with a real redis-server. */
#ifndef SIM_COMPARE_REDIS_H
#define SIM_COMPARE_REDIS_H

#include <stdint.h>

/*
 * Give both the same random commands, over three connections that track and one that is told, and
 * compare each reply and each push, byte by byte. path: the Unix socket of a redis-server that may
 * be emptied; replica: that of its replica, NULL: it has none. Returns the exit status.
 */
int compare_redis(const char *path, const char *replica, uint64_t seed, unsigned commands);

#endif
