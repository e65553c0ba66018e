/* token_patch.c - changes what limits a token, and keeps its value. */
#include <stdlib.h>

#include "auth/control/caller.h"
#include "auth/control/handlers.h"
#include "auth/control/limits.h"
#include "auth/control/view.h"
#include "auth/record.h"
#include "jobgate/clock.h"
#include "jobgate/decision.h"

struct patch {
	struct renewal_input input;
	char change[AUDIT_CHANGE_MAX]; /* for the audit line */
};

static void
patched(void *ctx, enum store_result result, const struct record *record)
{
	struct call *call = ctx;
	const struct patch *patch = call->state;

	handler_audit_change(call, result, "changed", RECORD_TOKEN, call->id, patch->change);
	if (!handler_confirmed(call, result, "repeat the request"))
		return;
	call->changed = result == STORE_OK;
	if (result != STORE_OK)
		handler_store_refused(call, result, record_types[RECORD_TOKEN].noun);
	else if (call->token != NULL && slice_equal(call->token->token.id, call->id))
		call_answer(call, 200, view_record(record, NULL)); /* it may have refused itself */
	else
		caller_answer(call, view_record(record, NULL));
}

/* The current record: its version must not have changed when the limits are written. */
static void
read_for_patch(void *ctx, enum store_result result, const struct record *record)
{
	struct call *call = ctx;
	struct control *control = call->ctx;
	struct patch *patch = call->state;
	uint64_t now_ms = clock_ms(CLOCK_REALTIME);
	struct record changed;
	const struct store_caller caller = handler_caller(call);
	char now[VIEW_TIME_MAX];

	result = handler_in_scope(call, result, record);
	if (result != STORE_OK) {
		handler_store_refused(call, result, record_types[RECORD_TOKEN].noun);
		return;
	}
	if (jg_token_is_expired(&record->token, now_ms)) {
		call_refuse(call, 409, "expires_at",
		    "the token has expired, and its value stays refused: renew the token");
		return;
	}
	changed = *record;
	input_renewal_apply(&patch->input, &changed.token);
	if (!limits_allow_renewal(call, &changed.token))
		return;
	audit_token_change(&record->token, &changed.token, patch->change);
	view_time(now_ms, now);
	changed.token.updated_at = slice_of(now);
	disk_make_room(control->disk);
	store_token_limit(control->store, &caller, &changed, patch->input.changed, patched, call);
}

/* Read the body. False after answering. */
static bool
read_patch(struct call *call, struct renewal_input *out)
{
	json_t *body = handler_body(call, token_patch_fields);
	struct input_error error;
	bool good, changes;

	if (body == NULL)
		return false;
	good = input_renewal(body, out, &error) &&
	       input_expiry_check(out->expires_ms, clock_ms(CLOCK_REALTIME), &error);
	changes = out->changed != 0; /* a refusal frees *out */
	if (!good)
		handler_refuse_input(call, &error);
	else if (!changes)
		call_refuse(call, 400, NULL,
		    "nothing to change: give expires_at, from, rate, burst or concurrency");
	json_decref(body);
	return good && changes;
}

static void
patch_named(struct call *call)
{
	struct control *control = call->ctx;
	struct patch *patch;

	if (!handler_id(call, RECORD_TOKEN))
		return;
	patch = calloc(1, sizeof(*patch));
	if (patch == NULL) {
		call_refuse_memory(call);
		return;
	}
	call->state = patch;
	call->state_free = free;
	if (read_patch(call, &patch->input))
		store_get(control->store, RECORD_TOKEN, call->id, read_for_patch, call);
}

void
tokens_patch(struct call *call)
{
	handler_token(call, patch_named);
}
