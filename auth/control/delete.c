/* delete.c - deletes tokens: one, or with it all that it has created, batch by batch. */
#include <stdlib.h>

#include "auth/control/handlers.h"

/* 100 tokens in each. A cascade of more is repeated by its caller, so that no call runs for ever.
 */
#define BATCHES_MAX 1000

struct cascade {
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
	handler_audit(call, result, "deleted", RECORD_TOKEN, call->id);
	if (!handler_deleted(call, result))
		return;
	if (result == STORE_OK && deletion->remaining > 0)
		call_answer(call, 200,
		    json_pack("{s:i, s:b}", "remaining_tokens", (int)deletion->remaining, "more",
			deletion->more));
	else
		call_answer(call, 204, NULL);
}

static void cascade_step(struct call *call);

/* Write an audit line for each token of the batch. */
static void
cascade_audit(struct call *call, enum store_result result, const struct store_deletion *deletion)
{
	if (result != STORE_OK)
		handler_audit(call, result, "deleted with cascade", RECORD_TOKEN, call->id);
	for (size_t i = 0; result == STORE_OK && i < deletion->count; i++)
		handler_audit(call, result, "deleted with cascade", RECORD_TOKEN,
		    (struct slice){deletion->ids[i], TOKEN_ID_LEN});
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
	if (result == STORE_OK)
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

	disk_make_room(control->disk);
	store_token_cascade(control->store, call->id, &call->scope, cascade_went, call);
}

/*
 * The caller is not confirmed again between the batches: it may delete its own token, or the one
 * that created it, and the tokens of a creator that is gone must not outlive it.
 */
static void
cascade_begin(struct call *call)
{
	call->state = calloc(1, sizeof(struct cascade));
	call->state_free = free;
	if (call->state != NULL)
		cascade_step(call);
	else
		call_refuse(call, 500, NULL, "memory is short");
}

static void
delete_named(struct call *call)
{
	struct control *control = call->ctx;
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
		store_token_delete(control->store, call->id, &call->scope, deleted, call);
	}
}

void
tokens_delete(struct call *call)
{
	handler_token(call, delete_named);
}
