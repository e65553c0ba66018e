/*
 * health_checks.c - which replicas are checked, and when. The job's record is read each time, so
 * that what is checked are the URLs that it has now. The results are shared by all workers; the one
 * that finds a check due makes it.
 */
#include "exchange/health_checks.h"

#include <stdlib.h>

#include "auth/siphash.h"
#include "exchange/context_state.h"
#include "exchange/route.h"
#include "jobgate/container_of.h"
#include "jobgate/log.h"
#include "observe/replica_health.h"
#include "upstream/health_check.h"

#define JOBS_MAX 1024	 /* that this worker checks; a power of two */
#define STEPS_MAX 8	 /* places in which a job may be */
#define RUNNING_MAX 32	 /* checks at a time */
#define DEADLINE_MS 3000 /* of a check */
#define TICK_MS 1000	 /* between two looks for checks that are due */
#define LINES_MAX 60	 /* about changes of replicas, in a minute */

struct checked_job {
	uint64_t used_ms; /* its last request; 0: free */
	size_t id_len;
	char id[JOB_ID_MAX];
};

/* A check under way. */
struct replica_check {
	struct health_checks *checks;
	struct health_check *check;
	LIST_ENTRY(replica_check) link;
	uint64_t key;
	size_t job_len, name_len;
	char job[JOB_ID_MAX], name[ROUTE_AUTHORITY_MAX];
};

struct health_checks {
	struct exchange_context *context;
	struct timer timer;
	LIST_HEAD(, replica_check) running;
	size_t running_count;
	uint64_t minute;	  /* in which `lines` were logged */
	unsigned lines, left_out; /* changes that were logged then, and that were not */
	struct checked_job jobs[JOBS_MAX];
};

/* ---- the key of a replica ---- */

#define KEY_TEXT_MAX (JOB_URL_MAX + JOB_HEALTH_MAX + 16)

static uint64_t
key_of(const struct replica_places *places, const struct job_url *url, struct slice path)
{
	char text[KEY_TEXT_MAX];
	struct writer writer = writer_of(text, sizeof(text));
	uint64_t key;

	write_number(&writer, (uint64_t)url->scheme);
	write_literal(&writer, " ");
	write_slice(&writer, url->host);
	write_literal(&writer, " ");
	write_number(&writer, url->port);
	write_literal(&writer, " ");
	write_slice(&writer, url->path);
	write_literal(&writer, " ");
	write_slice(&writer, url->base);
	write_slice(&writer, path);
	key = siphash_64(places->hash_key, (struct slice){text, (size_t)(writer.at - text)});
	return key != 0 ? key : 1;
}

uint16_t
health_checks_unhealthy(const struct exchange_context *context, const struct job *job)
{
	const struct replica_places *places = context->options.replica_places;
	uint64_t now_ms = loop_now_ms(context->loop);
	uint16_t unhealthy = 0;

	if (job->health.len == 0 || places == NULL)
		return 0;
	for (size_t i = 0; i < job->replicas.count; i++)
		if (!replica_is_healthy(
			places, key_of(places, &job->replicas.items[i], job->health), now_ms))
			unhealthy |= (uint16_t)(1u << i);
	return unhealthy;
}

/* ---- checks ---- */

static void
drop(struct replica_check *running)
{
	LIST_REMOVE(running, link);
	running->checks->running_count--;
	free(running);
}

/* True if one more change may be logged: thousands of replicas may fail, or come and go. */
static bool
may_log(struct health_checks *checks)
{
	uint64_t minute = loop_now_ms(checks->context->loop) / 60000;

	if (checks->minute != minute) {
		if (checks->left_out > 0)
			log_warning(checks->context->log,
			    "replicas became healthy or unhealthy %u more times: not logged",
			    checks->left_out);
		checks->minute = minute;
		checks->lines = checks->left_out = 0;
	}
	if (checks->lines == LINES_MAX) {
		checks->left_out++;
		return false;
	}
	checks->lines++;
	return true;
}

static void
tell(const struct replica_check *running, enum replica_change change, unsigned status,
    const char *why)
{
	const struct log *log = running->checks->context->log;
	char got[32];

	if (change == REPLICA_SAME || !may_log(running->checks))
		return;

	snprintf(got, sizeof(got), "it answered %u", status);
	switch (change) {
	case REPLICA_SAME:
		return;
	case REPLICA_FAILED:
		log_warning(log, "job %.*s: replica %.*s is not healthy: %s", (int)running->job_len,
		    running->job, (int)running->name_len, running->name, status != 0 ? got : why);
		return;
	case REPLICA_RECOVERED:
		log_info(log, "job %.*s: replica %.*s is healthy again", (int)running->job_len,
		    running->job, (int)running->name_len, running->name);
		return;
	}
}

static void
checked(void *ctx, struct health_check *check, unsigned status, const char *why)
{
	struct replica_check *running = ctx;
	struct exchange_context *context = running->checks->context;
	bool good = status >= 200 && status < 400;

	(void)check;
	counter_add(&context->stats->health_checks, 1);
	if (!good)
		counter_add(&context->stats->health_failures, 1);
	if (status != 0 || why != NULL)
		tell(running,
		    replica_note_check(context->options.replica_places, running->key, good,
			loop_now_ms(context->loop)),
		    status, why);
	drop(running);
}

static void
begin(struct health_checks *checks, const struct job *job, const struct job_url *url, uint64_t key)
{
	struct exchange_context *context = checks->context;
	struct replica_check *running = calloc(1, sizeof(*running));
	struct health_question question = {.loop = context->loop,
	    .url = url,
	    .source = BACKEND_OF_RECORD,
	    .path = job->health,
	    .deadline_ms = DEADLINE_MS};

	if (running == NULL)
		return;
	question.authority = route_authority(url, running->name);
	if (question.authority.at != running->name) /* of a socket */
		memcpy(running->name, question.authority.at, question.authority.len);
	running->name_len = question.authority.len;
	running->checks = checks;
	running->key = key;
	running->job_len = job->id.len;
	memcpy(running->job, job->id.at, job->id.len);
	running->check = health_check_new(context->pool, &question, checked, running);
	if (running->check == NULL) {
		free(running);
		return;
	}
	LIST_INSERT_HEAD(&checks->running, running, link);
	checks->running_count++;
}

/* What logs and metrics call it. */
static struct slice
replica_name(const struct job_url *url, char room[ROUTE_AUTHORITY_MAX])
{
	return url->scheme == JOB_URL_UNIX ? url->path : route_authority(url, room);
}

/* Begin the checks of a job that are due. */
static void
look_at(struct health_checks *checks, const struct checked_job *used, uint64_t now_ms)
{
	struct exchange_context *context = checks->context;
	struct replica_places *places = context->options.replica_places;
	const struct directory_answer answer = jg_directory_lookup(
	    context->directory, RECORD_JOB, (struct slice){used->id, used->id_len}, now_ms, NULL);
	const struct job *job;

	if (answer.pending || answer.known != RECORD_KNOWN)
		return;
	job = jg_directory_job(answer.entry);
	if (job->health.len == 0)
		return;
	for (size_t i = 0; i < job->replicas.count && checks->running_count < RUNNING_MAX; i++) {
		const struct job_url *url = &job->replicas.items[i];
		uint64_t key = key_of(places, url, job->health);
		char room[ROUTE_AUTHORITY_MAX];
		const struct replica_label label = {job->id, replica_name(url, room)};

		if (replica_take_check(places, key, &label, now_ms))
			begin(checks, job, url, key);
	}
}

static void
look(struct timer *timer)
{
	struct health_checks *checks = container_of(timer, struct health_checks, timer);
	struct loop *loop = checks->context->loop;
	uint64_t now_ms = loop_now_ms(loop);
	bool any = false;

	for (size_t i = 0; i < JOBS_MAX; i++) {
		struct checked_job *job = &checks->jobs[i];

		if (job->used_ms == 0)
			continue;
		if (now_ms - job->used_ms >= HEALTH_LINGER_MS) {
			job->used_ms = 0;
			continue;
		}
		any = true;
		look_at(checks, job, now_ms);
	}
	if (any)
		timer_start(loop, &checks->timer, TICK_MS);
}

/* ---- the jobs ---- */

static struct health_checks *
checks_of(struct exchange_context *context)
{
	struct health_checks *checks = context->health_checks;

	if (checks != NULL || context->draining)
		return checks;
	checks = context->health_checks = calloc(1, sizeof(*checks));
	if (checks == NULL)
		return NULL;
	checks->context = context;
	checks->timer.expired = look;
	LIST_INIT(&checks->running);
	return checks;
}

/* The job's place, or a free one; NULL when none is left. */
static struct checked_job *
place_of(struct health_checks *checks, struct slice id)
{
	uint64_t hash = siphash_64(checks->context->digests.key, id);
	struct checked_job *free_one = NULL;

	for (size_t step = 0; step < STEPS_MAX; step++) {
		struct checked_job *place = &checks->jobs[(size_t)(hash + step) % JOBS_MAX];

		if (place->used_ms == 0)
			free_one = free_one != NULL ? free_one : place;
		else if (slice_equal((struct slice){place->id, place->id_len}, id))
			return place;
	}
	return free_one;
}

void
health_checks_use(struct exchange_context *context, const struct job *job)
{
	struct health_checks *checks;
	struct checked_job *place;

	if (job->health.len == 0 || context->options.replica_places == NULL)
		return;
	checks = checks_of(context);
	place = checks != NULL ? place_of(checks, job->id) : NULL;
	if (place == NULL)
		return;
	if (place->used_ms == 0) {
		place->id_len = job->id.len;
		memcpy(place->id, job->id.at, job->id.len);
	}
	place->used_ms = loop_now_ms(context->loop);
	if (checks->timer.due_ms == 0 && !context->draining)
		timer_start(context->loop, &checks->timer, 1);
}

void
health_checks_stop(struct exchange_context *context)
{
	if (context->health_checks != NULL)
		timer_stop(&context->health_checks->timer);
}

void
health_checks_free(struct exchange_context *context)
{
	struct health_checks *checks = context->health_checks;
	struct replica_check *running;

	if (checks == NULL)
		return;
	while ((running = LIST_FIRST(&checks->running)) != NULL) {
		/* It leaves the list. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		health_check_cancel(running->check);
		drop(running);
	}
	timer_remove(&checks->timer);
	free(checks);
	context->health_checks = NULL;
}
