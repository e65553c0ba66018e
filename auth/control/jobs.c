/* jobs.c - registers, renews, shows and deletes jobs. */
#include <stdio.h>
#include <stdlib.h>

#include <openssl/rand.h>

#include "auth/control/handlers.h"
#include "auth/control/job_checks.h"
#include "auth/control/scope.h"
#include "auth/control/view.h"
#include "auth/record.h"
#include "jobgate/clock.h"

#define UUID_LEN 36

/* A random UUID (RFC 9562 version 4), which is a valid job id. */
static bool
uuid_make(char out[UUID_LEN + 1])
{
	unsigned char random[16];
	char *to = out;

	if (RAND_bytes(random, sizeof(random)) != 1)
		return false;
	random[6] = (random[6] & 0x0f) | 0x40;
	random[8] = (random[8] & 0x3f) | 0x80;
	for (size_t i = 0; i < sizeof(random); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*to++ = '-';
		to += snprintf(to, 3, "%02x", random[i]);
	}
	return true;
}

/* A job that is being created. */
struct creation {
	char id[JOB_ID_MAX + 1];
	json_t *record;		       /* the answer */
	char change[AUDIT_CHANGE_MAX]; /* for the audit line */
};

static void
creation_free(void *state)
{
	struct creation *creation = state;

	json_decref(creation->record);
	free(creation);
}

static void
created(void *ctx, enum store_result result, const struct record *none)
{
	struct call *call = ctx;
	struct creation *creation = call->state;
	char location[sizeof("/v1/jobs/") + JOB_ID_MAX] = "/v1/jobs/";

	(void)none;
	handler_audit_change(
	    call, result, "created", RECORD_JOB, slice_of(creation->id), creation->change);
	if (result == STORE_CONFLICT) {
		call_refuse(call, 409, "id", "job %s exists already", creation->id);
		return;
	}
	if (result != STORE_OK) {
		handler_store_refused(call, result, record_types[RECORD_JOB].noun);
		return;
	}
	strcat(location, creation->id);
	call_answer_created(call, location, json_incref(creation->record));
}

/* Use the given id, or make one. False when randomness or memory is short. */
static bool
creation_new(struct call *call, struct slice id)
{
	struct creation *creation = calloc(1, sizeof(*creation));

	if (creation == NULL)
		return false;
	call->state = creation;
	call->state_free = creation_free;
	if (id.len == 0)
		return uuid_make(creation->id);
	memcpy(creation->id, id.at, id.len);
	return true;
}

/* Add the labels that the caller's token is limited to. False after answering. */
static bool
add_labels_of_scope(struct call *call, struct record_input *input)
{
	struct slice culprit = SLICE("");
	char field[sizeof("labels.") + LABEL_NAME_MAX];

	switch (
	    scope_add(&call->scope, input->labels, &input->label_count, JOB_LABELS_MAX, &culprit)) {
	case SCOPE_OK:
		return true;
	case SCOPE_CONTRADICTED:
		snprintf(field, sizeof(field), "labels.%.*s", (int)culprit.len, culprit.at);
		call_refuse(
		    call, 403, field, "your token is limited to another value of this label");
		return false;
	case SCOPE_TOO_MANY:
		break;
	}
	call_refuse(call, 400, "labels",
	    "a job has at most %d labels, and the labels that your token is limited to are added "
	    "to yours",
	    JOB_LABELS_MAX);
	return false;
}

/* Refuse an id whose host is the gateway's own. False after answering. */
static bool
check_id(struct call *call, const struct record_input *input)
{
	const struct control *control = call->ctx;
	struct slice id = input->record.job.id;

	if (!handler_job_is_taken(control, id))
		return true;
	call_refuse(call, 409, "id",
	    "the host of job %.*s would be the gateway's own (control.host or browser.host): give "
	    "the job another id",
	    (int)id.len, id.at);
	return false;
}

void
jobs_create(struct call *call)
{
	struct control *control = call->ctx;
	json_t *body = handler_body(call, NULL);
	struct store_maker maker;
	struct creation *creation;
	struct record_input input;
	struct record record;
	struct input_error error;
	char now[VIEW_TIME_MAX];
	uint64_t now_ms = clock_ms(CLOCK_REALTIME);

	if (body == NULL)
		return;
	if (!input_record(body, RECORD_JOB, INPUT_CREATE, &input, &error)) {
		handler_refuse_input(call, &error);
		goto done;
	}
	if (!check_id(call, &input) || !job_check_hosts(call, input.record.job.id, &input) ||
	    !job_check_urls(call, &input) || !job_check_access(call, &input) ||
	    !add_labels_of_scope(call, &input) || !handler_may_grow(call))
		goto done;
	if (!creation_new(call, input.record.job.id)) {
		call_refuse(call, 500, NULL,
		    "no id could be made, since memory or randomness is short: try again");
		goto done;
	}
	creation = call->state;
	view_time(now_ms, now);
	record = input.record;
	record.job.id = slice_of(creation->id);
	record.job.labels = (struct label_set){input.label_count, input.labels};
	record.job.created_at = record.job.updated_at = slice_of(now);
	creation->record = view_record(&record, control->setup->settings.public_url);
	audit_job_new(&record.job, creation->change);
	store_create(control->store, &record, now_ms, handler_maker(call, RECORD_JOB, &maker),
	    created, call);
done:
	json_decref(body);
}

/* No line in the audit log: nothing changes, and leases are renewed every few seconds. */
static void
renewed(void *ctx, enum store_result result, const struct record *record)
{
	struct call *call = ctx;
	const struct control *control = call->ctx;

	if (result == STORE_OK)
		call_answer(call, 200, view_record(record, control->setup->settings.public_url));
	else if (result == STORE_CONFLICT)
		call_refuse(call, 409, NULL, "this job has no lease: it stays until it is deleted");
	else
		handler_store_refused(call, result, record_types[RECORD_JOB].noun);
}

void
jobs_renew(struct call *call)
{
	struct control *control = call->ctx;
	const struct store_caller caller = handler_caller(call);

	if (call->body_len > 0)
		call_refuse(call, 400, NULL, "renew takes no body");
	else if (handler_id(call, RECORD_JOB)) {
		disk_make_room(control->disk);
		store_job_renew(control->store, call->id, &caller, renewed, call);
	}
}

void
jobs_list(struct call *call)
{
	handler_list(call, RECORD_JOB);
}

void
jobs_get(struct call *call)
{
	handler_get(call, RECORD_JOB);
}

static void
deleted(void *ctx, enum store_result result, const struct record *none)
{
	struct call *call = ctx;

	(void)none;
	handler_audit_gone(call, result, "deleted", RECORD_JOB, call->id);
	if (handler_deleted(call, result))
		call_answer(call, 204, NULL);
}

void
jobs_delete(struct call *call)
{
	struct control *control = call->ctx;
	const struct store_caller caller = handler_caller(call);

	if (!handler_id(call, RECORD_JOB))
		return;
	disk_make_room(control->disk);
	store_job_delete(control->store, call->id, &caller, deleted, call);
}
