/* sign_ins.c - what workers ask for the sign-in host: browsers' sign-ins, and one-time codes.
 *
 * Workers read only the status of the answer: 204, 404 (no such sign-in or code), 409 (it exists,
 * or the code is another sign-in's), 429 (too many sign-ins of a token), or a failure.
 */
#include "auth/control/handlers.h"

static const char *const known[] = {
    "id", "code", "token", "version", "mark", "seconds", "replaces", NULL};

/* The longest sign-in, in seconds: as browser.session allows (keys.c of the gateway). */
#define SECONDS_MAX 31536000

static struct slice
text_of(const json_t *body, const char *name)
{
	const json_t *value = json_object_get(body, name);

	return json_is_string(value)
		   ? (struct slice){json_string_value(value), json_string_length(value)}
		   : (struct slice){0};
}

/* Read a body that has an id and, where with_code is true, a code. NULL after refusing it. */
static json_t *
body_of(struct call *call, bool with_code, struct slice *id, struct slice *code)
{
	struct input_error error;
	json_t *body = input_object(call->body, call->body_len, known, &error);

	if (body == NULL) {
		handler_refuse_input(call, &error);
		return NULL;
	}
	*id = text_of(body, "id");
	*code = text_of(body, "code");
	if (jg_sign_in_id_valid(*id) && (!with_code || jg_sign_in_code_valid(*code)))
		return body;
	json_decref(body);
	call_refuse(call, 400, "id", "a sign-in or a code is not valid");
	return NULL;
}

static void
answer(struct call *call, enum store_result result)
{
	switch (result) {
	case STORE_OK:
		call_answer(call, 204, NULL);
		return;
	case STORE_CONFLICT:
		call_refuse(call, 409, NULL, "the sign-in or the code exists, or they differ");
		return;
	case STORE_TOO_MANY:
		call_refuse(call, 429, NULL,
		    "a token has at most %d sign-ins at the same time, and a sign-in at most %d "
		    "codes in %d seconds",
		    SIGN_INS_OF_TOKEN_MAX, SIGN_IN_CODES_MAX, SIGN_IN_CODE_SECONDS);
		return;
	default:
		handler_store_refused(call, result, "sign-in or code");
	}
}

static void
changed(void *ctx, enum store_result result, const struct record *none)
{
	(void)none;
	answer(ctx, result);
}

/* A sign-out that replicas must confirm is repeated by the person. */
static void
deleted(void *ctx, enum store_result result, const struct record *none)
{
	struct call *call = ctx;
	const struct control *control = call->ctx;

	(void)none;
	call->replicas = store_confirmed(control->store);
	if (handler_confirmed(call, result, "sign out again"))
		answer(call, result);
}

/*
 * The worker has left before its answer: the browser's request was ended, by itself or by an
 * operator. No browser will have this sign-in, so it ends. (A worker that leaves later than this
 * has read that the sign-in is there.)
 */
static void
created(void *ctx, enum store_result result, const struct record *none)
{
	struct call *call = ctx;
	const struct control *control = call->ctx;
	struct slice id, code;
	json_t *body;

	if (result != STORE_OK || call->has_left == NULL || !call->has_left(call)) {
		changed(ctx, result, none);
		return;
	}
	body = body_of(call, true, &id, &code);
	if (body == NULL)
		return;
	store_sign_in_delete(control->store, id, deleted, call);
	json_decref(body);
}

void
sign_ins_create(struct call *call)
{
	const struct control *control = call->ctx;
	struct store_sign_in sign_in;
	json_t *body = body_of(call, true, &sign_in.id, &sign_in.code);

	if (body == NULL)
		return;
	sign_in.replaces = text_of(body, "replaces");
	if ((sign_in.replaces.len > 0 && !jg_sign_in_id_valid(sign_in.replaces)) ||
	    !jg_sign_in_parse(text_of(body, "token"), text_of(body, "version"),
		text_of(body, "mark"), &sign_in.record) ||
	    !slice_to_number(text_of(body, "seconds"), SECONDS_MAX, &sign_in.seconds) ||
	    sign_in.seconds == 0)
		call_refuse(call, 400, "token", "a sign-in names a token, and how long it lasts");
	else if (handler_may_grow(call))
		store_sign_in_create(control->store, &sign_in, created, call);
	json_decref(body);
}

void
sign_ins_delete(struct call *call)
{
	const struct control *control = call->ctx;
	struct slice id, none;
	json_t *body = body_of(call, false, &id, &none);

	if (body == NULL)
		return;
	disk_make_room(control->disk);
	store_sign_in_delete(control->store, id, deleted, call);
	json_decref(body);
}

void
codes_add(struct call *call)
{
	const struct control *control = call->ctx;
	struct slice id, code;
	json_t *body = body_of(call, true, &id, &code);

	if (body == NULL)
		return;
	if (handler_may_grow(call))
		store_code_add(control->store, id, code, changed, call);
	json_decref(body);
}

void
codes_take(struct call *call)
{
	const struct control *control = call->ctx;
	struct slice id, code;
	json_t *body = body_of(call, true, &id, &code);

	if (body == NULL)
		return;
	disk_make_room(control->disk);
	store_code_take(control->store, id, code, changed, call);
	json_decref(body);
}
