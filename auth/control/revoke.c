/* revoke.c - ends a token by its value: the value is the permission. */
#include <stdlib.h>

#include "auth/control/handlers.h"
#include "jobgate/clock.h"
#include "jobgate/decision.h"

/* How often the record is read: again only when the token is renewed in the meantime. */
#define READINGS_MAX 3

struct revocation {
	struct bearer bearer;
	unsigned char hash[TOKEN_HASH_LEN]; /* of the record that is to be deleted */
	bool proved;			    /* the value was valid when the record was read */
	unsigned readings;
};

/* The answer is the same whether or not there was a token. */
static void
answer_done(struct call *call)
{
	call_answer(call, 204, NULL);
}

static void read_token(struct call *call);

static void
revoked(void *ctx, enum store_result result, const struct record *none)
{
	struct call *call = ctx;
	const struct revocation *revocation = call->state;
	struct slice id = {revocation->bearer.id, TOKEN_ID_LEN};

	(void)none;
	handler_audit_gone(call, result, "revoked by its value", RECORD_TOKEN, id);
	if (result == STORE_ABSENT && revocation->proved && revocation->readings < READINGS_MAX)
		read_token(call); /* renewed since, perhaps with a grace for this value */
	else if (!handler_confirmed(call, result, "repeat the request"))
		return;
	else if (result == STORE_OK || result == STORE_ABSENT)
		answer_done(call);
	else
		handler_store_refused(call, result, "token");
}

static void
delete_token(struct call *call, const unsigned char hash[TOKEN_HASH_LEN])
{
	struct control *control = call->ctx;
	struct revocation *revocation = call->state;

	memcpy(revocation->hash, hash, TOKEN_HASH_LEN);
	disk_make_room(control->disk);
	store_token_revoke(control->store, (struct slice){revocation->bearer.id, TOKEN_ID_LEN},
	    revocation->hash, revoked, call);
}

/* During a grace, the value before ends the token, too. */
static bool
proves(const struct revocation *revocation, const struct token *token)
{
	return jg_evidence_proves(&(struct evidence){.credential = CREDENTIAL_BEARER,
	    .bearer = &revocation->bearer,
	    .token_known = RECORD_KNOWN,
	    .token = token,
	    .wall_ms = clock_ms(CLOCK_REALTIME)});
}

/*
 * Whatever the record is, it is deleted if it has this value. A deletion that finds nothing waits
 * for replicas, too: it may repeat one that was not confirmed, and so the answer and its time do
 * not tell whether there is a token with this id.
 */
static void
got_token(void *ctx, enum store_result result, const struct record *record)
{
	struct call *call = ctx;
	struct revocation *revocation = call->state;

	if (result == STORE_OK) {
		revocation->proved = proves(revocation, &record->token);
		delete_token(
		    call, revocation->proved ? record->token.hash : revocation->bearer.hash);
	} else if (result == STORE_ABSENT || result == STORE_BROKEN || result == STORE_TOO_LARGE) {
		revocation->proved = false;
		delete_token(call, revocation->bearer.hash);
	} else {
		handler_store_refused(call, result, "token");
	}
}

static void
read_token(struct call *call)
{
	struct control *control = call->ctx;
	struct revocation *revocation = call->state;

	revocation->readings++;
	store_get(control->store, RECORD_TOKEN, (struct slice){revocation->bearer.id, TOKEN_ID_LEN},
	    got_token, call);
}

/* The mint key has been read: a value that was not made here is no token's. */
static void
know_mint(void *ctx, enum store_result result, const struct record *none)
{
	struct call *call = ctx;
	const struct control *control = call->ctx;
	struct revocation *revocation = call->state;
	struct input_error error;
	json_t *body = input_object(call->body, call->body_len, revocation_input_fields, &error);
	struct slice value;

	(void)none;
	if (body == NULL || !input_revocation(body, &value, &error)) {
		handler_refuse_input(call, &error);
	} else if (result != STORE_OK) {
		handler_store_refused(call, result, "token");
	} else {
		jg_bearer_read(store_mint(control->store), value, &revocation->bearer);
		if (revocation->bearer.formed)
			read_token(call);
		else
			answer_done(call);
	}
	json_decref(body);
}

void
tokens_revoke(struct call *call)
{
	struct control *control = call->ctx;

	call->state = calloc(1, sizeof(struct revocation));
	call->state_free = free;
	if (call->state != NULL)
		store_mint_know(control->store, know_mint, call);
	else
		call_refuse_memory(call);
}
