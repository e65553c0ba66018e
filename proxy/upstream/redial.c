/*
 * redial.c - the wait for a backend that refuses connections, most often because its job restarts,
 * or for a descriptor.
 *
 * Nothing of a request has been written, so any may wait. One connection at a time tries; once it
 * succeeds all others follow. They are bounded as connections are, and hold no descriptor.
 */
#include "upstream/backend.h"

static void
redial_schedule(struct backend *backend)
{
	struct loop *loop = backend->pool->options.loop;
	uint64_t now_ms = loop_now_ms(loop), at_ms = backend->circuit.redial_at_ms;

	if (backend->dialler == NULL && !TAILQ_EMPTY(&backend->queued))
		timer_start(loop, &backend->redial, at_ms > now_ms ? at_ms - now_ms : 1);
}

void
redial_due(struct timer *timer)
{
	struct backend *backend =
	    (struct backend *)((char *)timer - offsetof(struct backend, redial));
	struct dial *dial = TAILQ_FIRST(&backend->queued);

	if (dial == NULL || backend->dialler != NULL)
		return;
	TAILQ_REMOVE(&backend->queued, dial, link);
	backend->dialler = dial;
	dial_start(dial);
}

void
redial_wait(struct dial *dial)
{
	struct backend *backend = dial->backend;
	struct loop *loop = dial->pool->options.loop;
	uint64_t now_ms = loop_now_ms(loop);

	dial->state = DIAL_QUEUED;
	/* In the order in which they came: the one that dialled for all is the oldest. */
	if (backend->dialler == dial)
		TAILQ_INSERT_HEAD(&backend->queued, dial, link);
	else
		TAILQ_INSERT_TAIL(&backend->queued, dial, link);
	timer_start(
	    loop, &dial->timer, dial->connect_by_ms > now_ms ? dial->connect_by_ms - now_ms : 1);
	redial_schedule(backend);
}

bool
redial_may_wait(const struct dial *dial)
{
	return (dial->failure == UPSTREAM_REFUSED || dial->failure == UPSTREAM_NO_SOCKET) &&
	       !dial->backend->circuit.open &&
	       loop_now_ms(dial->pool->options.loop) < dial->connect_by_ms;
}

void
redial_succeeded(struct backend *backend)
{
	struct dial_list queued = TAILQ_HEAD_INITIALIZER(queued);
	struct dial *dial;

	/* One that is refused again goes back to the other list. */
	TAILQ_CONCAT(&queued, &backend->queued, link);
	while ((dial = TAILQ_FIRST(&queued)) != NULL) {
		TAILQ_REMOVE(&queued, dial, link);
		dial_start(dial);
	}
}

void
redial_failed(struct backend *backend)
{
	struct dial *dial;

	while ((dial = TAILQ_FIRST(&backend->queued)) != NULL) {
		TAILQ_REMOVE(&backend->queued, dial, link);
		dial_fail(dial);
	}
}

void
redial_left(struct dial *dial)
{
	struct backend *backend = dial->backend;

	if (backend->dialler != dial)
		return;
	backend->dialler = NULL;
	redial_schedule(backend);
}
