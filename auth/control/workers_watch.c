/* workers_watch.c - has workers tell of sessions that begin and end. */
#include <stdlib.h>
#include <sys/socket.h>

#include "auth/control/session_query.h"
#include "auth/control/workers_state.h"

static void
give_all(struct workers *workers, const struct session_order *order)
{
	struct worker_connection *worker;

	TAILQ_FOREACH(worker, &workers->all, link)
	if (worker->known)
		worker_connection_give(worker, order);
}

void
workers_set_watcher(struct workers *workers, const struct workers_watcher *watcher)
{
	workers->watcher = *watcher;
}

bool
workers_watch(struct workers *workers, unsigned slot, const struct label_set *scope)
{
	struct watch_slot *place = &workers->slots[slot];
	struct session_question question = {0};

	if (scope != NULL && !session_query_scope(scope, &question))
		return false;
	place->used = true;
	place->number = ++workers->watches;
	place->order = question.order;
	place->order.number = place->number;
	place->order.watch = SESSION_WATCH_BEGIN;
	place->order.slot = (uint8_t)slot;
	give_all(workers, &place->order);
	return true;
}

void
workers_unwatch(struct workers *workers, unsigned slot)
{
	struct watch_slot *place = &workers->slots[slot];

	place->used = false;
	place->order.number = ++workers->watches;
	place->order.watch = SESSION_WATCH_END;
	give_all(workers, &place->order);
}

/* True when what the worker tells this slot now is for the one who has it now. */
static bool
is_current(const struct worker_connection *worker, unsigned slot)
{
	const struct watch_slot *place = &worker->workers->slots[slot];

	return place->used && worker->watched[slot] == place->number;
}

bool
workers_are_watched(const struct workers *workers, unsigned slot)
{
	const struct worker_connection *worker;

	if (workers_known_count(workers) < workers_running_count(workers))
		return false;
	TAILQ_FOREACH(worker, &workers->all, link)
	if (worker->known && !is_current(worker, slot))
		return false;
	return true;
}

void
workers_each(
    const struct workers *workers, void (*told)(void *ctx, uint32_t id, unsigned index), void *ctx)
{
	const struct worker_connection *worker;

	TAILQ_FOREACH(worker, &workers->all, link)
	if (worker->known)
		told(ctx, worker->id, worker->index);
}

/* ---- what workers say ---- */

void
watch_worker_came(struct worker_connection *worker)
{
	const struct workers *workers = worker->workers;

	for (unsigned slot = 0; slot < SESSION_SLOTS; slot++)
		if (workers->slots[slot].used)
			worker_connection_give(worker, &workers->slots[slot].order);
	if (workers->watcher.worker != NULL)
		workers->watcher.worker(workers->watcher.ctx, worker->id, worker->index, true);
}

void
watch_worker_left(const struct worker_connection *worker)
{
	const struct workers_watcher *watcher = &worker->workers->watcher;

	if (worker->known && watcher->worker != NULL)
		watcher->worker(watcher->ctx, worker->id, worker->index, false);
}

void
watch_confirmed(struct worker_connection *worker, uint32_t number)
{
	const struct workers_watcher *watcher = &worker->workers->watcher;

	for (unsigned slot = 0; slot < SESSION_SLOTS; slot++)
		if (worker->workers->slots[slot].used &&
		    worker->workers->slots[slot].number == number)
			worker->watched[slot] = number;
	if (watcher->confirmed != NULL)
		watcher->confirmed(watcher->ctx);
}

void
watch_told(const struct worker_connection *worker, struct session_event *event)
{
	const struct workers_watcher *watcher = &worker->workers->watcher;
	const struct session_id id = {worker->id, event->session.serial};
	uint32_t slots = 0;

	for (unsigned slot = 0; slot < SESSION_SLOTS; slot++)
		if ((event->sees >> slot & 1) != 0 && is_current(worker, slot))
			slots |= 1u << slot;
	if (slots == 0 || watcher->event == NULL)
		return;
	event->outcome[SESSION_OUTCOME_MAX - 1] = '\0';
	question_make_safe(&event->session);
	if (event->change == SESSION_BEGUN || event->change == SESSION_ENDED)
		watcher->event(watcher->ctx, slots, &id, worker->index, event);
	else
		watcher->lost(watcher->ctx, slots);
}
