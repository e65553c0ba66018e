/* handlers.c - what the handlers of several endpoints share. */
#include "auth/control/handlers.h"
#include "auth/record.h"

#include "auth/control/caller.h"
#include "auth/control/job_sessions.h"
#include "auth/control/scope.h"
#include "auth/control/view.h"
#include "jobgate/check.h"

void
handler_refuse_input(struct call *call, const struct input_error *error)
{
	if (error->memory_short)
		call_refuse_memory(call);
	else
		call_refuse(
		    call, 400, error->field[0] != '\0' ? error->field : NULL, "%s", error->detail);
}

bool
handler_job_is_taken(const struct control *control, struct slice id)
{
	const struct control_settings *settings = &control->setup->settings;

	return (settings->taken_job != NULL && slice_equal(id, slice_of(settings->taken_job))) ||
	       (settings->taken_too != NULL && slice_equal(id, slice_of(settings->taken_too)));
}

json_t *
handler_body(struct call *call, const char *const *known)
{
	struct input_error error;
	json_t *object;

	CHECK(call->caller != CALLER_UNAUTHENTICATED, call_dump, call);
	object = input_object(call->body, call->body_len, known, &error);

	if (object == NULL)
		handler_refuse_input(call, &error);
	return object;
}

bool
handler_id(struct call *call, enum record_kind kind)
{
	bool valid = record_types[kind].id_valid(call->id);

	CHECK(call->caller != CALLER_UNAUTHENTICATED, call_dump, call);
	call->kind = kind;
	if (!valid) /* the same answer as for an id that could exist */
		handler_store_refused(call, STORE_ABSENT, record_types[kind].noun);
	return valid;
}

void
handler_store_refused(struct call *call, enum store_result result, const char *noun)
{
	switch (result) {
	case STORE_ABSENT:
		call_refuse(
		    call, 404, NULL, "there is no %s %.*s", noun, (int)call->id.len, call->id.at);
		return;
	case STORE_CONFLICT:
		call_refuse(
		    call, 409, NULL, "another client changed the %s at the same time", noun);
		return;
	case STORE_TOO_MANY:
		call_refuse(call, 400, "labels", "a job has at most %d labels", JOB_LABELS_MAX);
		return;
	case STORE_TOO_MANY_PORTS:
		call_refuse(call, 400, "ports", "a job has at most %d ports", JOB_PORTS_MAX);
		return;
	case STORE_TOO_MANY_PUBLIC:
		call_refuse(call, 409, "access",
		    "the store has %d public jobs, and may not have more: take access from one of "
		    "them first",
		    JOBS_PUBLIC_MAX);
		return;
	case STORE_COLLIDES:
		call_refuse(call, 409, NULL,
		    "a port of one job and another job would have the same host, <id>-<port>: give "
		    "the job another id, or the port another number. (A job whose lease has ended "
		    "counts until a list no longer shows it)");
		return;
	case STORE_OUT_OF_SCOPE:
		call_refuse(call, 403, "labels",
		    "the change would take the job out of the scope of your token");
		return;
	case STORE_IS_PUBLIC:
		call_refuse(call, 403, "access",
		    "the job is public, so only operators without a label selector may change its "
		    "URL and ports: ask one of them, or end its public access first");
		return;
	case STORE_REVOKED:
		caller_refuse_unchanged(call);
		return;
	case STORE_OVER_QUOTA:
		call_refuse(call, 403, NULL,
		    "operators with your label selector have reached their quota of %ss "
		    "(control.scope_%ss): delete some first, or ask the gateway's administrator",
		    noun, noun);
		return;
	case STORE_BROKEN:
	case STORE_CIRCLE:
		call_refuse(
		    call, 500, NULL, "the store's record of this %s breaks the rules", noun);
		return;
	case STORE_TOO_LARGE:
		call_refuse(call, 500, NULL,
		    "the store's record of this %s is too large, with more than 1 MiB or 1024 "
		    "fields: "
		    "delete it, or, in Redis, the fields that do not belong there",
		    noun);
		return;
	case STORE_OTHER_MINT:
		call_refuse(call, 503, NULL,
		    "the store's key for tokens' values was just replaced, so nothing was changed: "
		    "try again");
		return;
	case STORE_UNAVAILABLE:
		call_refuse(call, 503, NULL, "the store does not answer; nothing was changed");
		return;
	case STORE_UNKNOWN:
		call_refuse(call, 503, NULL,
		    "the store did not answer in time, or failed during the change: whether it was "
		    "made is not known; read the record to see");
		return;
	case STORE_OK:
		break;
	}
	call_refuse(call, 500, NULL, "this is a bug in the gateway: report it with the request id");
}

bool
handler_may_grow(struct call *call)
{
	const struct control *control = call->ctx;

	if (disk_may_grow(control->disk))
		return true;
	call_refuse(call, 507, NULL,
	    "the disk of the store (%s) is full: nothing was changed; free some space there, "
	    "then try again",
	    control->setup->store_dir);
	return false;
}

struct store_caller
handler_caller(const struct call *call)
{
	struct store_caller caller = {.scope = &call->scope};

	if (call->token != NULL) {
		caller.id = call->token->token.id;
		caller.hash = call->token->token.hash;
	}
	return caller;
}

const struct store_maker *
handler_maker(const struct call *call, enum record_kind kind, struct store_maker *out)
{
	const struct control *control = call->ctx;
	const struct control_setup *setup = control->setup;

	if (call->token == NULL)
		return NULL;
	*out = (struct store_maker){.id = call->token->token.id,
	    .hash = call->token->token.hash,
	    .most = (unsigned)setup->settings.scope.most[kind]};
	return out;
}

enum store_result
handler_in_scope(const struct call *call, enum store_result result, const struct record *record)
{
	if (call->scope.count == 0)
		return result;
	if (result == STORE_OK)
		return scope_has(&call->scope, record) ? STORE_OK : STORE_ABSENT;
	return result == STORE_BROKEN || result == STORE_TOO_LARGE ? STORE_ABSENT : result;
}

bool
handler_confirmed(struct call *call, enum store_result result, const char *advice)
{
	const struct control *control = call->ctx;
	const struct control_setup *setup = control->setup;

	if (call->replicas >= (int)setup->settings.wait.required ||
	    setup->settings.wait.required == 0)
		return true;
	/*
	 * With other results nothing was changed, or that is unknown. A broken record was changed.
	 */
	if (result != STORE_OK && result != STORE_ABSENT && result != STORE_BROKEN &&
	    result != STORE_TOO_LARGE)
		return true;
	call_refuse(call, 503, NULL,
	    "not confirmed: the store has the change, but only %d of %zu replicas have confirmed "
	    "it, so it could be lost with the primary: %s",
	    call->replicas > 0 ? call->replicas : 0, setup->settings.wait.required, advice);
	return false;
}

static void
got_record(void *ctx, enum store_result result, const struct record *record)
{
	struct call *call = ctx;
	const struct control *control = call->ctx;
	json_t *view;

	result = handler_in_scope(call, result, record);
	if (result != STORE_OK) {
		handler_store_refused(call, result, record_types[call->kind].noun);
		return;
	}
	events_shown(control->events, record);
	view = view_record(record, control->setup->settings.public_url);
	if (call->kind == RECORD_JOB)
		job_sessions_answer(call, record->job.id, view);
	else
		caller_answer(call, view);
}

void
handler_get(struct call *call, enum record_kind kind)
{
	struct control *control = call->ctx;

	if (handler_id(call, kind))
		store_get(control->store, kind, call->id, got_record, call);
}

/* The deletion by this caller; by is "" for a local one. */
static void
deletion_of(const struct call *call, struct deletion *out)
{
	*out = (struct deletion){.kind = call->kind};
	memcpy(out->id, call->id.at, call->id.len);
	if (call->token != NULL)
		memcpy(out->by, call->token->token.id.at, call->token->token.id.len);
}

bool
handler_deleted(struct call *call, enum store_result result)
{
	struct control *control = call->ctx;
	struct deletion deletion;
	bool repeated;

	deletion_of(call, &deletion);
	repeated = result == STORE_ABSENT && unconfirmed_take(&control->unconfirmed, &deletion);
	if (!handler_confirmed(call, result, "repeat the request")) {
		if (repeated || result == STORE_OK)
			unconfirmed_add(&control->unconfirmed, &deletion);
		return false;
	}
	if (result == STORE_OK || repeated)
		return true;
	handler_store_refused(call, result, record_types[call->kind].noun);
	return false;
}

/* Show the caller's token as it was when the caller was identified; it must still be valid. */
void
me_get(struct call *call)
{
	CHECK(call->caller != CALLER_UNAUTHENTICATED, call_dump, call);
	if (call->token != NULL)
		caller_answer(call, view_record(call->token, NULL));
	else
		call_refuse(call, 404, NULL,
		    "you are the local administrator: you sent no token and need none");
}
