/* supervision_walk_test.c - the supervisor's state machine in a random walk with a fixed seed: what
 * must hold after each event, whatever came before. */
#include <stdio.h>

#include "supervision_world.h"

#define WALKS 200
#define EVENTS 600 /* of a walk, before the stop */

#define STATES (CHILD_RETIRING + 1)
#define PHASES (PHASE_STOPPED + 1)

/* A copy of the tables: each way is to be taken. (Another one is an ACTION_BAD_TRANSITION.) */
static const bool child_ways[STATES][STATES] = {
    [CHILD_UNUSED] = {[CHILD_RUNNING] = true, [CHILD_OLD] = true, [CHILD_RETIRING] = true},
    [CHILD_RUNNING] = {[CHILD_WAITING] = true,
	[CHILD_OLD] = true,
	[CHILD_RETIRING] = true,
	[CHILD_UNUSED] = true},
    [CHILD_WAITING] = {[CHILD_RUNNING] = true, [CHILD_GONE] = true, [CHILD_UNUSED] = true},
    [CHILD_OLD] = {[CHILD_RUNNING] = true, [CHILD_GONE] = true, [CHILD_RETIRING] = true},
    [CHILD_GONE] = {[CHILD_UNUSED] = true},
    [CHILD_RETIRING] = {[CHILD_WAITING] = true, [CHILD_UNUSED] = true},
};
static const bool phase_ways[PHASES][PHASES] = {
    [PHASE_STARTING] =
	{[PHASE_FAILING] = true, [PHASE_SERVING] = true, [PHASE_STOPPING_WORKERS] = true},
    [PHASE_FAILING] =
	{[PHASE_STARTING] = true, [PHASE_SERVING] = true, [PHASE_STOPPING_WORKERS] = true},
    [PHASE_SERVING] = {[PHASE_REPLACING] = true, [PHASE_STOPPING_WORKERS] = true},
    [PHASE_REPLACING] = {[PHASE_SERVING] = true, [PHASE_STOPPING_WORKERS] = true},
    [PHASE_STOPPING_WORKERS] = {[PHASE_STOPPING_CONTROL] = true},
    [PHASE_STOPPING_CONTROL] = {[PHASE_STOPPING_REDIS] = true},
    [PHASE_STOPPING_REDIS] = {[PHASE_STOPPED] = true},
};

struct seen {
	size_t child[STATES][STATES], phase[PHASES][PHASES], actions[ACTIONS];
};

/* What the world was before an event. */
struct before {
	enum child_state states[SLOTS];
	enum supervision_phase phase;
	unsigned serving, old_serving;
	size_t taken_back;
};

struct walk {
	struct world *world;
	uint64_t random;
	struct before before;
	size_t upgrades_answered;
	bool calm; /* no faults are added: what was begun can end well */
};

/* xorshift64* */
static unsigned
draw(struct walk *walk, unsigned below)
{
	walk->random ^= walk->random >> 12;
	walk->random ^= walk->random << 25;
	walk->random ^= walk->random >> 27;
	return (unsigned)(walk->random * 0x2545F4914F6CDD1DULL >> 33) % below;
}

/* A worker whose clients are served: nothing told it to go, and it does not hang. */
static bool
serves(const struct world *world, unsigned slot)
{
	const struct fake_process *process = &world->processes[slot];

	return slot >= SLOT_WORKERS && process->alive && process->report.accepting &&
	       !process->report.draining && !process->told && !process->hangs;
}

/* except: a process that is about to end by itself. */
static void
remember(struct walk *walk, unsigned except)
{
	const struct world *world = walk->world;
	struct before *before = &walk->before;

	*before = (struct before){.phase = supervision_phase(world->machine),
	    .taken_back = world->count[ACTION_TAKE_BACK]};
	for (unsigned i = 0; i < SLOTS; i++) {
		before->states[i] = child_of(world, i)->state;
		if (i == except || !serves(world, i))
			continue;
		before->serving++;
		before->old_serving += before->states[i] == CHILD_OLD;
	}
}

static void
note_ways(const struct walk *walk, struct seen *seen)
{
	enum supervision_phase phase = supervision_phase(walk->world->machine);

	for (unsigned i = 0; i < SLOTS; i++)
		if (child_of(walk->world, i)->state != walk->before.states[i])
			seen->child[walk->before.states[i]][child_of(walk->world, i)->state]++;
	if (phase != walk->before.phase)
		seen->phase[walk->before.phase][phase]++;
}

/*
 * No decision leaves clients without a worker that serves them. With one exception: a reload that
 * is taken back although the old workers are gone; they are started again.
 */
static void
check_served(const struct walk *walk)
{
	const struct world *world = walk->world;
	bool taken_back = world->count[ACTION_TAKE_BACK] > walk->before.taken_back;
	unsigned serving = 0;

	for (unsigned i = 0; i < SLOTS; i++)
		serving += serves(world, i);
	if (walk->before.serving > 0 && !(taken_back && walk->before.old_serving == 0))
		assert_true(serving > 0);
	if (taken_back && walk->before.old_serving > 0)
		assert_int_equal(serving, walk->before.old_serving);
}

/* At most one generation is on its way, and what is in force has all its workers. */
static void
check_generations(const struct world *world)
{
	enum supervision_phase phase = supervision_phase(world->machine);
	bool indexes[WORKER_SLOTS] = {false};
	unsigned whole = 0, unused = 0;

	for (unsigned i = SLOT_WORKERS; i < SLOTS; i++) {
		const struct child *child = child_of(world, i);

		unused += child->state == CHILD_UNUSED;
		assert_int_equal(world->processes[i].alive, child_exists(child));
		if (child->state == CHILD_RUNNING || child->state == CHILD_WAITING) {
			assert_false(indexes[child->index]);
			indexes[child->index] = true;
			whole++;
		}
		if (child->state == CHILD_RUNNING)
			assert_int_equal(world->processes[i].configuration, world->configuration);
		if (child->state == CHILD_OLD || child->state == CHILD_GONE)
			assert_true(phase == PHASE_STARTING || phase == PHASE_FAILING ||
				    phase == PHASE_REPLACING);
		if (child->state == CHILD_OLD && phase == PHASE_REPLACING)
			assert_int_equal(world->processes[i].configuration, world->previous);
	}
	assert_int_equal(world->previous != 0, phase == PHASE_REPLACING);
	if (unused > 0)
		assert_int_equal(whole, world->workers);
}

/* ---- events ---- */

static unsigned
any_process(struct walk *walk)
{
	return draw(walk, SLOTS);
}

static unsigned
any_worker(struct walk *walk)
{
	return SLOT_WORKERS + draw(walk, WORKER_SLOTS);
}

static void
end_one(struct walk *walk, unsigned slot)
{
	if (!walk->world->processes[slot].alive)
		return;
	remember(walk, slot);
	end_process(walk->world, slot);
}

/* A process that was told to go has ended. */
static void
end_told(struct walk *walk)
{
	unsigned slot = any_process(walk);

	for (unsigned i = 0; i < SLOTS; i++)
		if (walk->world->processes[(slot + i) % SLOTS].told) {
			end_one(walk, (slot + i) % SLOTS);
			return;
		}
}

static void
prove_all(struct walk *walk)
{
	for (unsigned i = SLOT_WORKERS; i < SLOTS; i++)
		if (walk->world->processes[i].alive && child_of(walk->world, i)->state != CHILD_OLD)
			prove(walk->world, i);
	remember(walk, SLOTS);
}

static void
lose_store(struct walk *walk)
{
	bool ready = draw(walk, 2) == 0;

	for (unsigned i = SLOT_WORKERS; i < SLOTS; i++) {
		walk->world->processes[i].report.store_up = false;
		walk->world->processes[i].report.ready &= ready;
	}
}

static void
misbehave(struct walk *walk)
{
	struct world *world = walk->world;
	struct fake_process *process = &world->processes[any_process(walk)];

	switch (draw(walk, 7)) {
	case 0:
		process->hangs = process->alive;
		break;
	case 1:
		process->report.draining = process->alive && draw(walk, 4) == 0;
		break;
	case 2:
		world->fork_fails = draw(walk, 10) == 0;
		break;
	case 3:
		if (draw(walk, 3) == 0)
			lose_store(walk);
		break;
	default:
		end_one(walk, any_process(walk));
		return;
	}
	remember(walk, SLOTS);
}

static void
give_order(struct walk *walk)
{
	struct world *world = walk->world;

	switch (draw(walk, 4)) {
	case 0:
		supervision_order(world->machine, ORDER_UPGRADE, world->now_ms);
		break;
	case 1:
		supervision_restart(world->machine, draw(walk, SLOT_WORKERS), 2000, world->now_ms);
		break;
	default:
		supervision_order(world->machine, ORDER_RELOAD, world->now_ms);
		break;
	}
	act(world);
}

static void
answer(struct walk *walk)
{
	struct world *world = walk->world;

	if (world->preparing) {
		/* A third of them changes the number of workers; half of the slots are the limit.
		 */
		unsigned workers = draw(walk, 3) > 0 ? WORKERS : draw(walk, WORKER_SLOTS / 2 + 1);

		answer_prepare(world, workers);
	} else if (world->count[ACTION_UPGRADE] > walk->upgrades_answered) {
		walk->upgrades_answered++;
		supervision_upgrade_failed(world->machine);
		act(world);
	}
}

static void
step(struct walk *walk)
{
	unsigned die = draw(walk, 100);

	if (draw(walk, 200) == 0)
		walk->calm = !walk->calm;
	remember(walk, SLOTS);
	if (die < 40)
		pass(walk->world, draw(walk, draw(walk, 20) == 0 ? 20000 : 500));
	else if (die < 55)
		end_told(walk);
	else if (die < 70 && walk->calm)
		prove_all(walk);
	else if (die < 70)
		prove(walk->world, any_worker(walk));
	else if (die < 80)
		answer(walk);
	else if (die < 87)
		give_order(walk);
	else if (!walk->calm)
		misbehave(walk);
	/* What no process publishes */
	for (unsigned i = 0; i < SLOTS; i++)
		if (!walk->world->processes[i].alive)
			walk->world->processes[i].report =
			    (struct child_report){.beats = walk->world->processes[i].report.beats};
}

static void
begin(struct walk *walk)
{
	struct world *world = walk->world;

	if (draw(walk, 2) == 0) {
		for (unsigned i = 0; i < 2 * WORKERS; i++) {
			unsigned slot = supervision_adopt(
			    world->machine, CHILD_WORKER, draw(walk, 2) == 0, world->now_ms);

			world->processes[slot] = (struct fake_process){.alive = true,
			    .report = {.accepting = true, .ready = true, .store_up = true}};
			world->spawned++;
		}
		supervision_adopted(world->machine);
	}
	act(world);
	supervision_start_redis(world->machine, world->now_ms);
	supervision_start(world->machine, world->now_ms);
	act(world);
}

/* Each process that was spawned ends, with or without being killed. */
static void
stop(struct walk *walk, struct seen *seen)
{
	struct world *world = walk->world;

	supervision_order(world->machine, ORDER_STOP, world->now_ms);
	act(world);
	note_ways(walk, seen);
	for (int i = 0; i < 1000 && supervision_phase(world->machine) != PHASE_STOPPED; i++) {
		remember(walk, SLOTS);
		if (draw(walk, 2) == 0)
			pass(world, draw(walk, 5000));
		else if (draw(walk, 10) == 0)
			end_one(walk, any_process(walk));
		else
			end_told(walk);
		note_ways(walk, seen);
	}
	assert_int_equal(supervision_phase(world->machine), PHASE_STOPPED);
	assert_int_equal(world->spawned, world->ended);
}

static void
walk_once(uint64_t seed, struct seen *seen)
{
	struct walk walk = {.world = world_new(), .random = seed * 0x9E3779B97F4A7C15ULL + 1};

	remember(&walk, SLOTS);
	begin(&walk);
	note_ways(&walk, seen);
	for (int i = 0; i < EVENTS; i++) {
		step(&walk);
		note_ways(&walk, seen);
		check_served(&walk);
		check_generations(walk.world);
	}
	remember(&walk, SLOTS);
	stop(&walk, seen);
	for (unsigned i = 0; i < ACTIONS; i++)
		seen->actions[i] += walk.world->count[i];
	world_free(walk.world);
}

/* The walk is worth something only if it gets everywhere. */
static void
assert_all_seen(const struct seen *seen)
{
	for (unsigned from = 0; from < STATES; from++)
		for (unsigned to = 0; to < STATES; to++)
			if (child_ways[from][to] && seen->child[from][to] == 0)
				fail_msg("no child went from %s to %s", child_state_name(from),
				    child_state_name(to));
	for (unsigned from = 0; from < PHASES; from++)
		for (unsigned to = 0; to < PHASES; to++)
			if (phase_ways[from][to] && seen->phase[from][to] == 0)
				fail_msg("no walk went from %s to %s", supervision_phase_name(from),
				    supervision_phase_name(to));
	/* supervision_test.c has ACTION_NO_SLOT: slots are rarely that short. */
	for (unsigned i = 0; i < ACTIONS; i++)
		if (i != ACTION_BAD_TRANSITION && i != ACTION_NO_SLOT && seen->actions[i] == 0)
			fail_msg("no action %u", i);
}

static void
invariants_hold_whatever_comes(void **state)
{
	struct seen seen = {0};

	(void)state;
	for (uint64_t seed = 1; seed <= WALKS; seed++)
		walk_once(seed, &seen);
	assert_all_seen(&seen);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(invariants_hold_whatever_comes)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
