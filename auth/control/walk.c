/* walk.c - decides which walks get a place, wait, or give way. */
#include "auth/control/walk.h"

#include "auth/control/call.h"
#include "jobgate/clock.h"
#include "jobgate/state.h"

static const struct state_row walk_states[] = {
    [WALK_NONE] = {"none", STATE(WALK_WAITING) | STATE(WALK_GOING)},
    [WALK_WAITING] = {"waiting", STATE(WALK_GOING) | STATE(WALK_NONE)},
    [WALK_GOING] = {"going", STATE(WALK_GIVING_WAY) | STATE(WALK_NONE)},
    [WALK_GIVING_WAY] = {"giving_way", STATE(WALK_NONE)},
};

/* Add to the waiting walks; those of local callers are before all others. */
static void
join_waiting(struct walk *walk)
{
	struct walks *walks = walk->walks;
	struct walk *one = TAILQ_FIRST(&walks->waiting);

	while (walk->call->local && one != NULL && one->call->local)
		one = TAILQ_NEXT(one, link);
	if (walk->call->local && one != NULL)
		TAILQ_INSERT_BEFORE(one, walk, link);
	else
		TAILQ_INSERT_TAIL(&walks->waiting, walk, link);
	if (!walk->call->local)
		walks->remote_waiting++;
}

static void
leave_waiting(struct walk *walk)
{
	TAILQ_REMOVE(&walk->walks->waiting, walk, link);
	if (!walk->call->local)
		walk->walks->remote_waiting--;
}

void
walk_set_state(struct walk *walk, enum walk_state to)
{
	CHECK(state_allows(walk_states, walk->state, to), walk_dump, walk);
	PROBE_STATE(walk, walk, walk->state, to);
	if (walk->state == WALK_WAITING)
		leave_waiting(walk);
	walk->state = to;
	if (to == WALK_WAITING)
		join_waiting(walk);
}

void
walk_dump(const struct walk *walk, struct dump *dump)
{
	jg_dump_begin(dump, "walk");
	jg_dump_word(dump, "state", walk_states[walk->state].name);
	jg_dump_flag(dump, "has_store", walk->store != NULL);
	if (walk->call != NULL)
		call_dump(walk->call, dump);
	jg_dump_end(dump);
}

static void
refuse(struct call *call)
{
	call_refuse(call, 429, NULL,
	    "too many lists are being made (one at a time for each token): try again in a "
	    "second");
}

static bool
same_token(const struct call *a, const struct call *b)
{
	return a->caller == CALLER_TOKEN && b->caller == CALLER_TOKEN &&
	       slice_equal(a->token->token.id, b->token->token.id);
}

/* True when a walk with the same token is under way or waiting. */
static bool
walks_already(const struct walks *walks, const struct call *call)
{
	const struct walk *one;

	for (size_t i = 0; i < WALKS_MAX; i++)
		if (walks->places[i].walk != NULL && same_token(walks->places[i].walk->call, call))
			return true;
	for (one = TAILQ_FIRST(&walks->waiting); one != NULL; one = TAILQ_NEXT(one, link))
		if (same_token(one->call, call))
			return true;
	return false;
}

static bool
take_place(struct walks *walks, struct walk *walk)
{
	for (size_t i = 0; i < WALKS_MAX; i++)
		if (walks->places[i].walk == NULL) {
			walk_set_state(walk, WALK_GOING);
			walks->places[i].walk = walk;
			walk->store = walks->places[i].store;
			return true;
		}
	return false;
}

/* Make one remote walk end at its next step, unless one will already, or a place is free. */
static void
ask_to_give_way(struct walks *walks)
{
	struct walk *found = NULL;

	for (size_t i = 0; i < WALKS_MAX; i++) {
		struct walk *walk = walks->places[i].walk;

		if (walk == NULL || walk->state == WALK_GIVING_WAY)
			return;
		if (!walk->call->local)
			found = walk;
	}
	if (found != NULL)
		walk_set_state(found, WALK_GIVING_WAY);
}

void
walk_begin(
    struct walks *walks, struct walk *walk, struct call *call, void (*next)(struct call *call))
{
	CHECK(walk->state == WALK_NONE && walk->store == NULL, walk_dump, walk);
	if (walks_already(walks, call)) {
		refuse(call);
		return;
	}
	walk->walks = walks;
	walk->call = call;
	walk->next = next;
	if (take_place(walks, walk)) {
		next(call);
	} else if (call->local || walks->remote_waiting < walks->tuning->walks_waiting_max) {
		walk_set_state(walk, WALK_WAITING);
		if (call->local)
			ask_to_give_way(walks);
	} else {
		refuse(call);
	}
}

bool
walk_goes_on(struct walk *walk)
{
	uint64_t now = clock_ms(CLOCK_MONOTONIC);

	CHECK(walk->state == WALK_GOING || walk->state == WALK_GIVING_WAY, walk_dump, walk);
	if (walk->until_ms == 0) {
		walk->until_ms = now + walk->walks->tuning->walk_ms;
		return true;
	}
	return walk->state == WALK_GOING && now < walk->until_ms;
}

void
walk_end(struct walk *walk)
{
	struct walks *walks = walk->walks;
	struct walk *waiting;

	if (walk->state == WALK_NONE)
		return;
	walk_set_state(walk, WALK_NONE);
	walk->store = NULL;
	for (size_t i = 0; i < WALKS_MAX; i++)
		if (walks->places[i].walk == walk)
			walks->places[i].walk = NULL;
	waiting = TAILQ_FIRST(&walks->waiting);
	if (waiting == NULL || !take_place(walks, waiting))
		return;
	if (!TAILQ_EMPTY(&walks->waiting) && TAILQ_FIRST(&walks->waiting)->call->local)
		ask_to_give_way(walks);
	waiting->next(waiting->call);
}

bool
walks_open(
    struct walks *walks, const struct store_options *options, const struct control_tuning *tuning)
{
	struct store_options own = *options;

	own.for_lists = true;
	walks->tuning = tuning;
	TAILQ_INIT(&walks->waiting);
	for (size_t i = 0; i < WALKS_MAX; i++) {
		walks->places[i].store = store_new(&own);
		if (walks->places[i].store == NULL)
			return false;
	}
	return true;
}

void
walks_close(struct walks *walks)
{
	struct walk *waiting;

	while ((waiting = TAILQ_FIRST(&walks->waiting)) != NULL) {
		walk_set_state(waiting, WALK_NONE);
		call_refuse(waiting->call, 503, NULL, SHUTTING_DOWN "try again");
	}
	for (size_t i = 0; i < WALKS_MAX; i++)
		store_free(walks->places[i].store);
}
