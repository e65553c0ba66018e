/* supervision_generation.c - the workers of one configuration: they start, serve and go together.
 */
#include "server/supervision_state.h"

bool
generation_fits(const struct supervision *supervision)
{
	size_t unused = 0;

	for (size_t i = 0; i < supervision->options.worker_slots; i++)
		unused += supervision->children[SLOT_WORKERS + i].state == CHILD_UNUSED;
	/* Half of the slots are always enough for a configuration that a reload accepts. */
	return unused >= supervision->options.worker_slots / 2;
}

/* True when this worker runs, or waits to be started again. */
static bool
generation_has(const struct supervision *supervision, unsigned index)
{
	for (size_t i = 0; i < supervision->options.worker_slots; i++) {
		const struct child *child = &supervision->children[SLOT_WORKERS + i];

		if ((child->state == CHILD_RUNNING || child->state == CHILD_WAITING) &&
		    child->index == index)
			return true;
	}
	return false;
}

bool
generation_is_whole(const struct supervision *supervision)
{
	unsigned count = 0;

	for (size_t i = 0; i < supervision->options.worker_slots; i++) {
		enum child_state state = supervision->children[SLOT_WORKERS + i].state;

		count += state == CHILD_RUNNING || state == CHILD_WAITING;
	}
	return count == supervision->settings.workers;
}

void
generation_fill(struct supervision *supervision, bool lost, bool tell, uint64_t now_ms)
{
	for (unsigned i = 0; i < supervision->settings.workers; i++) {
		if (generation_has(supervision, i) ||
		    child_spawn_worker(supervision, i, lost, now_ms))
			continue;
		if (tell)
			supervision_act(supervision,
			    (struct supervision_action){.type = ACTION_NO_SLOT, .index = i});
		return;
	}
}

/*
 * True when a worker accepts: it can also accept from the sockets of those that have ended. A
 * generation may have such a worker before all of it has come up.
 */
static bool
some_accept(const struct supervision *supervision)
{
	for (size_t i = SLOT_WORKERS; i < supervision_slots(supervision); i++) {
		const struct child *child = &supervision->children[i];

		if (child->state == CHILD_RUNNING && child->report.accepting)
			return true;
	}
	return false;
}

void
generation_start(struct supervision *supervision, uint64_t now_ms)
{
	/* A slot is kept only for a worker whose clients another one can serve meanwhile. */
	bool keep = supervision->phase == PHASE_REPLACING || some_accept(supervision);
	enum child_state ended = keep ? CHILD_GONE : CHILD_UNUSED;

	for (size_t i = 0; i < supervision->options.worker_slots; i++) {
		struct child *child = &supervision->children[SLOT_WORKERS + i];

		if (child->state == CHILD_RUNNING)
			child_set_state(supervision, child, CHILD_OLD);
		else if (child->state == CHILD_WAITING)
			child_set_state(supervision, child, ended);
	}
	supervision->failure = FAILURE_NONE;
	supervision->without_store = !supervision->warm;
	supervision->proof_due_ms = now_ms + supervision->settings.proof_ms;
	generation_fill(supervision, false, true, now_ms);
}

void
generation_failed(struct supervision *supervision, enum supervision_failure failure)
{
	if (supervision->phase == PHASE_STARTING)
		supervision_set_phase(supervision, PHASE_FAILING);
	else if (supervision->phase == PHASE_REPLACING)
		supervision->failure = failure;
}

/* Whether the old generation reaches its store. */
enum store_hold {
	STORE_LOST,
	STORE_LEFT,  /* its last worker reached it until it ended */
	STORE_FRESH, /* out of reach, but its records are still fresh */
	STORE_REACHED,
};

static enum store_hold
old_store(const struct supervision *supervision)
{
	enum store_hold hold = STORE_LOST;

	for (size_t i = 0; i < supervision->options.worker_slots; i++) {
		const struct child *child = &supervision->children[SLOT_WORKERS + i];

		if (child->state == CHILD_GONE && child->had_store && hold == STORE_LOST)
			hold = STORE_LEFT;
		if (child->state != CHILD_OLD || !child->report.ready)
			continue;
		if (child->report.store_up)
			return STORE_REACHED;
		hold = STORE_FRESH;
	}
	return hold;
}

static void
go_without_store(struct supervision *supervision)
{
	supervision_act(supervision, (struct supervision_action){.type = ACTION_STORE_LOST});
	supervision->without_store = true;
	for (size_t i = 0; i < supervision->options.worker_slots; i++) {
		const struct child *child = &supervision->children[SLOT_WORKERS + i];

		if (child->state == CHILD_RUNNING)
			supervision_act(
			    supervision, (struct supervision_action){
					     .type = ACTION_WITHOUT_STORE, .slot = child->slot});
	}
}

static void
store_is_late(struct supervision *supervision)
{
	if (supervision->phase == PHASE_FAILING || supervision->failure != FAILURE_NONE)
		return; /* it has been told */
	generation_failed(supervision, FAILURE_STORE_LATE);
	supervision_act(supervision, (struct supervision_action){.type = ACTION_STORE_LATE,
					 .ms = supervision->settings.proof_ms});
}

/*
 * A new generation that is late to reach its store fails if the old one still reaches its own; it
 * starts without the store if the old one has lost its own, or is gone.
 */
static void
check_store(struct supervision *supervision, uint64_t now_ms)
{
	if (supervision->without_store || now_ms < supervision->proof_due_ms)
		return;
	switch (old_store(supervision)) {
	case STORE_REACHED:
		store_is_late(supervision);
		return;
	case STORE_LEFT:
		if (supervision->phase == PHASE_REPLACING)
			generation_failed(supervision, FAILURE_OLD_ENDED);
		else
			go_without_store(supervision);
		return;
	case STORE_FRESH:
		return; /* either store may come back before these are stale */
	case STORE_LOST:
		go_without_store(supervision);
		return;
	}
}

/* All of the new generation accept: the old one may go. */
static bool
generation_accepts(const struct supervision *supervision)
{
	unsigned accepting = 0;

	for (size_t i = 0; i < supervision->options.worker_slots; i++) {
		const struct child *child = &supervision->children[SLOT_WORKERS + i];

		accepting += child->state == CHILD_RUNNING && child->report.accepting;
	}
	return accepting == supervision->settings.workers;
}

void
generation_serves(struct supervision *supervision)
{
	for (size_t i = 0; i < supervision->options.worker_slots; i++) {
		struct child *child = &supervision->children[SLOT_WORKERS + i];

		child_set_serving(supervision, child, child->state == CHILD_RUNNING);
	}
}

static void
generation_settled(struct supervision *supervision)
{
	generation_serves(supervision);
	supervision->failure = FAILURE_NONE;
	supervision->without_store = true; /* for those that are to be started again */
	supervision->warm = true;
	supervision_set_phase(supervision, PHASE_SERVING);
	supervision_act(supervision, (struct supervision_action){.type = ACTION_READY});
}

static void
generation_take_over(struct supervision *supervision, uint64_t now_ms)
{
	for (size_t i = 0; i < supervision->options.worker_slots; i++) {
		struct child *child = &supervision->children[SLOT_WORKERS + i];

		if (child->state == CHILD_OLD)
			child_retire(supervision, child, RETIRE_GENTLY,
			    child_kill_after_ms(supervision), now_ms);
		else if (child->state == CHILD_GONE)
			child_set_state(supervision, child, CHILD_UNUSED);
	}
	if (supervision->phase == PHASE_REPLACING)
		supervision_act(supervision, (struct supervision_action){.type = ACTION_SETTLE});
	generation_settled(supervision);
}

/* The old generation keeps running, with the configuration that it had. */
static void
generation_take_back(struct supervision *supervision, uint64_t now_ms)
{
	supervision->settings = supervision->previous;
	supervision_act(supervision,
	    (struct supervision_action){.type = ACTION_TAKE_BACK, .failure = supervision->failure});
	for (size_t i = 0; i < supervision->options.worker_slots; i++) {
		struct child *child = &supervision->children[SLOT_WORKERS + i];

		/* Not gently: a worker that has only just been forked would miss that order. */
		if (child->state == CHILD_RUNNING)
			child_retire(supervision, child, RETIRE_DRAIN,
			    child_kill_after_ms(supervision), now_ms);
		else if (child->state == CHILD_WAITING || child->state == CHILD_GONE)
			child_set_state(supervision, child, CHILD_UNUSED);
		else if (child->state == CHILD_OLD)
			child_set_state(supervision, child, CHILD_RUNNING);
	}
	supervision->without_store = true; /* the previous generation has served already */
	generation_fill(supervision, true, true, now_ms);
	generation_settled(supervision);
}

void
generation_watch(struct supervision *supervision, uint64_t now_ms)
{
	if (supervision->phase == PHASE_SERVING)
		return;
	if (generation_accepts(supervision)) {
		generation_take_over(supervision, now_ms);
		return;
	}
	check_store(supervision, now_ms);
	if (supervision->phase == PHASE_REPLACING && supervision->failure != FAILURE_NONE)
		generation_take_back(supervision, now_ms);
}
