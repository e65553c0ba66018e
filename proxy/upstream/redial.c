/*
 * redial.c - the wait for a backend that refuses connections, most often because its job restarts,
 * or for a descriptor.
 *
 * No dial has sent any of its request, so every dial may wait. One dial at a time tries to connect;
 * once it succeeds, all others follow. The limit on connections bounds them; they hold no
 * descriptor.
 */
#include "jobgate/container_of.h"
#include "upstream/pool_state.h"

/* The time of the next try. While the circuit is open, only dials for held requests try. */
static uint64_t
next_ms(const struct backend *backend, uint64_t now_ms)
{
	uint64_t at_ms = backend->circuit.redial_at_ms;

	if (backend->circuit.state == CIRCUIT_CLOSED && backend->nameless)
		return now_ms + backend->pool->options.tuning->redial_last_ms;
	if (backend->circuit.state == CIRCUIT_CLOSED)
		return at_ms > now_ms ? at_ms : now_ms + 1;
	/* Later dials must not delay it. */
	if (backend->redial.due_ms > now_ms)
		return backend->redial.due_ms;
	return now_ms + backend->pool->options.tuning->redial_last_ms;
}

static void
redial_schedule(struct backend *backend)
{
	struct loop *loop = backend->pool->options.loop;
	uint64_t now_ms = loop_now_ms(loop);

	if (backend->dialler == NULL && !TAILQ_EMPTY(&backend->queued))
		timer_start(loop, &backend->redial, next_ms(backend, now_ms) - now_ms);
}

bool
redial_holds(const struct dial *dial)
{
	return loop_now_ms(dial->pool->options.loop) < dial->upstream.user->hold_until_ms;
}

uint64_t
redial_leaves_ms(const struct dial *dial)
{
	uint64_t leave_ms = dial->upstream.user->leave_ms;

	return leave_ms != 0 && redial_holds(dial) ? leave_ms : UINT64_MAX;
}

void
redial_due(struct timer *timer)
{
	struct backend *backend = container_of(timer, struct backend, redial);
	struct dial *dial = TAILQ_FIRST(&backend->queued);

	if (dial == NULL || backend->dialler != NULL)
		return;
	backend->dialler = dial;
	dial_start(dial);
}

void
redial_wait(struct dial *dial)
{
	struct backend *backend = dial->backend;
	struct loop *loop = dial->pool->options.loop;
	uint64_t now_ms = loop_now_ms(loop), until_ms = dial->connect_by_ms;
	const struct upstream_user *user = dial->upstream.user;

	if (until_ms < user->hold_until_ms)
		until_ms = user->hold_until_ms;
	if (redial_leaves_ms(dial) < until_ms)
		until_ms = redial_leaves_ms(dial);
	backend->nameless = dial->failure == UPSTREAM_NO_ADDRESS;
	dial_set_state(dial, DIAL_QUEUED);
	timer_start(loop, &dial->timer, until_ms > now_ms ? until_ms - now_ms : 1);
	redial_schedule(backend);
}

void
pool_stop_holding(struct upstream *upstream)
{
	struct dial *dial = container_of(upstream, struct dial, upstream);
	struct loop *loop = dial->pool->options.loop;
	uint64_t now_ms = loop_now_ms(loop);

	if (dial->state != DIAL_QUEUED && dial->state != DIAL_WAITING)
		return;
	if (dial->state == DIAL_WAITING)
		dial->failure = UPSTREAM_REFUSED; /* that is what the other dial waits for */
	if (dial->backend->circuit.state != CIRCUIT_CLOSED || now_ms >= dial->connect_by_ms)
		dial_fail(dial);
	else
		timer_start(loop, &dial->timer, dial->connect_by_ms - now_ms);
}

bool
redial_may_pass(enum upstream_failure failure)
{
	switch (failure) {
	case UPSTREAM_REFUSED:
	case UPSTREAM_CIRCUIT_OPEN:
	case UPSTREAM_NO_ADDRESS: /* the name of a job may come with it */
	case UPSTREAM_CONNECT_FAILED:
	case UPSTREAM_CONNECT_TIMEOUT:
		return true;
	default:
		return false;
	}
}

bool
redial_may_wait(const struct dial *dial)
{
	if (redial_may_pass(dial->failure) &&
	    (dial->upstream.user->elsewhere ||
		redial_leaves_ms(dial) <= loop_now_ms(dial->pool->options.loop)))
		return false;
	if (dial->failure != UPSTREAM_REFUSED && dial->failure != UPSTREAM_NO_SOCKET)
		return redial_may_pass(dial->failure) && redial_holds(dial);
	return redial_holds(dial) ||
	       (dial->backend->circuit.state == CIRCUIT_CLOSED &&
		   loop_now_ms(dial->pool->options.loop) < dial->connect_by_ms);
}

void
redial_succeeded(struct backend *backend)
{
	struct dial *dial;
	size_t count = 0;

	TAILQ_FOREACH(dial, &backend->queued, link)
	count++;
	/* One that is refused again goes back to the end of the list. */
	while (count-- > 0 && (dial = TAILQ_FIRST(&backend->queued)) != NULL)
		dial_start(dial);
}

void
redial_failed(struct backend *backend)
{
	struct dial *dial, *next;

	for (dial = TAILQ_FIRST(&backend->queued); dial != NULL; dial = next) {
		next = TAILQ_NEXT(dial, link);
		if (!redial_holds(dial))
			dial_fail(dial);
	}
	redial_schedule(backend);
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
