/* fixed_job.c - reads the record of a sidecar's job, or of one that may not be, and logs what is
 * wrong. */
#include "auth/control/fixed_job.h"

#include <stdlib.h>
#include <string.h>

#define AGAIN_S 1  /* after a read that failed */
#define PAUSE_S 30 /* after a read that succeeded */

struct fixed_job {
	struct store *store;
	const struct control_settings *settings;
	struct job_reach *reach; /* or NULL */
	const struct log *log;
	struct event *timer;
	char told[FIXED_JOB_TEXT_MAX]; /* what was logged last */
};

const char *
fixed_job_id(const struct control_settings *settings)
{
	if (settings->fixed_job != NULL)
		return settings->fixed_labels == NULL || settings->register_ms > 0
			   ? settings->fixed_job
			   : NULL;
	return settings->taken_job;
}

/* As fixed_job_problem, for the job whose id is taken. */
static bool
taken_job_problem(const char *id, enum store_result result, char out[FIXED_JOB_TEXT_MAX])
{
	if (result != STORE_OK && result != STORE_BROKEN && result != STORE_TOO_LARGE)
		return false;
	snprintf(out, FIXED_JOB_TEXT_MAX,
	    "job %s is not served, because its host would be the gateway's own (control.host or "
	    "browser.host): register it under another id, then jobgate job delete %s",
	    id, id);
	return true;
}

/* As fixed_job_problem, for a job that the gateway itself registers. */
static bool
registration_problem(const char *id, enum store_result result, const struct record *record,
    char out[FIXED_JOB_TEXT_MAX])
{
	if (result == STORE_OK && record->job.lease == 0)
		snprintf(out, FIXED_JOB_TEXT_MAX,
		    "job %s is not registered: its record in the store has no lease, so no gateway "
		    "made it; jobgate job delete %s makes place",
		    id, id);
	else if (result == STORE_COLLIDES)
		snprintf(out, FIXED_JOB_TEXT_MAX,
		    "job %s is not registered: a port of another job has its host; give one of "
		    "them another id or number",
		    id);
	else if (result == STORE_BROKEN || result == STORE_TOO_LARGE)
		snprintf(out, FIXED_JOB_TEXT_MAX,
		    "job %s is not registered: its record in the store breaks the rules; jobgate "
		    "store verify names what is wrong",
		    id);
	return out[0] != '\0';
}

bool
fixed_job_problem(const struct control_settings *settings, enum store_result result,
    const struct record *record, char out[FIXED_JOB_TEXT_MAX])
{
	const char *id = settings->fixed_job;

	out[0] = '\0';
	if (id == NULL)
		return taken_job_problem(settings->taken_job, result, out);
	if (settings->register_ms > 0)
		return registration_problem(id, result, record, out);
	switch (result) {
	case STORE_OK:
		if (settings->fixed_url == NULL && record->job.url.scheme == JOB_URL_NONE) {
			snprintf(out, FIXED_JOB_TEXT_MAX,
			    "job %s has no URL, so its requests get 503: jobgate job set --url URL "
			    "%s, or jobs.fixed_url",
			    id, id);
			return true;
		}
		if (record->job.labels.count == 0)
			snprintf(out, FIXED_JOB_TEXT_MAX,
			    "job %s has no labels, so tokens with a label selector do not reach "
			    "it: "
			    "jobgate job set --label NAME=VALUE %s, or jobs.labels",
			    id, id);
		return false;
	case STORE_ABSENT:
		snprintf(out, FIXED_JOB_TEXT_MAX,
		    "job %s has no record in the store, so all its requests are refused: jobgate "
		    "job create --id %s --label NAME=VALUE, or jobs.labels",
		    id, id);
		return true;
	case STORE_BROKEN:
	case STORE_TOO_LARGE:
		snprintf(out, FIXED_JOB_TEXT_MAX,
		    "the record of job %s in the store breaks the rules, so all its requests are "
		    "refused: jobgate store verify names what is wrong",
		    id);
		return true;
	default:
		return false; /* the store says itself that it is out of reach */
	}
}

static bool
is_answer(enum store_result result)
{
	return result == STORE_OK || result == STORE_ABSENT || result == STORE_BROKEN ||
	       result == STORE_TOO_LARGE;
}

static void
got_record(void *ctx, enum store_result result, const struct record *record)
{
	struct fixed_job *fixed = ctx;
	struct timeval pause = {.tv_sec = is_answer(result) ? PAUSE_S : AGAIN_S};
	char text[FIXED_JOB_TEXT_MAX];

	fixed_job_problem(fixed->settings, result, record, text);
	if (is_answer(result) && strcmp(text, fixed->told) != 0) {
		memcpy(fixed->told, text, sizeof(text));
		if (text[0] != '\0')
			log_warning(fixed->log, "%s", text);
		else if (fixed->settings->fixed_job != NULL)
			log_info(fixed->log, "job %s has all that it needs in the store",
			    fixed->settings->fixed_job);
	}
	if (is_answer(result) && fixed->settings->fixed_job != NULL &&
	    fixed->settings->fixed_url == NULL)
		job_reach_set(fixed->reach, result == STORE_OK ? record->job.url_text : SLICE(""));
	event_add(fixed->timer, &pause); /* fails only without memory: then nothing more is told */
}

static void
read_record(evutil_socket_t fd, short events, void *ctx)
{
	struct fixed_job *fixed = ctx;

	(void)fd;
	(void)events;
	store_get(
	    fixed->store, RECORD_JOB, slice_of(fixed_job_id(fixed->settings)), got_record, fixed);
}

struct fixed_job *
fixed_job_watch(struct event_base *base, struct store *store,
    const struct control_settings *settings, struct job_reach *reach, const struct log *log)
{
	const struct timeval now = {0};
	struct fixed_job *fixed;

	if (fixed_job_id(settings) == NULL || settings->register_ms > 0)
		return NULL; /* registration.c says what is wrong with the record that it keeps */
	fixed = calloc(1, sizeof(*fixed));
	if (fixed == NULL)
		return NULL;
	*fixed =
	    (struct fixed_job){.store = store, .settings = settings, .reach = reach, .log = log};
	fixed->timer = evtimer_new(base, read_record, fixed);
	if (fixed->timer != NULL && event_add(fixed->timer, &now) == 0)
		return fixed;
	fixed_job_free(fixed);
	return NULL;
}

void
fixed_job_free(struct fixed_job *fixed)
{
	if (fixed == NULL)
		return;
	if (fixed->timer != NULL)
		event_free(fixed->timer);
	free(fixed);
}
