/* orphans.c - accepting from the listening sockets of workers that are gone, or hang. */
#include <stdlib.h>
#include <unistd.h>

#include "server/worker_state.h"

static size_t
sockets_of_one(const struct worker *worker)
{
	return worker->setup->config->listener_count;
}

static size_t
sockets_of_all(const struct worker *worker)
{
	return sockets_of_one(worker) * worker->setup->config->workers;
}

bool
orphans_init(struct worker *worker)
{
	size_t count = sockets_of_one(worker);

	worker->orphans = calloc(sockets_of_all(worker), sizeof(*worker->orphans));
	worker->orphaned = calloc(worker->setup->config->workers, sizeof(*worker->orphaned));
	if (worker->orphans == NULL || worker->orphaned == NULL)
		return false;
	for (size_t i = 0; i < sockets_of_all(worker); i++) {
		struct listener *orphan = &worker->orphans[i];

		*orphan = (struct listener){.worker = worker,
		    .fd = worker->setup->all_listeners[i],
		    .options = worker->listeners[i % count].options};
		if (i / count == worker->setup->index || orphan->fd < 0)
			continue;
		orphan->event = event_new(loop_base(worker->loop), orphan->fd, EV_READ | EV_PERSIST,
		    worker_on_accept, orphan);
		if (orphan->event == NULL)
			return false;
	}
	return true;
}

bool
orphans_accept(struct worker *worker, bool on)
{
	bool all = true;

	for (size_t i = 0; i < sockets_of_all(worker); i++) {
		if (worker->orphans[i].event == NULL)
			continue;
		if (on && worker->orphaned[i / sockets_of_one(worker)])
			all = event_add(worker->orphans[i].event, NULL) == 0 && all;
		else
			event_del(worker->orphans[i].event);
	}
	return all;
}

bool
orphans_look(struct worker *worker)
{
	const struct shared_stats *shared = worker->setup->shared;
	uint64_t changes = atomic_load_explicit(&shared->orphan_changes, memory_order_acquire);

	if (changes == worker->orphan_changes)
		return false;
	worker->orphan_changes = changes;
	for (size_t i = 0; i < worker->setup->config->workers; i++)
		worker->orphaned[i] = false;
	for (size_t i = 0; i < shared->worker_count; i++) {
		const struct worker_stats *other = &shared->workers[i];
		uint64_t index = counter_get(&other->index);

		if (counter_get(&other->orphaned) != 0 && index < worker->setup->config->workers &&
		    counter_get(&other->sockets) == counter_get(&worker->setup->stats->sockets))
			worker->orphaned[index] = true;
	}
	return true;
}

void
orphans_close(struct worker *worker)
{
	for (size_t i = 0; i < sockets_of_all(worker); i++) {
		struct listener *orphan = &worker->orphans[i];

		if (orphan->event == NULL)
			continue;
		event_free(orphan->event);
		orphan->event = NULL;
		close(orphan->fd);
		worker->setup->all_listeners[i] = -1;
	}
}

void
orphans_free(struct worker *worker)
{
	for (size_t i = 0; worker->orphans != NULL && i < sockets_of_all(worker); i++)
		if (worker->orphans[i].event != NULL)
			event_free(worker->orphans[i].event);
	free(worker->orphans);
	free(worker->orphaned);
}
