/* changes.c - when records change, and which. */
#include "changes.h"

#include "jobgate/container_of.h"
#include "world.h"

/* Half of the changes hit a record that is in use: that of a client that waits. */
static void
draw_in_use(struct changes *changes)
{
	struct world *world = changes->world;
	unsigned start = (unsigned)random_below(&world->random, world->scenario.clients);

	for (unsigned i = 0; i < world->scenario.clients; i++) {
		const struct client *client =
		    &world->clients[(start + i) % world->scenario.clients];
		const struct sim_exchange *exchange;

		if (client_waits_for(client) == 0)
			continue;
		exchange = exchanges_get(&world->exchanges, client_waits_for(client));
		changes->token = exchange->plan.token;
		changes->job = exchange->plan.job >= 0 ? (unsigned)exchange->plan.job : 0;
		return;
	}
}

/* The next change: often of the same record, while the one before is still being heard of. */
static uint64_t
draw_wait_ns(struct changes *changes)
{
	struct world *world = changes->world;

	changes->again = random_chance(&world->random, 400);
	if (changes->again)
		return random_skewed(&world->random, NS_PER_US, 10 * NS_PER_MS);
	return random_below(&world->random, 3 * world->scenario.change_ns);
}

static void
on_next(struct alarm *alarm)
{
	struct changes *changes = container_of(alarm, struct changes, next);
	struct world *world = changes->world;

	if (!changes->again) {
		changes->changes_token = random_chance(&world->random, 600);
		changes->token = (unsigned)random_below(&world->random, world->scenario.tokens);
		changes->job = (unsigned)random_below(&world->random, world->scenario.jobs);
		if (random_chance(&world->random, 500))
			draw_in_use(changes);
		if (world->scenario.staff > 0 && random_chance(&changes->random, 150))
			changes->token =
			    world->scenario.tokens +
			    (unsigned)random_below(&changes->random, world->scenario.staff);
	}
	if (changes->changes_token)
		records_change_token(&world->records, changes->token);
	else
		records_change_job(&world->records, changes->job);
	alarm_set(alarm, schedule_now_ns() + draw_wait_ns(changes));
}

/* ---- aimed at a worker that is stopped ---- */

/* Of the latest requests, mostly the last one: it is likely that the worker is about to serve it.
 */
#define LATEST 8

static void
end_one(struct changes *changes)
{
	struct world *world = changes->world;
	uint32_t last = (uint32_t)world->exchanges.count;
	uint32_t back = (uint32_t)random_skewed(&changes->random, 1, LATEST) - 1;
	const struct sim_exchange *exchange =
	    exchanges_get(&world->exchanges, last > back ? last - back : last);

	if (exchange == NULL)
		return;
	changes->aims_at_token = exchange->plan.job < 0 || random_chance(&changes->random, 700);
	changes->aimed =
	    changes->aims_at_token ? exchange->plan.token : (unsigned)exchange->plan.job;
	if (changes->aims_at_token)
		records_end_token(&world->records, changes->aimed);
	else
		records_end_job(&world->records, changes->aimed);
	changes->takes_back = true;
	alarm_set(&changes->aim,
	    changes->ends_ns + random_skewed(&changes->random, NS_PER_US, 100 * NS_PER_MS));
}

static void
on_aim(struct alarm *alarm)
{
	struct changes *changes = container_of(alarm, struct changes, aim);

	if (!changes->takes_back) {
		end_one(changes);
		return;
	}
	changes->takes_back = false;
	if (changes->aims_at_token)
		records_change_token(&changes->world->records, changes->aimed);
	else
		records_change_job(&changes->world->records, changes->aimed);
}

void
changes_aim(struct changes *changes, uint64_t ns)
{
	uint64_t bound_ns = changes->world->scenario.staleness * NS_PER_MS;

	if (!changes->world->scenario.aimed || ns <= bound_ns || alarm_is_set(&changes->aim))
		return;
	changes->ends_ns = schedule_now_ns() + ns;
	alarm_set(&changes->aim, schedule_now_ns() + random_below(&changes->random, ns - bound_ns));
}

/* ---- beginning and end ---- */

void
changes_start(struct changes *changes, struct world *world)
{
	*changes =
	    (struct changes){.world = world, .next = {.fire = on_next}, .aim = {.fire = on_aim}};
	random_init(&changes->random, world->seed, "aimed changes", 0);
	alarm_set(&changes->next, schedule_now_ns() + world->scenario.change_ns);
}

void
changes_stop(struct changes *changes)
{
	alarm_stop(&changes->next);
	alarm_stop(&changes->aim);
}
