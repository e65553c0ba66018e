/* delete.c - deletes a token, or a token with all its descendants, in batches. */
#include <stdlib.h>

#include "auth/control/handlers.h"

/* Of 100 tokens each. The caller repeats a larger cascade: a call must not run without end. */
#define BATCHES_MAX 1000

/* Of remote callers, at the same time: each keeps the store busy. */
#define CASCADES_MAX 2

struct cascade {
	struct control *control; /* counts it; NULL: of a local caller */
	unsigned batches;
	unsigned deleted;
};

static void
deleted(void *ctx, enum store_result result, const struct record *none)
{
	struct call *call = ctx;
	const struct control *control = call->ctx;
	const struct store_deletion *deletion = store_deletion(control->store);

	(void)none;
	handler_audit_gone(call, result, "deleted", RECORD_TOKEN, call->id);
	if (!handler_deleted(call, result))
		return;
	if (result == STORE_OK && (deletion->remaining > 0 || deletion->more))
		call_answer(call, 200,
		    json_pack("{s:i, s:b}", "remaining_tokens", (int)deletion->remaining, "more",
			deletion->more));
	else
		call_answer(call, 204, NULL);
}

static void cascade_step(struct call *call);

static void
cascade_free(void *state)
{
	struct cascade *cascade = state;

	if (cascade->control != NULL)
		cascade->control->cascades--;
	free(cascade);
}

/*
 * Write an audit line for each token of the batch; if its answer is lost, one for all of them. The
 * script returns only the record of the token that the caller named; of the others, only the ids.
 */
static void
cascade_audit(struct call *call, enum store_result result, const struct store_deletion *deletion)
{
	for (size_t i = 0; i < deletion->count; i++) {
		struct slice id = {deletion->ids[i], TOKEN_ID_LEN};

		if (slice_equal(id, call->id))
			handler_audit_gone(
			    call, STORE_OK, "deleted with cascade", RECORD_TOKEN, id);
		else
			handler_audit(call, STORE_OK, "deleted with cascade", RECORD_TOKEN, id);
	}
	if (result == STORE_UNKNOWN)
		handler_audit(call, result, "and up to 100 of its descendants deleted with cascade",
		    RECORD_TOKEN, call->id);
}

static void
cascade_end(struct call *call, enum store_result result)
{
	const struct cascade *cascade = call->state;
	unsigned deleted = cascade->deleted;

	if (result == STORE_UNAVAILABLE || result == STORE_UNKNOWN) {
		call_refuse(call, 503, NULL,
		    "not finished: the store does not answer; %u tokens were deleted: repeat the "
		    "request",
		    deleted);
		return;
	}
	if (result == STORE_BROKEN) {
		call_refuse(call, 500, NULL,
		    "%u tokens were deleted, but a key of the store that should be a set of "
		    "created tokens (made:...) is not a set: look at it, then repeat the request",
		    deleted);
		return;
	}
	if (result == STORE_OK && deleted == 0)
		result = STORE_ABSENT;
	if (handler_deleted(call, result))
		call_answer(call, 200, json_pack("{s:i}", "deleted_tokens", (int)deleted));
}

static void
cascade_went(void *ctx, enum store_result result, const struct record *none)
{
	struct call *call = ctx;
	const struct control *control = call->ctx;
	const struct store_deletion *deletion = store_deletion(control->store);
	struct cascade *cascade = call->state;

	(void)none;
	call->replicas = store_confirmed(control->store);
	cascade_audit(call, result, deletion);
	cascade->deleted += (unsigned)deletion->count;
	if (result != STORE_OK || !deletion->more)
		cascade_end(call, result);
	else if (++cascade->batches < BATCHES_MAX)
		cascade_step(call);
	else
		call_refuse(call, 503, NULL,
		    "not finished: %u tokens were deleted, and more remain: repeat the request",
		    cascade->deleted);
}

static void
cascade_step(struct call *call)
{
	struct control *control = call->ctx;
	const struct cascade *cascade = call->state;
	struct store_caller caller = handler_caller(call);

	if (cascade->batches > 0)
		caller.hash = NULL; /* a batch may have deleted the caller's token */
	disk_make_room(control->disk);
	store_token_cascade(control->store, call->id, &caller, cascade_went, call);
}

/*
 * The caller is not confirmed again between the batches: it may delete its own token, or the one
 * that created it, and the tokens of a creator that is gone must not outlive it.
 */
static void
cascade_begin(struct call *call)
{
	struct control *control = call->ctx;
	struct cascade *cascade;

	if (call->caller != CALLER_LOCAL && control->cascades >= CASCADES_MAX) {
		call_refuse(call, 429, NULL,
		    "other tokens are being deleted with all that they created, and nothing was "
		    "changed: try again in a moment");
		return;
	}
	cascade = calloc(1, sizeof(*cascade));
	if (cascade == NULL) {
		call_refuse_memory(call);
		return;
	}
	if (call->caller != CALLER_LOCAL) {
		cascade->control = control;
		control->cascades++;
	}
	call->state = cascade;
	call->state_free = cascade_free;
	cascade_step(call);
}

static void
delete_named(struct call *call)
{
	struct control *control = call->ctx;
	const struct store_caller caller = handler_caller(call);
	bool cascades = slice_equal(call->query, SLICE("cascade=true"));

	if (!handler_id(call, RECORD_TOKEN))
		return;
	if (!cascades && call->query.len > 0 && !slice_equal(call->query, SLICE("cascade=false"))) {
		call_refuse(call, 400, "cascade",
		    "nothing was deleted: this takes cascade=true, cascade=false, or no parameter");
	} else if (cascades) {
		cascade_begin(call);
	} else {
		disk_make_room(control->disk);
		store_token_delete(control->store, call->id, &caller, deleted, call);
	}
}

void
tokens_delete(struct call *call)
{
	handler_token(call, delete_named);
}
