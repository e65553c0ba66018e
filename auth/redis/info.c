/* info.c - fields of the reply to INFO. */
#include "auth/redis/info.h"

#include <string.h>

struct slice
info_field(const redisReply *reply, const char *name)
{
	size_t len = strlen(name);
	const char *line = reply->type == REDIS_REPLY_STRING ? reply->str : NULL;

	while (line != NULL && !(strncmp(line, name, len) == 0 && line[len] == ':'))
		line = (line = strchr(line, '\n')) != NULL ? line + 1 : NULL;
	if (line == NULL)
		return (struct slice){0};
	line += len + 1;
	return (struct slice){line, strcspn(line, "\r\n")};
}
