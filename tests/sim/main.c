/* main.c - runs seeds: one with its trace, those in a file, or new ones for some time. */
#include <event2/event.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "auth/parse_memory.h"
#include "auth/seal.h"
#include "compare_redis.h"
#include "coverage.h"
#include "each_failure.h"
#include "fleet.h"
#include "jobgate/token.h"
#include "large.h"
#include "trace.h"
#include "world.h"

/* Commands that are given to both servers. */
#define COMPARED 20000

static const char usage[] =
    "sim - the real worker on simulated time; see tests/sim/README.md\n"
    "  --seed N      run this seed and show all that happens\n"
    "  --quiet       with --seed: only what was wrong, and one line of figures\n"
    "  --seconds S   run new seeds for S seconds\n"
    "  --first N     with --seconds: from this seed on, not from one that the clock gives\n"
    "  --until-failed  with --seconds: no longer than until the first one that fails\n"
    "  --seeds FILE  run the seeds in this file, the first number of each line\n"
    "  --coverage    with --seconds and --seeds: print all that was seen, not only what was not\n"
    "  --each-failure N  a small run for each allocation and call that may fail, or the N-th of "
    "them\n"
    "  --fail-allocation N, --fail-call N  with --seed: that small run, in which this one fails\n"
    "  --gateways N  a fleet of N gateways, without faults: what it takes (bench/simulated.py)\n"
    "  --tokens N, --revocations N  with --gateways: how many\n"
    "  --costs W,C,P,A,F  with --gateways: nanoseconds of Redis for a command that wakes it up, "
    "any\n"
    "                other one, a push, a new connection; and until a replica is promoted\n"
    "  --redis PATH  compare the model of Redis with the redis-server at this Unix socket\n"
    "  --replica PATH  with --redis: and with its replica at this one\n";

/* libevent complains of calls that are made to fail. */
static void
ignore_line(int severity, const char *line)
{
	(void)severity;
	(void)line;
}

/* Whatever libraries keep for the whole process is made before a node could own it. */
static void
warm_up(void)
{
	static const unsigned char key[SEAL_KEY_LEN];
	const struct seal seal = {key, SLICE("warm"), SEAL_BASE64};
	unsigned char hash[TOKEN_HASH_LEN];
	char text[SEAL_TEXT_LEN(2)];

	CRYPTO_set_mem_functions(heap_shared_malloc, heap_shared_realloc, heap_shared_free);
	jg_token_hash(slice_of("warm"), hash); /* as the supervisor does: session_key.c */
	seal_text(&seal, "ok", 2, text);
	event_set_log_callback(ignore_line);
	coverage_begin();
	tzset(); /* libc reads its time zone */
	signal(SIGPIPE, SIG_IGN);
}

static uint64_t
fresh_seed(void)
{
	return (uint64_t)time(NULL) * 1000;
}

/* scenario: NULL: the one that the seed draws. */
static int
run_one(uint64_t seed, const struct scenario *scenario, bool shown)
{
	struct world *world = calloc(1, sizeof(*world));
	unsigned violations;

	if (world == NULL)
		return 2;
	if (shown)
		trace_show();
	violations = world_run(world, seed, scenario);
	world_report(world);
	fflush(stdout);
	return violations > 0;
}

static int
run_file(const char *path, bool full)
{
	FILE *file = fopen(path, "r");
	struct fleet fleet = {0};
	char line[256];

	if (file == NULL) {
		perror(path);
		return 2;
	}
	while (fgets(line, sizeof(line), file) != NULL)
		if (line[0] >= '0' && line[0] <= '9')
			fleet_run(&fleet, strtoull(line, NULL, 10));
	fclose(file);
	return fleet_report(&fleet, full);
}

static int
run_fresh(uint64_t first, unsigned seconds, bool until_failed, bool full)
{
	struct fleet fleet = {0};
	time_t end = time(NULL) + (time_t)seconds;

	printf("seeds from %" PRIu64 " on\n", first);
	for (uint64_t seed = first; time(NULL) < end && !(until_failed && fleet.failed > 0); seed++)
		fleet_run(&fleet, seed);
	return fleet_report(&fleet, full);
}

/* One of those that are about a large fleet. False: it is not, or its value is wrong. */
static bool
large_option(int option, const char *value, struct large_options *large)
{
	struct redis_costs *costs = &large->costs;

	switch (option) {
	case 'g':
		large->gateways = (unsigned)strtoul(value, NULL, 10);
		return true;
	case 'k':
		large->tokens = (unsigned)strtoul(value, NULL, 10);
		return true;
	case 'v':
		large->revocations = (unsigned)strtoul(value, NULL, 10);
		return true;
	case 'o':
		return sscanf(value, "%u,%u,%u,%u,%" SCNu64, &costs->alone_ns, &costs->command_ns,
			   &costs->push_ns, &costs->accept_ns, &large->promoted_ns) == 5 &&
		       costs->alone_ns >= costs->command_ns;
	default:
		return false;
	}
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {{"seed", required_argument, NULL, 's'},
	    {"quiet", no_argument, NULL, 'q'}, {"seconds", required_argument, NULL, 't'},
	    {"first", required_argument, NULL, 'f'}, {"seeds", required_argument, NULL, 'l'},
	    {"until-failed", no_argument, NULL, 'u'},
	    {"each-failure", required_argument, NULL, 'e'},
	    {"fail-allocation", required_argument, NULL, 'a'},
	    {"fail-call", required_argument, NULL, 'c'}, {"coverage", no_argument, NULL, 'C'},
	    {"gateways", required_argument, NULL, 'g'}, {"tokens", required_argument, NULL, 'k'},
	    {"revocations", required_argument, NULL, 'v'}, {"costs", required_argument, NULL, 'o'},
	    {"redis", required_argument, NULL, 'r'}, {"replica", required_argument, NULL, 'R'},
	    {"help", no_argument, NULL, 'h'}, {0}};
	struct large_options large = {.tokens = 1000,
	    .revocations = 10,
	    .costs = {30000, 10000, 20000, 400000},
	    .promoted_ns = NS_PER_S};
	uint64_t seed = 0, first = 0, every = 0;
	struct scenario small;
	const char *file = NULL, *redis = NULL, *replica = NULL;
	unsigned seconds = 0;
	bool quiet = false, until_failed = false, full = false;
	int option;

	scenario_small(&small);
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 's':
			seed = strtoull(optarg, NULL, 10);
			break;
		case 'q':
			quiet = true;
			break;
		case 't':
			seconds = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'f':
			first = strtoull(optarg, NULL, 10);
			break;
		case 'l':
			file = optarg;
			break;
		case 'e':
			every = strtoull(optarg, NULL, 10);
			break;
		case 'a':
			small.fail_allocation = strtoull(optarg, NULL, 10);
			break;
		case 'c':
			small.fail_call = strtoull(optarg, NULL, 10);
			break;
		case 'u':
			until_failed = true;
			break;
		case 'C':
			full = true;
			break;
		case 'R':
			replica = optarg;
			break;
		case 'r':
			redis = optarg;
			break;
		default:
			if (large_option(option, optarg, &large))
				break;
			fputs(usage, option == 'h' ? stdout : stderr);
			return option == 'h' ? 0 : 2;
		}
	}
	warm_up();
	json_set_alloc_funcs(parse_alloc, parse_free);
	if (large.gateways > 0) {
		large.seed = seed != 0 ? seed : 1;
		_exit(large_run(&large) ? 0 : 1);
	}
	if (redis != NULL)
		return compare_redis(redis, replica, seed != 0 ? seed : fresh_seed(), COMPARED);
	if (every != 0) {
		seed = seed != 0 ? seed : fresh_seed();
		return each_failure(seed, 1 + seed / 1000 % every, every);
	}
	if (seed != 0) /* what the run has made is not freed */
		_exit(run_one(seed,
		    small.fail_allocation != 0 || small.fail_call != 0 ? &small : NULL, !quiet));
	if (file != NULL)
		return run_file(file, full);
	if (seconds != 0)
		return run_fresh(first != 0 ? first : fresh_seed(), seconds, until_failed, full);
	fputs(usage, stderr);
	return 2;
}
