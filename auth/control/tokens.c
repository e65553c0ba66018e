/* tokens.c - creating and renewing tokens: the two moments at which a value exists. */
#include <stdlib.h>

#include <openssl/crypto.h>

#include "auth/control/caller.h"
#include "auth/control/handlers.h"
#include "auth/control/scope.h"
#include "auth/control/view.h"

/* A value on its way to the client, while the store keeps its hash. */
struct issue {
	char value[TOKEN_VALUE_LEN + 1];
	char id[TOKEN_ID_LEN + 1];
	json_t *record; /* of create: the answer but for the value */
};

static void
issue_free(void *state)
{
	struct issue *issue = state;

	json_decref(issue->record);
	OPENSSL_cleanse(issue, sizeof(*issue));
	free(issue);
}

/* A new issue as the call's state; id is empty for a new token. NULL after answering 500. */
static struct issue *
issue_new(struct call *call, struct slice id)
{
	struct issue *issue = calloc(1, sizeof(*issue));

	if (issue == NULL)
		goto fail;
	call->state = issue;
	call->state_free = issue_free;
	if (id.len == TOKEN_ID_LEN)
		memcpy(issue->id, id.at, TOKEN_ID_LEN);
	else if (!jg_token_id_make(issue->id))
		goto fail;
	if (!jg_token_value_make((struct slice){issue->id, TOKEN_ID_LEN}, issue->value))
		goto fail;
	return issue;
fail:
	call_refuse(call, 500, NULL, "no token could be made: memory or randomness is short");
	return NULL;
}

/* What the store is to keep of it. False after answering 500: a value must not go out that no
 * record proves. */
static bool
issue_hash(struct call *call, const struct issue *issue, unsigned char hash[TOKEN_HASH_LEN])
{
	if (jg_token_hash((struct slice){issue->value, TOKEN_VALUE_LEN}, hash))
		return true;
	call_refuse(call, 500, NULL, "no token could be made: memory is short");
	return false;
}

static json_t *
with_value(json_t *record, const struct issue *issue)
{
	if (record != NULL)
		json_object_set_new(record, "value", json_stringn(issue->value, TOKEN_VALUE_LEN));
	return record;
}

static void
created(void *ctx, enum store_result result, const struct record *none)
{
	struct call *call = ctx;
	struct issue *issue = call->state;
	char location[sizeof("/v1/tokens/") + TOKEN_ID_LEN] = "/v1/tokens/";

	(void)none;
	handler_audit(call, result, "created", "token", slice_of(issue->id));
	if (result != STORE_OK) {
		handler_store_refused(call, result, "token");
		return;
	}
	strcat(location, issue->id);
	call_answer_created(call, location, with_value(json_incref(issue->record), issue));
}

/* A new token reaches no further than its maker's. False after answering. */
static bool
limit_selector(struct call *call, struct token_input *input)
{
	struct slice culprit = SLICE("");

	switch (scope_add(
	    &call->scope, input->selector, &input->selector_count, SELECTOR_LABELS_MAX, &culprit)) {
	case SCOPE_OK:
		return true;
	case SCOPE_CONTRADICTED:
		call_refuse(call, 403, "label_selector",
		    "your token is limited to another value of label %.*s", (int)culprit.len,
		    culprit.at);
		return false;
	case SCOPE_TOO_MANY:
		break;
	}
	call_refuse(call, 400, "label_selector",
	    "a selector has at most %d labels, those of your own token included",
	    SELECTOR_LABELS_MAX);
	return false;
}

void
tokens_create(struct call *call)
{
	struct control *control = call->ctx;
	json_t *body = handler_body(call, token_input_fields);
	struct record record = {.kind = RECORD_TOKEN};
	struct store_maker maker;
	struct token_input input;
	struct mistake mistake;
	struct issue *issue;
	char now[VIEW_TIME_MAX];
	uint64_t now_ms = handler_now_ms();

	if (body == NULL)
		return;
	if (!input_token(body, &input, &mistake)) {
		handler_mistake(call, &mistake);
		goto done;
	}
	if (!limit_selector(call, &input) || !handler_may_grow(call))
		goto done;
	issue = issue_new(call, SLICE(""));
	if (issue == NULL)
		goto done;
	view_time(now_ms, now);
	record.token = (struct token){
	    .id = {issue->id, TOKEN_ID_LEN},
	    .name = input.name,
	    .role = input.role,
	    .selector = {input.selector_count, input.selector},
	    .version = 1,
	    .created_at = slice_of(now),
	    .updated_at = slice_of(now),
	};
	if (!issue_hash(call, issue, record.token.hash))
		goto done;
	issue->record = view_token(&record.token);
	store_create(control->store, &record, now_ms, handler_maker(call, RECORD_TOKEN, &maker),
	    created, call);
done:
	json_decref(body);
}

static void
renewed(void *ctx, enum store_result result, const struct record *record)
{
	struct call *call = ctx;
	json_t *view;

	handler_audit(call, result, "renewed", "token", call->id);
	if (!handler_confirmed(call, result))
		return;
	if (result != STORE_OK) {
		handler_store_refused(call, result, "token");
		return;
	}
	view = with_value(view_token(&record->token), call->state);
	if (call->token != NULL && slice_equal(call->token->token.id, call->id))
		call_answer(call, 200, view); /* its own: the old value has just ended */
	else
		caller_answer(call, view);
}

/* The record as it is: its version is what the renewal is compared with. */
static void
read_for_renew(void *ctx, enum store_result result, const struct record *record)
{
	struct call *call = ctx;
	struct control *control = call->ctx;
	unsigned char hash[TOKEN_HASH_LEN];
	char now[VIEW_TIME_MAX];
	struct issue *issue;

	result = handler_in_scope(call, result, record);
	if (result != STORE_OK) {
		handler_store_refused(call, result, "token");
		return;
	}
	issue = issue_new(call, call->id);
	if (issue == NULL)
		return;
	if (!issue_hash(call, issue, hash))
		return;
	view_time(handler_now_ms(), now);
	disk_make_room(control->disk);
	store_token_renew(control->store, call->id, &call->scope, record->token.version, hash,
	    slice_of(now), renewed, call);
}

void
tokens_renew(struct call *call)
{
	struct control *control = call->ctx;

	if (call->body_len > 0)
		call_refuse(call, 400, NULL, "renew takes no body");
	else if (handler_id(call, RECORD_TOKEN))
		store_get(control->store, RECORD_TOKEN, call->id, read_for_renew, call);
}

void
tokens_list(struct call *call)
{
	handler_list(call, RECORD_TOKEN);
}

void
tokens_get(struct call *call)
{
	handler_get(call, RECORD_TOKEN);
}

void
tokens_delete(struct call *call)
{
	handler_delete(call, RECORD_TOKEN);
}
