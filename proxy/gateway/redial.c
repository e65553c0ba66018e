/*
 * redial.c - the wait for a backend that refuses connections, most often because its job restarts,
 * or for a descriptor.
 *
 * Nothing of a request has been written, so any may wait. One connection at a time tries; once it
 * succeeds all others follow. They are bounded as connections are, and hold no descriptor.
 */
#include "gateway/backend.h"

static void
redial_schedule(struct backend *backend)
{
	struct loop *loop = backend->pool->gateway->loop;
	uint64_t now_ms = loop_now_ms(loop), at_ms = backend->circuit.redial_at_ms;

	if (backend->dialler == NULL && !TAILQ_EMPTY(&backend->queued))
		timer_start(loop, &backend->redial, at_ms > now_ms ? at_ms - now_ms : 1);
}

void
redial_due(struct timer *timer)
{
	struct backend *backend =
	    (struct backend *)((char *)timer - offsetof(struct backend, redial));
	struct upstream *upstream = TAILQ_FIRST(&backend->queued);

	if (upstream == NULL || backend->dialler != NULL)
		return;
	TAILQ_REMOVE(&backend->queued, upstream, link);
	backend->dialler = upstream;
	connect_dial(upstream);
}

void
redial_wait(struct upstream *upstream)
{
	struct backend *backend = upstream->backend;
	struct loop *loop = upstream->gateway->loop;
	uint64_t now_ms = loop_now_ms(loop);

	upstream->state = UPSTREAM_QUEUED;
	/* In the order in which they came: the one that dialled for all is the oldest. */
	if (backend->dialler == upstream)
		TAILQ_INSERT_HEAD(&backend->queued, upstream, link);
	else
		TAILQ_INSERT_TAIL(&backend->queued, upstream, link);
	timer_start(loop, &upstream->timer,
	    upstream->connect_by_ms > now_ms ? upstream->connect_by_ms - now_ms : 1);
	redial_schedule(backend);
}

bool
redial_may_wait(const struct upstream *upstream)
{
	return (upstream->failure == UPSTREAM_REFUSED || upstream->failure == UPSTREAM_NO_SOCKET) &&
	       !upstream->backend->circuit.open &&
	       loop_now_ms(upstream->gateway->loop) < upstream->connect_by_ms;
}

void
redial_succeeded(struct backend *backend)
{
	struct upstream_list queued = TAILQ_HEAD_INITIALIZER(queued);
	struct upstream *upstream;

	/* One that is refused again goes back to the other list. */
	TAILQ_CONCAT(&queued, &backend->queued, link);
	while ((upstream = TAILQ_FIRST(&queued)) != NULL) {
		TAILQ_REMOVE(&queued, upstream, link);
		connect_dial(upstream);
	}
}

void
redial_failed(struct backend *backend)
{
	struct upstream *upstream;

	while ((upstream = TAILQ_FIRST(&backend->queued)) != NULL) {
		TAILQ_REMOVE(&backend->queued, upstream, link);
		connect_give_up(upstream);
	}
}

void
redial_left(struct upstream *upstream)
{
	struct backend *backend = upstream->backend;

	if (backend->dialler != upstream)
		return;
	backend->dialler = NULL;
	redial_schedule(backend);
}
