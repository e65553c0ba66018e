/* tokens.c - creates and renews tokens: the only code that holds a token's new value. */
#include <stdlib.h>

#include <openssl/crypto.h>

#include "auth/control/caller.h"
#include "auth/control/handlers.h"
#include "auth/control/limits.h"
#include "auth/control/scope.h"
#include "auth/control/view.h"
#include "auth/record.h"
#include "jobgate/clock.h"
#include "jobgate/decision.h"

/* How often a value is minted: again only when the store's key changes meanwhile, which is rare. */
#define MINTINGS_MAX 3

/* A new value, kept for the client while the store writes its hash. */
struct issue {
	char value[TOKEN_VALUE_LEN + 1];
	char id[TOKEN_ID_LEN + 1];
	unsigned char mint_key[MINT_KEY_LEN]; /* with is_minted */
	bool is_minted;
	char change[AUDIT_CHANGE_MAX]; /* for the audit line */
	unsigned mintings;	       /* how many values were minted so far */
	/* Of create: */
	json_t *body; /* which input points into */
	struct record_input input;
	uint64_t now_ms;
	json_t *record; /* the answer without the value */
	/* Only for a renewal: */
	struct renewal_input renewal;
};

static void
issue_free(void *state)
{
	struct issue *issue = state;

	json_decref(issue->body);
	json_decref(issue->record);
	OPENSSL_cleanse(issue, sizeof(*issue));
	free(issue);
}

static void
refuse_making(struct call *call)
{
	call_refuse(
	    call, 500, NULL, "the token could not be created: memory or randomness is short");
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
	return issue;
fail:
	refuse_making(call);
	return NULL;
}

/*
 * Choose the key for the next value: the store's, or a new one, which becomes the store's with its
 * first token. If a store without a key refused a new one, it has a key that cannot be used.
 */
static bool
issue_mint(struct issue *issue, const struct mint *mint)
{
	issue->is_minted = true;
	switch (mint->state) {
	case MINT_STARTED:
	case MINT_ENFORCED:
		memcpy(issue->mint_key, mint->key, MINT_KEY_LEN);
		return true;
	case MINT_UNKNOWN:
	case MINT_NONE:
		break;
	}
	issue->is_minted = issue->mintings == 0;
	return !issue->is_minted || jg_mint_key_make(issue->mint_key);
}

static const unsigned char *
issue_key(const struct issue *issue)
{
	return issue->is_minted ? issue->mint_key : NULL;
}

/*
 * Make a value and its hash. False after answering 500: a value without a record must not be sent.
 */
static bool
issue_value(struct call *call, struct issue *issue, unsigned char hash[TOKEN_HASH_LEN])
{
	struct control *control = call->ctx;
	struct slice id = {issue->id, TOKEN_ID_LEN};

	if (issue_mint(issue, store_mint(control->store)) &&
	    jg_token_value_make(id, issue_key(issue), issue->value) &&
	    jg_token_hash((struct slice){issue->value, TOKEN_VALUE_LEN}, hash)) {
		issue->mintings++;
		return true;
	}
	refuse_making(call);
	return false;
}

/* The store has another key: mint a value again. */
static bool
issue_again(const struct issue *issue, enum store_result result)
{
	return result == STORE_OTHER_MINT && issue->mintings < MINTINGS_MAX;
}

static json_t *
with_value(json_t *record, const struct issue *issue)
{
	json_t *value = json_stringn(issue->value, TOKEN_VALUE_LEN);

	if (record == NULL || json_object_set_new(record, "value", value) == 0)
		return record;
	json_decref(record); /* an answer without the value would look as if all were well */
	return NULL;
}

static void create(struct call *call);

static void
created(void *ctx, enum store_result result, const struct record *none)
{
	struct call *call = ctx;
	struct issue *issue = call->state;
	char location[sizeof("/v1/tokens/") + TOKEN_ID_LEN] = "/v1/tokens/";

	(void)none;
	if (issue_again(issue, result)) {
		create(call);
		return;
	}
	handler_audit_change(
	    call, result, "created", RECORD_TOKEN, slice_of(issue->id), issue->change);
	if (result != STORE_OK) {
		handler_store_refused(call, result, record_types[RECORD_TOKEN].noun);
		return;
	}
	strcat(location, issue->id);
	call_answer_created(call, location, with_value(json_incref(issue->record), issue));
}

/* Limit a new token to its maker's scope. False after answering. */
static bool
limit_selector(struct call *call, struct record_input *input)
{
	struct slice culprit = SLICE("");

	switch (scope_add(
	    &call->scope, input->labels, &input->label_count, SELECTOR_LABELS_MAX, &culprit)) {
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
	    "a selector has at most %d labels, and the labels of your own token are added to yours",
	    SELECTOR_LABELS_MAX);
	return false;
}

static void
create(struct call *call)
{
	struct control *control = call->ctx;
	struct issue *issue = call->state;
	const struct record_input *input = &issue->input;
	struct record record = input->record;
	struct store_maker maker;
	char now[VIEW_TIME_MAX];

	view_time(issue->now_ms, now);
	record.token.id = (struct slice){issue->id, TOKEN_ID_LEN};
	record.token.selector = (struct label_set){input->label_count, input->labels};
	record.token.version = 1;
	record.token.created_by =
	    call->token != NULL ? call->token->token.id : SLICE(TOKEN_MADE_LOCALLY);
	record.token.created_at = record.token.updated_at = slice_of(now);
	if (!issue_value(call, issue, record.token.hash))
		return;
	json_decref(issue->record);
	issue->record = view_record(&record, NULL);
	audit_token(&record.token, issue->change);
	store_token_create(control->store, &record, issue->now_ms,
	    handler_maker(call, RECORD_TOKEN, &maker), issue_key(issue), created, call);
}

void
tokens_create(struct call *call)
{
	json_t *body = handler_body(call, NULL);
	struct input_error error;
	struct issue *issue;

	if (body == NULL)
		return;
	issue = issue_new(call, SLICE(""));
	if (issue == NULL) {
		json_decref(body);
		return;
	}
	issue->body = body;
	issue->now_ms = clock_ms(CLOCK_REALTIME);
	if (!input_record(body, RECORD_TOKEN, INPUT_CREATE, &issue->input, &error) ||
	    !input_expiry_check(issue->input.record.token.expires_ms, issue->now_ms, &error))
		handler_refuse_input(call, &error);
	else if (jg_token_id_valid(issue->input.record.token.name))
		call_refuse(call, 400, "name",
		    "a name must not look like an id (16 characters a-z 0-9), because commands "
		    "accept "
		    "both");
	else if (slice_equal(issue->input.record.token.name, SLICE("revoke")))
		call_refuse(call, 400, "name",
		    "revoke cannot be a name, since /v1/tokens/revoke is another path: give "
		    "another");
	else if (limit_selector(call, &issue->input) &&
		 limits_pass_on(call, &issue->input.record.token) && handler_may_grow(call))
		create(call);
}

static void renew(struct call *call);

static void
renewed(void *ctx, enum store_result result, const struct record *record)
{
	struct call *call = ctx;
	const struct issue *issue = call->state;
	json_t *view;

	if (issue_again(issue, result)) {
		renew(call);
		return;
	}
	handler_audit_change(call, result, "renewed", RECORD_TOKEN, call->id, issue->change);
	if (!handler_confirmed(call, result,
		"a repeated renewal makes another value, and only the one before it can have a "
		"grace, so the value in use ends at once if this is repeated"))
		return;
	if (result != STORE_OK) {
		handler_store_refused(call, result, record_types[RECORD_TOKEN].noun);
		return;
	}
	call->changed = true;
	view = with_value(view_record(record, NULL), issue);
	if (call->token != NULL && slice_equal(call->token->token.id, call->id))
		call_answer(call, 200,
		    view); /* the caller renewed its own token, which is no longer valid */
	else
		caller_answer(call, view);
}

/*
 * The token as the renewal makes it. A renewal without grace removes the value before, also one
 * that an earlier renewal left. False after answering 409: it would have expired already.
 */
static bool
renew_token(struct call *call, struct token *token, uint64_t now_ms)
{
	struct renewal_input *renewal = &((struct issue *)call->state)->renewal;

	input_renewal_apply(renewal, token);
	if (jg_token_is_expired(token, now_ms)) {
		call_refuse(call, 409, "expires_at",
		    "the token has expired: renew it with another expires_at, null for none");
		return false;
	}
	token->previous_until_ms = 0;
	token->previous_version = 0;
	if (renewal->grace_s > 0) {
		token->previous_until_ms = now_ms + renewal->grace_s * 1000;
		token->previous_version = token->version;
		memcpy(token->previous_hash, token->hash, TOKEN_HASH_LEN);
	} else {
		memset(token->previous_hash, 0, TOKEN_HASH_LEN);
	}
	token->version++;
	return true;
}

/* The current record: its version must not have changed when the renewal is written. */
static void
read_for_renew(void *ctx, enum store_result result, const struct record *record)
{
	struct call *call = ctx;
	struct control *control = call->ctx;
	struct issue *issue = call->state;
	uint64_t now_ms = clock_ms(CLOCK_REALTIME);
	const struct store_caller caller = handler_caller(call);
	struct record renewed_record;
	char now[VIEW_TIME_MAX];

	result = handler_in_scope(call, result, record);
	if (result != STORE_OK) {
		handler_store_refused(call, result, record_types[RECORD_TOKEN].noun);
		return;
	}
	renewed_record = *record;
	if (!renew_token(call, &renewed_record.token, now_ms) ||
	    !limits_allow_renewal(call, &renewed_record.token) ||
	    !issue_value(call, issue, renewed_record.token.hash))
		return;
	audit_token_change(&record->token, &renewed_record.token, issue->change);
	view_time(now_ms, now);
	renewed_record.token.updated_at = slice_of(now);
	disk_make_room(control->disk);
	store_token_renew(control->store, &caller,
	    &(struct store_renewal){.record = &renewed_record,
		.changed = issue->renewal.changed,
		.mint_key = issue_key(issue)},
	    renewed, call);
}

static void
renew(struct call *call)
{
	struct control *control = call->ctx;

	store_get(control->store, RECORD_TOKEN, call->id, read_for_renew, call);
}

/* Read the body, if there is one. False after answering. */
static bool
read_renewal(struct call *call, struct renewal_input *out)
{
	struct input_error error;
	json_t *body;
	bool ok;

	if (call->body_len == 0)
		return true;
	body = handler_body(call, renewal_input_fields);
	if (body == NULL)
		return false;
	ok = input_renewal(body, out, &error) &&
	     input_expiry_check(out->expires_ms, clock_ms(CLOCK_REALTIME), &error);
	if (!ok)
		handler_refuse_input(call, &error);
	json_decref(body);
	return ok;
}

static void
renew_named(struct call *call)
{
	struct issue *issue;

	if (!handler_id(call, RECORD_TOKEN))
		return;
	issue = issue_new(call, call->id);
	if (issue != NULL && read_renewal(call, &issue->renewal))
		renew(call);
}

void
tokens_renew(struct call *call)
{
	handler_token(call, renew_named);
}

void
tokens_list(struct call *call)
{
	handler_list(call, RECORD_TOKEN);
}

static void
get_named(struct call *call)
{
	handler_get(call, RECORD_TOKEN);
}

void
tokens_get(struct call *call)
{
	handler_token(call, get_named);
}
