/* own_sockets.c - the paths of Unix sockets at which the gateway listens itself. */
#include <stdlib.h>
#include <string.h>

#include "auth/redis/url.h"
#include "server/supervisor.h"

#define SOCKET_PATH_MAX 108

/* Add the path of a store's URL, if it has one; text is room for it. */
static void
add_store_socket(const char **list, size_t *n, const char *store_url, char text[SOCKET_PATH_MAX])
{
	struct redis_url url = {0};
	char error[128];

	if (redis_url_parse(store_url, &url, error, sizeof(error)) && url.path[0] != 0 &&
	    strlen(url.path) < SOCKET_PATH_MAX)
		list[(*n)++] = strcpy(text, url.path);
	redis_url_wipe(&url);
}

const char **
own_sockets_list(const struct supervisor *supervisor, const struct config *config)
{
	/* The texts of the store's paths lie after the list. */
	size_t count = config->listener_count + 6, n = 0;
	const char **list = calloc(1, count * sizeof(*list) + 2 * SOCKET_PATH_MAX);
	char *text;

	if (list == NULL)
		return NULL;
	text = (char *)(list + count);
	list[n++] = config->control.process.socket;
	list[n++] = config->control.process.workers_socket;
	if (config->control.process.gateway_socket != NULL)
		list[n++] = config->control.process.gateway_socket;
	if (supervisor->private_redis) {
		list[n++] = supervisor->redis.socket;
	} else {
		add_store_socket(list, &n, config->store.read_url, text);
		add_store_socket(list, &n, config->store.write_url, text + SOCKET_PATH_MAX);
	}
	for (size_t i = 0; i < config->listener_count; i++)
		if (config->listeners[i].path != NULL)
			list[n++] = config->listeners[i].path;
	return list;
}
