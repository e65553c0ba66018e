/*
 * decide.c - measures the decision alone, in one process: look up token and job in the worker's
 * directory, prove the bearer, decide. The directory knows given numbers of tokens and jobs, and
 * some of them are looked up in turn. There is no network and no parsing, and the bearer is read
 * only once, as for a client that repeats its token.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "jobgate/decision.h"
#include "jobgate/directory.h"

#define NOW_MS 1000

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

/* A record with room for text behind it. */
static struct record *
record_new(enum record_kind kind, struct slice id, char **text)
{
	struct record *record = calloc(1, sizeof(*record) + 64);

	if (record == NULL)
		exit(1);
	record->kind = kind;
	*text = (char *)(record + 1);
	memcpy(*text, id.at, id.len);
	return record;
}

static const struct label label = {SLICE("model"), SLICE("base")};

static void
learn(
    struct directory *directory, enum record_kind kind, struct slice id, const unsigned char *hash)
{
	char *text;
	struct record *record = record_new(kind, id, &text);

	if (kind == RECORD_TOKEN) {
		record->token = (struct token){.id = {text, id.len},
		    .name = SLICE("bench"),
		    .selector = {1, &label},
		    .version = 1};
		memcpy(record->token.hash, hash, TOKEN_HASH_LEN);
	} else {
		record->job = (struct job){.id = {text, id.len},
		    .labels = {1, &label},
		    .url = {.scheme = JOB_URL_HTTP, .host = SLICE("127.0.0.1"), .port = 80}};
	}
	if (!jg_directory_lookup(directory, kind, id, NOW_MS, NULL).pending)
		exit(1);
	jg_directory_feed(directory, asked, FEED_RECORD, record, NOW_MS);
}

static struct slice
job_id(size_t i, char out[16])
{
	return (struct slice){out, (size_t)snprintf(out, 16, "j%zu", i)};
}

/* One decision; false when it is not to allow. */
static bool
decide(struct directory *directory, const struct bearer *bearer, struct slice job)
{
	struct evidence evidence = {
	    .credential = CREDENTIAL_BEARER, .bearer = bearer, .names_job = true};
	struct directory_answer answer = jg_directory_lookup(
	    directory, RECORD_TOKEN, (struct slice){bearer->id, TOKEN_ID_LEN}, NOW_MS, NULL);

	evidence.token_known = answer.known;
	evidence.token = answer.known == RECORD_KNOWN ? &answer.record->token : NULL;
	if (!jg_evidence_proves(&evidence))
		return false;
	answer = jg_directory_lookup(directory, RECORD_JOB, job, NOW_MS, NULL);
	evidence.job_known = answer.known;
	evidence.job = answer.known == RECORD_KNOWN ? &answer.record->job : NULL;
	return jg_decide_proved(&evidence, true) == VERDICT_ALLOW;
}

static double
cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

int
main(int argc, char **argv)
{
	size_t tokens = argc == 4 ? strtoul(argv[1], NULL, 10) : 0,
	       jobs = argc == 4 ? strtoul(argv[2], NULL, 10) : 0;
	size_t hot = argc == 4 ? strtoul(argv[3], NULL, 10) : 0, decisions = 0;
	const struct directory_options options = {
	    .max_staleness_ms = 5000, .entries_max = tokens + jobs + 1, .hash_key = {1, 2, 3}};
	const struct directory_store store = {.read = remember};
	const struct mint no_mint = {.state = MINT_NONE};
	struct directory *directory = jg_directory_new(&options, &store);
	struct bearer *bearers = calloc(hot + 1, sizeof(*bearers));
	char(*names)[16] = calloc(jobs + 1, sizeof(*names));
	double began;

	if (tokens < hot || hot == 0 || jobs == 0 || directory == NULL || bearers == NULL ||
	    names == NULL) {
		fputs("Usage: bench_decide TOKENS JOBS ASKED_FOR   (of the tokens)\n", stderr);
		return 2;
	}
	jg_directory_link_up(directory, NOW_MS);
	jg_directory_good(directory, NOW_MS);
	for (size_t i = 0; i < jobs; i++)
		learn(directory, RECORD_JOB, job_id(i, names[i]), NULL);
	for (size_t i = 0; i < tokens; i++) {
		char id[TOKEN_ID_LEN], value[TOKEN_VALUE_LEN];
		struct bearer bearer;

		if (!jg_token_id_make(id) ||
		    !jg_token_value_make((struct slice){id, sizeof(id)}, NULL, value))
			return 1;
		jg_bearer_read(&no_mint, (struct slice){value, sizeof(value)}, &bearer);
		learn(directory, RECORD_TOKEN, (struct slice){id, sizeof(id)}, bearer.hash);
		if (i % (tokens / hot) == 0 && i / (tokens / hot) < hot)
			bearers[i / (tokens / hot)] = bearer;
	}
	began = cpu_ns();
	while (cpu_ns() - began < 1e9)
		for (int i = 0; i < 10000; i++, decisions++)
			if (!decide(directory, &bearers[decisions % hot],
				slice_of(names[decisions % (hot < jobs ? hot : jobs)])))
				return 1;
	printf("{\"tokens\": %zu, \"jobs\": %zu, \"asked_for\": %zu, \"ns\": %.1f}\n", tokens, jobs,
	    hot, (cpu_ns() - began) / (double)decisions);
	jg_directory_free(directory);
	return 0;
}
