/* model_test.c - a million random events on several processes, against a plain model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "limits/table.h"

#define EVENTS 1000000
#define WORKERS 4
#define TOKENS 24
#define PLACES 128 /* several times the tokens, as some have further places */
#define HELD_MAX 128
#define BATCH 64

/* What a worker is to do, and what came of it. */
struct event {
	enum { TAKE, GIVE } what;
	char id[16];
	struct allowance allowance;
	uint64_t now_us, wait_us;
	struct permit permit;
	enum limit_verdict verdict;
};

/* Shared with one worker, which does its events one after the other. */
struct mailbox {
	sem_t go, done;
	size_t count;
	struct event events[BATCH];
};

#define ONE UINT64_C(1000000000)

/* The model: plain numbers. Credit is in billionths of a request, at the rate and burst of `base`.
 */
struct model_token {
	char id[17];
	struct token_limits limits;
	struct allowance allowance;
	struct {
		uint64_t rate, burst;
	} base;
	uint64_t credit, credit_us;
	struct {
		struct permit permit;
		unsigned worker;
	} held[HELD_MAX];
	size_t held_count;
};

struct world {
	struct limit_table *table;
	struct mailbox *mailboxes;
	pid_t pids[WORKERS];
	struct model_token tokens[TOKENS];
	uint64_t now_us, random, allowed, over_rate, over_concurrency, kills;
};

static uint64_t
random_below(struct world *world, uint64_t below)
{
	world->random ^= world->random << 13;
	world->random ^= world->random >> 7;
	world->random ^= world->random << 17;
	return (world->random >> 11) % below;
}

/* ---- a worker ---- */

static void
work(struct world *world, unsigned worker)
{
	struct mailbox *mailbox = &world->mailboxes[worker];

	for (;;) {
		while (sem_wait(&mailbox->go) != 0)
			;
		for (size_t i = 0; i < mailbox->count; i++) {
			struct event *event = &mailbox->events[i];

			if (event->what == GIVE)
				jg_limits_give(world->table, &event->permit);
			else
				event->verdict =
				    jg_limits_take(world->table, (uint16_t)(worker + 1),
					(struct slice){event->id, 16}, &event->allowance,
					event->now_us, &event->permit, &event->wait_us);
		}
		sem_post(&mailbox->done);
	}
}

static void
worker_start(struct world *world, unsigned worker)
{
	pid_t parent = getpid(), pid;

	sem_init(&world->mailboxes[worker].go, 1, 0);
	sem_init(&world->mailboxes[worker].done, 1, 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		work(world, worker);
	}
	assert_true(pid > 0);
	world->pids[worker] = pid;
}

/* As the supervisor does it: its permits go only after waitpid. */
static void
worker_kill(struct world *world, unsigned worker)
{
	kill(world->pids[worker], SIGKILL);
	assert_int_equal(waitpid(world->pids[worker], NULL, 0), world->pids[worker]);
	limit_table_worker_ended(world->table, (uint16_t)(worker + 1));
}

/* ---- the model ---- */

static uint64_t
least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Bring the credit to this moment, and then to the limits in force: what counts over a change is
 * the time until all of the credit would be back. */
static void
model_credit(struct model_token *token, uint64_t now_us)
{
	uint64_t full = token->base.burst * ONE, missing_ns = 0;

	if (token->base.rate > 0) {
		token->credit += least((now_us - token->credit_us) * 1000, full) * token->base.rate;
		token->credit = least(token->credit, full);
		missing_ns = (full - token->credit) / token->base.rate;
	}
	token->credit_us = now_us;
	token->base.rate = token->limits.rate;
	token->base.burst = token->allowance.burst;
	full = token->base.burst * ONE;
	token->credit = full - least(missing_ns * token->base.rate, full);
}

static enum limit_verdict
model_take(struct model_token *token, uint64_t now_us)
{
	if (token->limits.rate > 0) {
		model_credit(token, now_us);
		if (token->credit < ONE)
			return LIMIT_RATE;
	}
	if (token->allowance.concurrency > 0 && token->held_count >= token->allowance.concurrency)
		return LIMIT_CONCURRENCY;
	if (token->limits.rate > 0)
		token->credit -= ONE;
	return LIMIT_ALLOWED;
}

static void
model_drop_worker(struct model_token *token, unsigned worker)
{
	for (size_t i = 0; i < token->held_count;)
		if (token->held[i].worker == worker)
			token->held[i] = token->held[--token->held_count];
		else
			i++;
}

static void
plan_take(struct world *world, struct event *event, struct model_token *token)
{
	/* Time often stands still, so that requests come at once. */
	world->now_us += random_below(world, 3) == 0 ? random_below(world, 2000) : 0;
	*event =
	    (struct event){.what = TAKE, .allowance = token->allowance, .now_us = world->now_us};
	memcpy(event->id, token->id, 16);
}

/* Have one worker do some events, and compare each with the model. */
static size_t
run_batch(struct world *world)
{
	unsigned worker = (unsigned)random_below(world, WORKERS);
	struct mailbox *mailbox = &world->mailboxes[worker];
	struct model_token *of[BATCH];
	enum limit_verdict expected[BATCH];

	mailbox->count = 1 + random_below(world, BATCH);
	for (size_t i = 0; i < mailbox->count; i++) {
		struct model_token *token = of[i] = &world->tokens[random_below(world, TOKENS)];
		struct event *event = &mailbox->events[i];
		size_t at = token->held_count > 0 ? random_below(world, token->held_count) : 0;

		/* Only what this worker took, and not in this batch, as the cell is not known. */
		if (token->held_count > 0 && token->held[at].worker == worker &&
		    token->held[at].permit.place != 0 && random_below(world, 2) == 0) {
			*event = (struct event){.what = GIVE, .permit = token->held[at].permit};
			token->held[at] = token->held[--token->held_count];
			continue;
		}
		plan_take(world, event, token);
		expected[i] = model_take(token, world->now_us);
		if (expected[i] == LIMIT_ALLOWED && token->allowance.concurrency > 0) {
			token->held[token->held_count].worker = worker;
			token->held[token->held_count++].permit = (struct permit){0};
		}
	}
	sem_post(&mailbox->go);
	while (sem_wait(&mailbox->done) != 0)
		;
	for (size_t i = 0; i < mailbox->count; i++) {
		const struct event *event = &mailbox->events[i];

		if (event->what == GIVE)
			continue;
		assert_int_equal(event->verdict, expected[i]);
		world->allowed += event->verdict == LIMIT_ALLOWED;
		world->over_rate += event->verdict == LIMIT_RATE;
		world->over_concurrency += event->verdict == LIMIT_CONCURRENCY;
		assert_int_equal(event->permit.place != 0,
		    event->verdict == LIMIT_ALLOWED && of[i]->allowance.concurrency > 0);
		for (size_t at = 0; event->permit.place != 0 && at < of[i]->held_count; at++)
			if (of[i]->held[at].permit.place == 0) {
				of[i]->held[at].permit = event->permit;
				break;
			}
	}
	return mailbox->count;
}

/* Other limits come into force, as when a record changes. */
static void
change_limits(struct world *world, struct model_token *token)
{
	static const uint64_t rates[] = {0, 1, 10, 100, 1000, 100000},
			      concurrencies[] = {0, 1, 2, 5, 31, 32, 33, 70};
	static const struct token_limits none;

	do {
		token->limits = (struct token_limits){
		    .rate = rates[random_below(world, sizeof(rates) / sizeof(rates[0]))],
		    .burst = random_below(world, 20),
		    .concurrency = concurrencies[random_below(
			world, sizeof(concurrencies) / sizeof(concurrencies[0]))],
		};
	} while (!jg_allowance(&token->limits, &none, 1, &token->allowance));
}

static void
check_permits(const struct world *world)
{
	uint64_t held = 0;

	for (unsigned i = 0; i < TOKENS; i++)
		held += world->tokens[i].held_count;
	assert_int_equal(limit_table_permits(world->table), held);
}

static void
kill_one(struct world *world)
{
	unsigned worker = (unsigned)random_below(world, WORKERS);

	worker_kill(world, worker);
	for (unsigned i = 0; i < TOKENS; i++)
		model_drop_worker(&world->tokens[i], worker);
	world->kills++;
	check_permits(world);
	worker_start(world, worker);
}

static void
free_idle(struct world *world)
{
	limit_table_mark(world->table, world->now_us);
	limit_table_sweep(world->table, world->now_us);
}

static void
a_million_events(void **state)
{
	static const uint64_t hash_key[2] = {3, 4};
	static struct world world;

	(void)state;
	world.random = 88172645463325252u;
	world.now_us = 1000000;
	world.table = limit_table_new(PLACES, hash_key);
	world.mailboxes = mmap(NULL, WORKERS * sizeof(*world.mailboxes), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(world.table != NULL && world.mailboxes != MAP_FAILED);
	for (unsigned i = 0; i < TOKENS; i++) {
		snprintf(world.tokens[i].id, sizeof(world.tokens[i].id), "token%011u", i);
		change_limits(&world, &world.tokens[i]);
	}
	for (unsigned i = 0; i < WORKERS; i++)
		worker_start(&world, i);
	for (size_t done = 0, round = 0; done < EVENTS; round++) {
		done += run_batch(&world);
		if (round % 64 == 0)
			check_permits(&world);
		if (round % 512 == 0)
			kill_one(&world);
		if (round % 16 == 0)
			free_idle(&world);
		if (round % 8 == 0)
			change_limits(&world, &world.tokens[random_below(&world, TOKENS)]);
	}
	for (unsigned i = 0; i < WORKERS; i++)
		worker_kill(&world, i);
	assert_int_equal(limit_table_permits(world.table), 0);
	print_message("%lu allowed, %lu over the rate, %lu over the concurrency; %lu kills\n",
	    (unsigned long)world.allowed, (unsigned long)world.over_rate,
	    (unsigned long)world.over_concurrency, (unsigned long)world.kills);
	assert_true(world.allowed > EVENTS / 20 && world.over_rate > EVENTS / 20 &&
		    world.over_concurrency > EVENTS / 20);
	munmap(world.mailboxes, WORKERS * sizeof(*world.mailboxes));
	limit_table_free(world.table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_million_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
