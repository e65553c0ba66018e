/* stress_test.c - workers at the same time, as threads: for ThreadSanitizer, and the counts hold.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "limits/table.h"

#define WORKERS 4
#define ROUNDS 20000
#define ROUNDS_MAX (50 * ROUNDS)
#define PHASE 2000 /* rounds with the same tokens; then their places become idle */
#define TOKENS (6 * ROUNDS_MAX / PHASE)
#define PLACES 64
#define FREED 20 /* places that have to become free meanwhile */

static const uint64_t hash_key[2] = {5, 6};

/* Concurrency limits of the tokens; some have further places. */
static uint64_t
limit_of(unsigned token)
{
	static const uint64_t limits[] = {1, 1, 1, 2, 3, 33};

	return limits[token % 6];
}

struct stage {
	struct limit_table *table;
	_Atomic unsigned
	    running[TOKENS]; /* permits that are held, as the workers themselves count */
	_Atomic unsigned allowed, refused, no_place, over;
	_Atomic unsigned turns[WORKERS];
	_Atomic unsigned freed;
	_Atomic bool ended;
};

struct actor {
	struct stage *stage;
	unsigned worker;
};

static struct slice
id_of(unsigned number, char out[17])
{
	snprintf(out, 17, "token%011u", number);
	return (struct slice){out, 16};
}

static bool
take_one(struct actor *actor, unsigned token, struct permit *permit)
{
	struct stage *stage = actor->stage;
	uint64_t wait_us;
	char id[17];

	switch (jg_limits_take(stage->table, (uint16_t)(actor->worker + 1), id_of(token, id),
	    &(struct allowance){.concurrency = limit_of(token)}, 1, permit, &wait_us)) {
	case LIMIT_ALLOWED:
		break;
	case LIMIT_NO_PLACE:
		atomic_fetch_add(&stage->no_place, 1);
		return false;
	case LIMIT_RATE:
	case LIMIT_CONCURRENCY:
		atomic_fetch_add(&stage->refused, 1);
		return false;
	}
	atomic_fetch_add(&stage->allowed, 1);
	if (atomic_fetch_add(&stage->running[token], 1) >= limit_of(token))
		atomic_fetch_add(&stage->over, 1);
	return true;
}

struct holding {
	struct {
		struct permit permit;
		unsigned token;
	} held[24];
	size_t count;
};

static void
give_one(struct stage *stage, struct holding *holding, size_t at)
{
	atomic_fetch_sub(&stage->running[holding->held[at].token], 1);
	jg_limits_give(stage->table, &holding->held[at].permit);
	holding->held[at] = holding->held[--holding->count];
}

static void *
act(void *ctx)
{
	struct actor *actor = ctx;
	struct stage *stage = actor->stage;
	unsigned seed = actor->worker + 1;
	struct holding holding = {0};

	for (unsigned round = 0;
	     round < ROUNDS || (atomic_load(&stage->freed) < FREED && round < ROUNDS_MAX);
	     round++) {
		unsigned token = round / PHASE * 6 + (unsigned)rand_r(&seed) % 6;

		atomic_fetch_add(&stage->turns[actor->worker], 1);
		while (round % PHASE == 0 && holding.count > 0)
			give_one(stage, &holding, 0);
		if (holding.count < 24 && rand_r(&seed) % 2 == 0) {
			holding.held[holding.count].token = token;
			holding.count +=
			    take_one(actor, token, &holding.held[holding.count].permit);
		} else if (holding.count > 0) {
			give_one(stage, &holding, (size_t)rand_r(&seed) % holding.count);
		}
	}
	while (holding.count > 0)
		give_one(stage, &holding, 0);
	return NULL;
}

static void
await_turns(struct stage *stage)
{
	unsigned before[WORKERS];

	for (unsigned i = 0; i < WORKERS; i++)
		before[i] = atomic_load(&stage->turns[i]);
	for (unsigned i = 0; i < WORKERS; i++)
		while (atomic_load(&stage->turns[i]) == before[i] && !atomic_load(&stage->ended))
			sched_yield();
}

/* Frees places all the time. A worker that has ended turns no more. */
static void *
supervise(void *ctx)
{
	struct stage *stage = ctx;

	while (!atomic_load(&stage->ended)) {
		limit_table_mark(stage->table, 2);
		await_turns(stage);
		if (!atomic_load(&stage->ended))
			atomic_fetch_add(&stage->freed, limit_table_sweep(stage->table, 2));
	}
	return NULL;
}

/* Fill more than a quarter of the table, so that places become free. */
static void
fill(struct limit_table *table)
{
	struct permit permit;
	uint64_t wait_us;
	char id[17];

	for (unsigned i = 0; i < PLACES / 4; i++)
		jg_limits_take(table, 9, id_of(100 + i, id), &(struct allowance){.concurrency = 1},
		    1, &permit, &wait_us);
}

static void
no_limit_is_exceeded(void **state)
{
	struct stage stage = {.table = limit_table_new(PLACES, hash_key)};
	struct actor actors[WORKERS];
	pthread_t threads[WORKERS], supervisor;

	(void)state;
	assert_non_null(stage.table);
	fill(stage.table);
	pthread_create(&supervisor, NULL, supervise, &stage);
	for (unsigned i = 0; i < WORKERS; i++) {
		actors[i] = (struct actor){&stage, i};
		pthread_create(&threads[i], NULL, act, &actors[i]);
	}
	for (unsigned i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
	atomic_store(&stage.ended, true);
	pthread_join(supervisor, NULL);
	print_message("%u allowed, %u refused, %u without a place, %u places freed\n",
	    atomic_load(&stage.allowed), atomic_load(&stage.refused), atomic_load(&stage.no_place),
	    atomic_load(&stage.freed));
	assert_int_equal(stage.over, 0);
	assert_true(stage.freed >= FREED);
	assert_true(stage.allowed > ROUNDS / 10 && stage.refused > ROUNDS / 10);
	assert_int_equal(limit_table_permits(stage.table), PLACES / 4); /* those of fill() */
	limit_table_free(stage.table);
}

/* ---- the rate ---- */

struct rate_actor {
	struct limit_table *table;
	_Atomic uint64_t *clock_us;
	unsigned worker, allowed;
};

#define RATE_US 100 /* between two requests */
#define RATE_BURST 7
#define RATE_END_US 200000

static void *
act_rate(void *ctx)
{
	struct rate_actor *actor = ctx;
	const struct allowance allowance = {RATE_US * 1000, RATE_BURST, 0};
	struct permit permit;
	uint64_t wait_us, now_us;

	while ((now_us = atomic_fetch_add(actor->clock_us, 1)) < RATE_END_US)
		actor->allowed += jg_limits_take(actor->table, (uint16_t)(actor->worker + 1),
				      SLICE("abcdefghijklmnop"), &allowance, now_us, &permit,
				      &wait_us) == LIMIT_ALLOWED;
	return NULL;
}

/* All ask all the time: exactly the burst and the rate pass, but for readings of the clock that are
 * late, at the end. */
static void
the_rate_is_exact(void **state)
{
	struct limit_table *table = limit_table_new(PLACES, hash_key);
	struct rate_actor actors[WORKERS];
	pthread_t threads[WORKERS];
	_Atomic uint64_t clock_us = 1;
	unsigned allowed = 0;

	(void)state;
	assert_non_null(table);
	for (unsigned i = 0; i < WORKERS; i++) {
		actors[i] = (struct rate_actor){table, &clock_us, i, 0};
		pthread_create(&threads[i], NULL, act_rate, &actors[i]);
	}
	for (unsigned i = 0; i < WORKERS; i++) {
		pthread_join(threads[i], NULL);
		allowed += actors[i].allowed;
	}
	assert_true(allowed <= RATE_BURST + RATE_END_US / RATE_US);
	assert_true(allowed >= RATE_END_US / RATE_US);
	limit_table_free(table);
}

/* ---- kills ---- */

#define KILLS 60

static void
act_until_killed(struct stage *stage, unsigned worker)
{
	struct actor actor = {stage, worker};
	struct permit permit[8] = {0};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned i = 0;; i = (i + 1) % 8) {
		jg_limits_give(stage->table, &permit[i]);
		if (!take_one(&actor, 5, &permit[i]))
			permit[i] = (struct permit){0};
	}
}

/* A worker is killed in the middle of anything, many times: no permit stays. */
static void
a_kill_leaves_no_permit(void **state)
{
	const struct timespec pause = {0, 2000000};
	struct stage *stage =
	    mmap(NULL, sizeof(*stage), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pids[2] = {0};

	(void)state;
	assert_true(stage != MAP_FAILED);
	stage->table = limit_table_new(PLACES, hash_key);
	assert_non_null(stage->table);
	for (unsigned i = 0; i < KILLS + 2; i++) {
		unsigned worker = i % 2;

		if (pids[worker] > 0) {
			kill(pids[worker], SIGKILL);
			assert_int_equal(waitpid(pids[worker], NULL, 0), pids[worker]);
			limit_table_worker_ended(stage->table, (uint16_t)(worker + 1));
		}
		pids[worker] = i < KILLS ? fork() : -1;
		if (pids[worker] == 0)
			act_until_killed(stage, worker);
		nanosleep(&pause, NULL); /* for it to be killed anywhere, not only at its start */
	}
	assert_int_equal(limit_table_permits(stage->table), 0);
	assert_true(atomic_load(&stage->allowed) > KILLS);
	limit_table_free(stage->table);
	munmap(stage, sizeof(*stage));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(no_limit_is_exceeded),
	    cmocka_unit_test(the_rate_is_exact),
	    cmocka_unit_test(a_kill_leaves_no_permit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
