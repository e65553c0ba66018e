/* job_patch.c - changes a job: its URLs, ports, labels and access. */
#include "auth/control/handlers.h"
#include "auth/control/job_checks.h"
#include "auth/control/scope.h"
#include "auth/control/view.h"
#include "auth/record.h"
#include "jobgate/clock.h"

/* With STORE_BROKEN the record was changed, too, but still breaks the rules. */
static void
note_patch(struct call *call, enum store_result result, const struct record *record)
{
	const struct control *control = call->ctx;
	const struct record *before = store_before(control->store);
	bool unmended = result == STORE_BROKEN || result == STORE_TOO_LARGE;
	char change[AUDIT_CHANGE_MAX] = "";

	if (record != NULL && before != NULL)
		audit_job_change(&before->job, &record->job, change);
	handler_audit_change(
	    call, unmended ? STORE_OK : result, "changed", RECORD_JOB, call->id, change);
}

static void
answer_patch(struct call *call, enum store_result result, const struct record *record)
{
	const struct control *control = call->ctx;

	if (result == STORE_OK)
		call_answer(call, 200, view_record(record, control->setup->settings.public_url));
	else
		handler_store_refused(call, result, record_types[RECORD_JOB].noun);
}

static void
patched(void *ctx, enum store_result result, const struct record *record)
{
	struct call *call = ctx;

	note_patch(call, result, record);
	answer_patch(call, result, record);
}

/*
 * The same for a patch that may have taken the job out of a token's reach, which is a revocation.
 */
static void
narrowed(void *ctx, enum store_result result, const struct record *record)
{
	struct call *call = ctx;

	note_patch(call, result, record);
	if (handler_confirmed(call, result, "repeat the request"))
		answer_patch(call, result, record);
}

/* True when a token, or everyone, reaches the job now, and may not reach it after the patch. */
static bool
narrows(const struct record_input *patch)
{
	return job_has(patch->removed, JOB_FIELD_ACCESS) ||
	       job_has(patch->removed, JOB_FIELD_URL) ||
	       job_has(patch->removed, JOB_FIELD_LABELS) ||
	       job_has(patch->removed, JOB_FIELD_PORTS) || patch->removed_port_count > 0 ||
	       patch->removed_label_count > 0 || patch->label_count > 0;
}

/* True when the patch does more than remove. */
static bool
adds(const struct record_input *patch)
{
	return job_has(patch->given, JOB_FIELD_URL) || job_has(patch->given, JOB_FIELD_ACCESS) ||
	       patch->label_count > 0 || patch->port_count > 0;
}

/*
 * True when the caller has a scope and the patch changes where the job's requests go, without
 * ending public access. Requests without a token reach what is behind a public job, so only
 * operators that may make a job public may change this.
 */
static bool
redirects_public(const struct call *call, const struct record_input *patch)
{
	return call->scope.count > 0 && !job_has(patch->removed, JOB_FIELD_ACCESS) &&
	       (job_has(patch->given, JOB_FIELD_URL) || patch->port_count > 0);
}

void
jobs_patch(struct call *call)
{
	struct control *control = call->ctx;
	struct record_input input;
	struct input_error error;
	char now[VIEW_TIME_MAX];
	const struct store_caller caller = handler_caller(call);
	json_t *body;

	if (!handler_id(call, RECORD_JOB) || (body = handler_body(call, NULL)) == NULL)
		return;
	if (!input_record(body, RECORD_JOB, INPUT_PATCH, &input, &error)) {
		handler_refuse_input(call, &error);
		goto done;
	}
	if (!job_check_hosts(call, call->id, &input) || !job_check_urls(call, &input) ||
	    !job_check_access(call, &input) || (adds(&input) && !handler_may_grow(call)))
		goto done;
	disk_make_room(control->disk);
	view_time(clock_ms(CLOCK_REALTIME), now);
	store_job_patch(control->store, call->id, &caller,
	    &(struct store_job_patch){
		.leaves_scope = scope_left_by(&call->scope, &input),
		.not_of_public = redirects_public(call, &input),
		.record = &input.record,
		.given = input.given,
		.removed = input.removed,
		.labels_removed = input.removed_labels,
		.labels_removed_count = input.removed_label_count,
		.ports_removed = input.removed_ports,
		.ports_removed_count = input.removed_port_count,
		.updated_at = slice_of(now),
	    },
	    narrows(&input) ? narrowed : patched, call);
done:
	json_decref(body);
}
