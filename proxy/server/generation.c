/* generation.c - the workers of one configuration: they start, serve and go together. */
#include "server/supervisor.h"

bool
generation_fits(const struct supervisor *supervisor, unsigned workers)
{
	size_t free_slots = 0;

	for (size_t i = 0; i < supervisor->worker_slots; i++)
		free_slots += supervisor->children[SLOT_WORKERS + i].state == CHILD_UNUSED;
	return workers <= free_slots;
}

/* Does this worker run, or wait to be started again? */
static bool
generation_has(const struct supervisor *supervisor, unsigned index)
{
	for (size_t i = 0; i < supervisor->worker_slots; i++) {
		const struct child *child = &supervisor->children[SLOT_WORKERS + i];

		if ((child->state == CHILD_RUNNING || child->state == CHILD_WAITING) &&
		    child->index == index)
			return true;
	}
	return false;
}

/* Start those of its workers that are not there. lost: they ended by themselves. */
static void
generation_fill(struct supervisor *supervisor, bool lost)
{
	for (unsigned i = 0; i < supervisor->config->workers; i++) {
		struct child *child;

		if (generation_has(supervisor, i))
			continue;
		child = children_free_slot(supervisor);
		if (child == NULL) {
			log_error(&supervisor->log, "there is no place for worker %u", i);
			return;
		}
		*child = (struct child){.role = CHILD_WORKER, .index = i, .lost = lost};
		child_start(supervisor, child);
	}
}

/* How long the workers may take to prove their store: to connect, and to get the first answers. */
static uint64_t
proof_ms(const struct supervisor *supervisor)
{
	return supervisor->config->store.timeouts.connect +
	       supervisor->config->store.timeouts.ping_deadline;
}

void
generation_start(struct supervisor *supervisor)
{
	/* The sockets of one that never came up have no clients to be served. */
	enum child_state ended = supervisor->replacing ? CHILD_UNUSED : CHILD_GONE;

	for (size_t i = 0; i < supervisor->worker_slots; i++) {
		struct child *child = &supervisor->children[SLOT_WORKERS + i];

		if (child->state == CHILD_RUNNING || child->state == CHILD_WAITING)
			child->state = child->pid > 0 ? CHILD_OLD : ended;
	}
	supervisor->replacing = true;
	supervisor->failing = NULL;
	supervisor->without_store = !supervisor->warm;
	supervisor->proof_due_ms = supervisor_clock_ms() + proof_ms(supervisor);
	generation_fill(supervisor, false);
}

/* Whether the old generation reaches its store. */
enum store_hold {
	STORE_LOST,
	STORE_LEFT,  /* its last worker reached it until it ended */
	STORE_FRESH, /* out of reach, but its records are still fresh */
	STORE_REACHED,
};

static enum store_hold
old_store(const struct supervisor *supervisor)
{
	enum store_hold hold = STORE_LOST;

	for (size_t i = 0; i < supervisor->worker_slots; i++) {
		const struct worker_stats *stats = &supervisor->stats->workers[i];
		const struct child *child = &supervisor->children[SLOT_WORKERS + i];

		if (child->state == CHILD_GONE && child->had_store && hold == STORE_LOST)
			hold = STORE_LEFT;
		if (child->state != CHILD_OLD || counter_get(&stats->ready) == 0)
			continue;
		if (counter_get(&stats->store_up) != 0)
			return STORE_REACHED;
		hold = STORE_FRESH;
	}
	return hold;
}

static void
go_without_store(struct supervisor *supervisor)
{
	log_warning(&supervisor->log,
	    "the new workers cannot reach their store (store.url), and the old ones have lost "
	    "theirs: the new ones take over, and answer 503 until they reach it");
	supervisor->without_store = true;
	for (size_t i = 0; i < supervisor->worker_slots; i++)
		if (supervisor->children[SLOT_WORKERS + i].state == CHILD_RUNNING)
			counter_set(&supervisor->stats->workers[i].without_store, 1);
}

void
generation_check_store(struct supervisor *supervisor)
{
	if (supervisor->without_store || supervisor_clock_ms() < supervisor->proof_due_ms)
		return;
	switch (old_store(supervisor)) {
	case STORE_REACHED:
		if (supervisor->failing != NULL)
			return; /* it has been told */
		supervisor->failing = "a worker did not reach its store in time";
		log_error(&supervisor->log,
		    "the new workers did not reach their store within %llu ms; the old ones reach "
		    "theirs and keep serving: correct store.url, or start that store, then send "
		    "SIGHUP again",
		    (unsigned long long)proof_ms(supervisor));
		return;
	case STORE_LEFT:
		if (supervisor->previous == NULL)
			go_without_store(supervisor);
		else
			supervisor->failing = "the old workers ended, and the new ones did not "
					      "reach their store in time";
		return;
	case STORE_FRESH:
		return; /* either store may come back before that */
	case STORE_LOST:
		go_without_store(supervisor);
		return;
	}
}

bool
generation_accepts(const struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->worker_slots; i++) {
		enum child_state state = supervisor->children[SLOT_WORKERS + i].state;

		if (state == CHILD_WAITING ||
		    (state == CHILD_RUNNING &&
			counter_get(&supervisor->stats->workers[i].accepting) == 0))
			return false;
	}
	return true;
}

void
generation_serves(struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->worker_slots; i++)
		counter_set(&supervisor->stats->workers[i].serving,
		    supervisor->children[SLOT_WORKERS + i].state == CHILD_RUNNING);
}

static void
generation_settled(struct supervisor *supervisor)
{
	generation_serves(supervisor);
	supervisor->replacing = false;
	supervisor->without_store = true; /* for those that are to be started again */
	supervisor->warm = true;
}

void
generation_retire_old(struct supervisor *supervisor)
{
	uint64_t patience_ms = supervisor->config->timeouts.drain + GRACE_MS;

	for (size_t i = 0; i < supervisor->worker_slots; i++) {
		struct child *child = &supervisor->children[SLOT_WORKERS + i];

		if (child->state == CHILD_OLD)
			child_retire(child, SIGUSR2, patience_ms);
		else if (child->state == CHILD_GONE)
			child->state = CHILD_UNUSED;
	}
	generation_settled(supervisor);
}

void
generation_return(struct supervisor *supervisor)
{
	uint64_t patience_ms = supervisor->config->timeouts.drain + GRACE_MS;

	for (size_t i = 0; i < supervisor->worker_slots; i++) {
		struct child *child = &supervisor->children[SLOT_WORKERS + i];

		/* By SIGTERM: one that has only been forked would not hear a SIGUSR2. */
		if (child->state == CHILD_RUNNING)
			child_retire(child, SIGTERM, patience_ms);
		else if (child->state == CHILD_WAITING || child->state == CHILD_GONE)
			child->state = CHILD_UNUSED;
		else if (child->state == CHILD_OLD)
			child->state = CHILD_RUNNING;
	}
	supervisor->without_store = true; /* the previous generation has served already */
	generation_fill(supervisor, true);
	generation_settled(supervisor);
}
