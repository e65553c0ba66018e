/*
 * decide.c - measures the decision alone, in one process: look up token and job in the worker's
 * directory, prove the bearer, decide; then the same with what a request that may pass does with
 * both records: watch them, read them, and leave them again; then also with the backend of the job,
 * which the pool looks up. The directory knows given numbers of tokens and jobs, each job has a
 * backend of its own, and some of them are asked for, in random order. There is no network and no
 * parsing; ids and hashes are computed, so that nothing but the directory is large.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "auth/record_fields.h"
#include "jobgate/decision.h"
#include "jobgate/directory.h"
#include "net/loop.h"
#include "observe/shared.h"
#include "upstream/http1/client.h"
#include "upstream/pool.h"

#define NOW_MS 1000
#define AT_ONCE 10000 /* requests between two readings of the clock */

static struct directory *directory;
static struct pool *pool;
static struct directory_entry *asked;

static bool
remember(void *ctx, enum record_kind kind, struct slice id, struct directory_entry *entry)
{
	(void)ctx;
	(void)kind;
	(void)id;
	asked = entry;
	return true;
}

/* splitmix64 (Steele, Lea, Flood 2014): the n-th number of a sequence that looks random. */
static uint64_t
scattered(uint64_t n)
{
	uint64_t x = (n + 1) * 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

/* The credential of the token with this number. */
static void
bearer_of(size_t number, struct bearer *out)
{
	static const char alphabet[32] = "abcdefghijklmnopqrstuvwxyz012345";
	uint64_t random = scattered(8 * number);

	out->formed = true;
	for (size_t i = 0; i < TOKEN_ID_LEN; i++) {
		if (i == TOKEN_ID_LEN / 2)
			random = scattered(8 * number + 1);
		out->id[i] = alphabet[random & 31];
		random >>= 5;
	}
	for (size_t i = 0; i < TOKEN_HASH_LEN / sizeof(random); i++) {
		random = scattered(8 * number + 2 + i);
		memcpy(out->hash + i * sizeof(random), &random, sizeof(random));
	}
}

/* A UUID, as jobs get that were created without an id. */
#define UUID_LEN 36

static struct slice
job_id(size_t number, char out[UUID_LEN])
{
	static const char digits[] = "0123456789abcdef";
	uint64_t random = scattered(~(2 * number));

	for (size_t i = 0; i < UUID_LEN; i++) {
		if (i == UUID_LEN / 2)
			random = scattered(~(2 * number + 1));
		out[i] =
		    (char)(i == 8 || i == 13 || i == 18 || i == 23 ? '-' : digits[random & 15]);
		random >>= 3;
	}
	return (struct slice){out, UUID_LEN};
}

static void
learn(struct slice id, const struct record *record)
{
	struct record *copy = record_copy(record);

	if (copy == NULL || !jg_directory_lookup(directory, record->kind, id, NOW_MS, NULL).pending)
		exit(1);
	jg_directory_feed(directory, asked, FEED_RECORD, copy, NOW_MS);
}

static const struct label label = {SLICE("model"), SLICE("base")};

static void
learn_token(size_t number)
{
	struct bearer bearer;
	char name[32];
	struct record record = {.kind = RECORD_TOKEN,
	    .token = {.selector = {1, &label},
		.version = 1,
		.minted = 1,
		.created_at = SLICE("2026-01-31T12:00:00Z"),
		.updated_at = SLICE("2026-01-31T12:00:00Z"),
		.created_by = SLICE("abcdefghij012345")}};

	bearer_of(number, &bearer);
	snprintf(name, sizeof(name), "token-%zu", number);
	record.token.id = (struct slice){bearer.id, TOKEN_ID_LEN};
	record.token.name = slice_of(name);
	memcpy(record.token.hash, bearer.hash, TOKEN_HASH_LEN);
	learn(record.token.id, &record);
}

static void
learn_job(size_t number)
{
	char id[UUID_LEN], url[32];
	struct record record = {.kind = RECORD_JOB,
	    .job = {.labels = {1, &label},
		.created_at = SLICE("2026-01-31T12:00:00Z"),
		.updated_at = SLICE("2026-01-31T12:00:00Z")}};

	snprintf(url, sizeof(url), "http://10.%zu.%zu.%zu:8888", number >> 16 & 255,
	    number >> 8 & 255, number & 255);
	record.job.id = job_id(number, id);
	record.job.url_text = slice_of(url);
	learn(record.job.id, &record);
}

static void
on_changed(struct directory_watch *watch)
{
	(void)watch;
	exit(1);
}

/* What the decision on a request found. */
struct found {
	struct directory_answer token, job;
};

/* One decision; false when it is not to allow. */
static bool
decide(size_t token, size_t job, struct found *found)
{
	struct bearer bearer;
	struct evidence evidence = {
	    .credential = CREDENTIAL_BEARER, .bearer = &bearer, .names_job = true};
	char id[UUID_LEN];

	bearer_of(token, &bearer);
	found->token = jg_directory_lookup(
	    directory, RECORD_TOKEN, (struct slice){bearer.id, TOKEN_ID_LEN}, NOW_MS, NULL);
	evidence.token_known = found->token.known;
	evidence.card = found->token.card;
	if (!jg_evidence_proves(&evidence))
		return false;
	found->job = jg_directory_lookup(directory, RECORD_JOB, job_id(job, id), NOW_MS, NULL);
	evidence.job_known = found->job.known;
	evidence.labels = found->job.labels;
	return jg_decide_proved(&evidence, true) == VERDICT_ALLOW;
}

/* The same, and what a request that may pass does with both records. */
static bool
pass(size_t token, size_t job, struct found *found)
{
	static struct directory_watch watches[2] = {
	    {.changed = on_changed}, {.changed = on_changed}};
	const struct job *record;
	struct token room;
	bool whole;

	if (!decide(token, job, found))
		return false;
	record = jg_directory_job(found->job.entry);
	jg_directory_watch(found->token.entry, &watches[0]);
	jg_directory_watch(found->job.entry, &watches[1]);
	whole = jg_directory_token(found->token.entry, &room)->name.at[0] == 't' &&
		record->url.host.at[0] == '1' && record->url.base.len == 0 &&
		record->url.hash != 0 && record->replicas.count == 0;
	jg_directory_unwatch(&watches[0]);
	jg_directory_unwatch(&watches[1]);
	return whole;
}

/* The same, and the pool finds the backend that the job's URL leads to. */
static bool
route(size_t token, size_t job)
{
	struct found found;
	struct backend *backend;

	if (!pass(token, job, &found))
		return false;
	backend = pool_enter(pool, &jg_directory_job(found.job.entry)->url, BACKEND_OF_RECORD);
	if (backend == NULL)
		return false;
	pool_leave(backend);
	return true;
}

/*
 * Random tokens ask for random jobs. These three are not inlined: tests/e2e/test_cache_misses.py
 * has callgrind count what happens in each.
 */
__attribute__((noinline)) static bool
decisions(size_t count, size_t tokens, size_t jobs)
{
	static uint64_t random;
	struct found found;

	for (size_t i = 0; i < count; i++, random += 2)
		if (!decide(scattered(random) % tokens, scattered(random + 1) % jobs, &found))
			return false;
	return true;
}

__attribute__((noinline)) static bool
requests(size_t count, size_t tokens, size_t jobs)
{
	static uint64_t random = 1ull << 32;
	struct found found;

	for (size_t i = 0; i < count; i++, random += 2)
		if (!pass(scattered(random) % tokens, scattered(random + 1) % jobs, &found))
			return false;
	return true;
}

__attribute__((noinline)) static bool
routes(size_t count, size_t tokens, size_t jobs)
{
	static uint64_t random = 1ull << 33;

	for (size_t i = 0; i < count; i++, random += 2)
		if (!route(scattered(random) % tokens, scattered(random + 1) % jobs))
			return false;
	return true;
}

/* A pool that knows the backend of each job, and keeps it, as it does while it has connections. */
static bool
know_backends(size_t jobs)
{
	static struct worker_stats stats;
	const struct pool_options options = {
	    .loop = loop_new(), .stats = &stats, .http1 = &http1_client_protocol};

	pool = options.loop != NULL ? pool_new(&options) : NULL;
	for (size_t i = 0; pool != NULL && i < jobs; i++) {
		struct directory_answer job;
		char id[UUID_LEN];

		job = jg_directory_lookup(directory, RECORD_JOB, job_id(i, id), NOW_MS, NULL);
		if (job.known != RECORD_KNOWN ||
		    pool_enter(pool, &jg_directory_job(job.entry)->url, BACKEND_OF_RECORD) == NULL)
			return false;
	}
	return pool != NULL;
}

static double
cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Bytes of memory that the process has now. */
static double
resident(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long pages = 0;

	if (file == NULL || fscanf(file, "%*u %lu", &pages) != 1)
		exit(1);
	fclose(file);
	return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

/* Nanoseconds of CPU for each of `count` calls; 0: as many as take a second. */
static double
measure(bool (*some)(size_t count, size_t tokens, size_t jobs), size_t count, size_t tokens,
    size_t jobs)
{
	double began = cpu_ns();
	size_t made = 0, step = count > 0 ? count : AT_ONCE;

	do {
		if (!some(step, tokens, jobs))
			exit(1);
		made += step;
	} while (count == 0 && cpu_ns() - began < 1e9);
	return (cpu_ns() - began) / (double)made;
}

/* The number in an argument, 0 without it. */
static size_t
number_of(const char *text)
{
	return text != NULL ? strtoul(text, NULL, 10) : 0;
}

int
main(int argc, char **argv)
{
	size_t tokens = number_of(argc > 3 ? argv[1] : NULL),
	       jobs = number_of(argc > 3 ? argv[2] : NULL);
	size_t hot = number_of(argc > 3 ? argv[3] : NULL),
	       count = number_of(argc > 4 ? argv[4] : NULL);
	const struct directory_options options = {
	    .max_staleness_ms = 5000, .entries_max = tokens + jobs + 1, .hash_key = {1, 2, 3}};
	const struct directory_store store = {.read = remember};
	double before, decision_ns, request_ns, routed_ns;

	directory = jg_directory_new(&options, &store);
	if (tokens < hot || hot == 0 || jobs == 0 || directory == NULL) {
		fputs(
		    "Usage: bench_decide TOKENS JOBS ASKED_FOR [REQUESTS]\n"
		    "ASKED_FOR of the tokens are asked for; without REQUESTS, for a second each.\n",
		    stderr);
		return 2;
	}
	jg_directory_link_up(directory, NOW_MS);
	jg_directory_good(directory, NOW_MS);
	for (size_t i = 0; i < jobs; i++)
		learn_job(i);
	before = resident();
	for (size_t i = 0; i < tokens; i++)
		learn_token(i);
	before = (resident() - before) / (double)tokens;
	decision_ns = measure(decisions, count, hot, hot < jobs ? hot : jobs);
	request_ns = measure(requests, count, hot, hot < jobs ? hot : jobs);
	if (!know_backends(jobs))
		return 1;
	routed_ns = measure(routes, count, hot, hot < jobs ? hot : jobs);
	printf("{\"tokens\": %zu, \"jobs\": %zu, \"asked_for\": %zu, \"ns\": %.1f, "
	       "\"request_ns\": %.1f, \"routed_ns\": %.1f, \"token_bytes\": %.1f}\n",
	    tokens, jobs, hot, decision_ns, request_ns, routed_ns, before);
	jg_directory_free(directory);
	return 0;
}
