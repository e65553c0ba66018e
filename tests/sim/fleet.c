/* fleet.c - forks a child for each seed. */
#include "fleet.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "trace.h"
#include "world.h"

/* Of CPU: a seed takes about a second, and ten of them under a sanitizer. */
#define SECONDS_MAX 300

/* One of this many seeds runs twice. */
#define TWICE_EVERY 10

static void
keep(struct fleet_result *out, const struct world *world)
{
	out->hash = trace_hash();
	out->events = trace_events();
	out->simulated_ms = schedule_now_ns() / NS_PER_MS;
	out->violations = world->judge.violations;
	out->exchanges = world->exchanges.count;
	out->answered = world->exchanges.results[RESULT_ANSWERED];
	out->tunnels = world->exchanges.tunnels;
	out->changes = world->records.changes;
	out->faults = world->faults.total;
	out->allocations = world->gateway.workers[0].allocations;
	out->calls = world->gateway.workers[0].node.failable;
	memcpy(out->kinds, world->faults.count, sizeof(out->kinds));
	for (unsigned i = 0; i < world->gateway.slots; i++) {
		const struct worker_stats *stats = &world->gateway.shared->workers[i];

		for (size_t j = 0; j < OUTCOME_COUNT; j++)
			out->outcomes[j] += counter_get(&stats->outcomes[j]);
		for (size_t j = 0; j < VERDICT_COUNT; j++)
			out->verdicts[j] += counter_get(&stats->verdicts[j]);
	}
	out->coverage = *coverage_seen();
	out->ended = 1;
}

/* The child's life. Its memory lies elsewhere than its parent's would, by some random bytes. */
static void
run_child(struct fleet_result *out, uint64_t seed, const struct scenario *scenario, unsigned shift)
{
	struct world *world = calloc(1, sizeof(*world));
	const struct rlimit limit = {SECONDS_MAX, SECONDS_MAX};

	if (world == NULL || (shift > 0 && malloc(shift * 4099) == NULL) ||
	    (shift > 0 && mmap(NULL, shift * 65536, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			      0) == MAP_FAILED))
		_exit(2);
	setrlimit(RLIMIT_CPU, &limit);
	world_run(world, seed, scenario);
	keep(out, world);
	fflush(stdout);
	_exit(0);
}

struct fleet_result
fleet_once(uint64_t seed, const struct scenario *scenario, unsigned shift)
{
	struct fleet_result *shared =
	    mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct fleet_result result = {0};
	int status = 0;
	pid_t pid;

	fflush(stdout);
	if (shared == MAP_FAILED || (pid = fork()) < 0)
		return result;
	if (pid == 0)
		run_child(shared, seed, scenario, shift);
	waitpid(pid, &status, 0);
	result = *shared;
	munmap(shared, sizeof(*shared));
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		result.ended = 0;
	return result;
}

static void
add(struct fleet_result *sum, const struct fleet_result *result)
{
	sum->simulated_ms += result->simulated_ms;
	sum->exchanges += result->exchanges;
	sum->answered += result->answered;
	sum->tunnels += result->tunnels;
	sum->changes += result->changes;
	sum->faults += result->faults;
	sum->events += result->events;
	for (size_t i = 0; i < OUTCOME_COUNT; i++)
		sum->outcomes[i] += result->outcomes[i];
	for (size_t i = 0; i < VERDICT_COUNT; i++)
		sum->verdicts[i] += result->verdicts[i];
	for (size_t i = 0; i < FAULT_KINDS; i++)
		sum->kinds[i] += result->kinds[i];
	coverage_add(&sum->coverage, &result->coverage);
}

void
fleet_run(struct fleet *fleet, uint64_t seed)
{
	struct fleet_result result = fleet_once(seed, NULL, 0), again;
	bool bad = !result.ended || result.violations > 0;

	fleet->seeds++;
	add(&fleet->sum, &result);
	if (!result.ended)
		printf("seed %" PRIu64 " did not come to its end\n", seed);
	if (!bad && seed % TWICE_EVERY == 0) {
		again = fleet_once(seed, NULL, 1 + (unsigned)(seed / TWICE_EVERY % 7));
		fleet->compared++;
		bad = again.hash != result.hash;
		add(&fleet->sum, &again);
		if (bad)
			printf("seed %" PRIu64 " runs differently at other addresses\n", seed);
	}
	if (!bad)
		return;
	fleet->failed++;
	printf("FAILED: replay it with tests/sim.sh --seed %" PRIu64 "\n", seed);
}

/* ---- figures ---- */

static double
cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_CHILDREN, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* A name of those not seen; full: each, with how often it was seen. */
static void
report_name(const char *name, uint64_t count, bool full)
{
	if (full)
		printf(" %s=%" PRIu64, name, count);
	else if (count == 0)
		printf(" %s", name);
}

static void
report_seen(const struct fleet_result *sum, bool full)
{
	const char *what = full ? "" : " not seen";

	printf("outcomes%s:", what);
	for (unsigned i = 0; i < OUTCOME_COUNT; i++)
		report_name(outcome_name((enum outcome)i), sum->outcomes[i], full);
	printf("\nverdicts%s:", what);
	for (unsigned i = 0; i < VERDICT_COUNT; i++)
		report_name(jg_verdict_name((enum verdict)i), sum->verdicts[i], full);
	printf("\nfaults%s:", what);
	for (unsigned i = 0; i < FAULT_KINDS; i++)
		report_name(fault_name((enum fault_kind)i), sum->kinds[i], full);
	printf("\n");
	coverage_report(&sum->coverage, full);
}

int
fleet_report(const struct fleet *fleet, bool full)
{
	const struct fleet_result *sum = &fleet->sum;
	double seconds = cpu_seconds();

	printf("%u seeds, %u failed, %u compared; %.0f simulated seconds in %.1f s of CPU: "
	       "%" PRIu64 " exchanges (%" PRIu64 " answered, %" PRIu64 " tunnels), %" PRIu64
	       " changes, %" PRIu64 " faults\n",
	    fleet->seeds, fleet->failed, fleet->compared, (double)sum->simulated_ms / 1000, seconds,
	    sum->exchanges, sum->answered, sum->tunnels, sum->changes, sum->faults);
	printf("for each CPU second: %.0f exchanges, %.0f changes, %.0f faults, %.0f events\n",
	    (double)sum->exchanges / seconds, (double)sum->changes / seconds,
	    (double)sum->faults / seconds, (double)sum->events / seconds);
	report_seen(sum, full);
	return fleet->failed > 0 || fleet->seeds == 0;
}
