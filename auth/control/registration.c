/* registration.c - keeps the record of a sidecar's job in the store. */
#include "auth/control/registration.h"

#include <stdlib.h>
#include <string.h>

#include "auth/control/fixed_job.h"
#include "auth/control/view.h"
#include "jobgate/clock.h"

#define AGAIN_MS 1000 /* after a step that the store did not answer */
#define FINISH_S 1
#define TOLD_MAX FIXED_JOB_TEXT_MAX

struct registration {
	struct store *store;
	const struct control_settings *settings;
	const struct log *log;
	struct event *timer;
	struct event_base *last_loop; /* with registration_finish: it ends with the next answer */
	struct label labels[SELECTOR_LABELS_MAX];
	struct job job; /* all but its times */
	const char *mark;
	bool held; /* the lease has been renewed here */
	bool under_way;
	char told[TOLD_MAX]; /* what was logged last */
};

static void
next(struct registration *registration, uint64_t ms)
{
	const struct timeval pause = {
	    .tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};

	registration->under_way = false;
	if (registration->last_loop != NULL)
		event_base_loopbreak(registration->last_loop);
	else
		event_add(registration->timer, &pause); /* fails only without memory */
}

/* Log it, unless it was the last that was logged. */
__attribute__((format(printf, 3, 4))) static void
tell(struct registration *registration, enum log_level level, const char *format, ...)
{
	char text[TOLD_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (strcmp(text, registration->told) == 0)
		return;
	memcpy(registration->told, text, sizeof(text));
	jg_log(registration->log, level, "%s", text);
}

/* True when others see the job as the configuration has it. */
static bool
is_as_configured(const struct registration *registration, const struct job *job)
{
	return job->labels.count == registration->job.labels.count &&
	       jg_selector_match(&registration->job.labels, &job->labels) &&
	       slice_equal(job->url_text, registration->job.url_text);
}

/* The lease has begun again. Afterwards it is renewed three times as often as it needs. */
static void
hold(struct registration *registration, const struct job *job)
{
	const char *id = registration->settings->fixed_job;

	registration->held = true;
	if (!is_as_configured(registration, job))
		tell(registration, LOG_LEVEL_WARNING,
		    "job %s has other labels or another URL in the store than here: this gateway "
		    "goes by its own labels; jobgate job delete %s has it registered again",
		    id, id);
	else
		tell(registration, LOG_LEVEL_INFO, "job %s is registered, with a lease of %llu s",
		    id, (unsigned long long)registration->job.lease);
	next(registration, registration->settings->register_ms / 3);
}

/* Nothing was changed. record is another gateway's, or NULL. */
static void
refused(struct registration *registration, enum store_result result, const struct record *record)
{
	const char *id = registration->settings->fixed_job;
	const struct record no_lease = {.kind = RECORD_JOB};
	char text[FIXED_JOB_TEXT_MAX] = "";

	registration->held = false;
	if (result == STORE_CONFLICT && record != NULL)
		snprintf(text, sizeof(text),
		    "job %s is in the store with other labels, another URL or another lease than "
		    "here: this gateway does not renew that record, and registers the job when it "
		    "has ended; jobgate job get %s shows it",
		    id, id);
	else
		fixed_job_problem(registration->settings,
		    result == STORE_CONFLICT ? STORE_OK : result, &no_lease, text);
	if (text[0] != '\0')
		tell(registration, LOG_LEVEL_WARNING, "%s", text);
	/* If the store is out of reach, it says so itself. */
	next(registration, text[0] != '\0' ? registration->settings->register_ms / 3 : AGAIN_MS);
}

static void
registered(void *ctx, enum store_result result, const struct record *record)
{
	struct registration *registration = ctx;

	if (result == STORE_OK)
		hold(registration, &record->job);
	else
		refused(registration, result, record);
}

static void
step(evutil_socket_t fd, short events, void *ctx)
{
	struct registration *registration = ctx;
	struct record record = {.kind = RECORD_JOB, .job = registration->job};
	uint64_t now_ms = clock_ms(CLOCK_REALTIME);
	char now[VIEW_TIME_MAX];

	(void)fd;
	(void)events;
	view_time(now_ms, now);
	record.job.created_at = record.job.updated_at = slice_of(now);
	registration->under_way = true;
	store_job_register(
	    registration->store, &record, now_ms, registration->mark, registered, registration);
}

struct registration *
registration_new(struct event_base *base, struct store *store,
    const struct control_settings *settings, const char *mark, const struct log *log)
{
	const struct timeval now = {0};
	struct registration *registration;
	size_t bad;

	if (settings->register_ms == 0 || mark == NULL)
		return NULL;
	registration = calloc(1, sizeof(*registration));
	if (registration == NULL)
		return NULL;
	registration->store = store;
	registration->settings = settings;
	registration->mark = mark;
	registration->log = log;
	registration->job = (struct job){.id = slice_of(settings->fixed_job),
	    .labels.items = registration->labels,
	    .lease = settings->register_ms / 1000};
	if (settings->register_url != NULL)
		registration->job.url_text = slice_of(settings->register_url);
	jg_job_url_parse(registration->job.url_text, &registration->job.url, &bad);
	jg_selector_parse(slice_of(settings->fixed_labels), registration->labels,
	    &registration->job.labels.count, &bad);
	registration->timer = evtimer_new(base, step, registration);
	if (registration->timer != NULL && event_add(registration->timer, &now) == 0)
		return registration;
	registration_free(registration);
	return NULL;
}

/* As audit.c writes it for the changes of others, whatever the log level is. */
static void
audit_deletion(const struct registration *registration)
{
	struct log log = *registration->log;

	if (log.level < LOG_LEVEL_INFO)
		log.level = LOG_LEVEL_INFO;
	log_info(&log, "audit: job deleted %s by this gateway, which had registered it",
	    registration->settings->fixed_job);
}

static void
unregistered(void *ctx, enum store_result result, const struct record *none)
{
	struct registration *registration = ctx;

	(void)none;
	if (result == STORE_OK)
		audit_deletion(registration);
	else if (result == STORE_CONFLICT)
		log_info(registration->log,
		    "job %s stays registered: another gateway has renewed its lease",
		    registration->settings->fixed_job);
	next(registration, 0);
}

static void
turn(struct event_base *base)
{
	const struct timeval timeout = {.tv_sec = FINISH_S};

	if (event_base_loopexit(base, &timeout) == 0)
		event_base_dispatch(base);
}

void
registration_finish(struct registration *registration, struct event_base *base, bool hands_over)
{
	if (registration == NULL)
		return;
	event_del(registration->timer);
	registration->last_loop = base;
	if (registration->under_way) /* what it makes must be known, to be deleted */
		turn(base);
	if (registration->under_way || !registration->held || hands_over)
		return;
	registration->under_way = true;
	store_job_unregister(registration->store, registration->job.id, registration->mark,
	    unregistered, registration);
	if (registration->under_way)
		turn(base);
}

void
registration_free(struct registration *registration)
{
	if (registration == NULL)
		return;
	if (registration->timer != NULL)
		event_free(registration->timer);
	free(registration);
}
