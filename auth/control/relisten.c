/* relisten.c - checks a socket's name periodically. */
#include "auth/control/relisten.h"

#include <stdlib.h>

#define LOOK_S 1
/* The pause after a failure. */
#define AGAIN_S 5

struct relisten {
	struct event *look;
	struct listen_unix *socket;
	bool (*again)(void *ctx, int fd);
	void *ctx;
	struct log log;
};

/* Listen again. False after logging why. */
static bool
listen_again(struct relisten *relisten)
{
	struct listen_unix made;
	int fd =
	    listen_unix_open(relisten->socket->path, relisten->socket->type, &made, &relisten->log);

	if (fd < 0 || !relisten->again(relisten->ctx, fd))
		return false;
	*relisten->socket = made;
	log_warning(&relisten->log, "the control socket %s was removed: creating it again",
	    relisten->socket->path);
	return true;
}

static void
on_look(evutil_socket_t fd, short events, void *ctx)
{
	struct relisten *relisten = ctx;
	struct timeval pause = {.tv_sec = LOOK_S};

	(void)fd;
	(void)events;
	if (!listen_unix_stands(relisten->socket) && !listen_again(relisten))
		pause.tv_sec = AGAIN_S;
	evtimer_add(relisten->look, &pause);
}

struct relisten *
relisten_new(struct event_base *base, struct listen_unix *socket, bool (*again)(void *ctx, int fd),
    void *ctx, const struct log *log)
{
	struct relisten *relisten = calloc(1, sizeof(*relisten));

	if (relisten == NULL)
		return NULL;
	*relisten = (struct relisten){.socket = socket, .again = again, .ctx = ctx, .log = *log};
	relisten->look = evtimer_new(base, on_look, relisten);
	if (relisten->look == NULL) {
		free(relisten);
		return NULL;
	}
	on_look(-1, 0, relisten);
	return relisten;
}

void
relisten_free(struct relisten *relisten)
{
	if (relisten == NULL)
		return;
	event_free(relisten->look);
	free(relisten);
}
