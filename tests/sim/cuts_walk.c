/* cuts_walk.c - what server/channel.c does with an order to end sessions. Apart from cuts.c, as the
 * worker has a struct listener of its own. */
#include "cuts_walk.h"

#include "exchange/running.h"
#include "server/worker_state.h"

bool
cuts_walk(struct worker *worker, const struct session_order *order, size_t *count)
{
	struct running_walk *walk = running_walk_new(worker->exchanges, order);
	struct session session;
	size_t left = SIZE_MAX;

	*count = 0;
	if (walk == NULL)
		return false;
	while (running_walk_next(walk, &left, &session) == RUNNING_FOUND)
		(*count)++;
	running_walk_free(walk);
	return true;
}
