/* caller.c - decides on the tokens of calls, as the gateway does for requests. */
#include "auth/control/caller.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#include "auth/control/handlers.h"
#include "auth/control/knowledge.h"
#include "jobgate/check.h"
#include "jobgate/clock.h"
#include "jobgate/decision.h"

/*
 * Bearer realm="...", error="..."; characters that a quoted string must not contain are left out.
 */
static char *
challenge_make(const char *realm, const char *error)
{
	static const char head[] = "Bearer realm=\"", middle[] = "\", error=\"";
	char *text = malloc(sizeof(head) + 2 * strlen(realm) + sizeof(middle) + strlen(error) + 2);
	char *to = text;

	if (text == NULL)
		return NULL;
	to = stpcpy(to, head);
	for (; *realm != '\0'; realm++) {
		if (*realm == '"' || *realm == '\\')
			*to++ = '\\';
		if (*realm >= ' ' && *realm <= '~')
			*to++ = *realm;
	}
	if (error[0] != '\0')
		to = stpcpy(stpcpy(to, middle), error);
	strcpy(to, "\"");
	return text;
}

/* The token is checked again after a change, before the caller sees its result. */
static const char *
change_made(const struct call *call)
{
	return call->changed ? "; the change was made before that, but its result is not shown"
			     : "";
}

static void
refuse(struct call *call, unsigned status, const char *error, const char *detail)
{
	const struct control *control = call->ctx;

	call->challenge = challenge_make(control->setup->settings.realm, error);
	call_refuse(call, status, NULL, "%s%s", detail, change_made(call));
}

void
caller_refuse_revoked(struct call *call)
{
	refuse(call, 401, "invalid_token",
	    "the token is not valid; it may have been renewed or deleted");
}

void
caller_refuse_unchanged(struct call *call)
{
	refuse(call, 401, "invalid_token",
	    "the token was renewed or deleted while the call was under way; nothing was changed");
}

static void
refuse_expired(struct call *call)
{
	refuse(call, 401, "invalid_token",
	    "the token has expired; an operator can renew it with another expires_at");
}

static void
refuse_address(struct call *call)
{
	call_refuse(call, 403, NULL,
	    "the token is limited to some addresses (its from), and this call does not come from "
	    "one of them%s%s",
	    call->local ? ": leave the token out, this socket has no addresses and needs no token"
			: "",
	    change_made(call));
}

/* The client's address as struct evidence has it, in *room; a local socket has none. */
static const struct in6_addr *
find_address(const struct call *call, struct in6_addr *room)
{
	return jg_ip_parse(slice_of(call->vouched.address), room) ? room : NULL;
}

static void
refuse_unavailable(struct call *call)
{
	call_refuse(call, 503, NULL, "the store does not answer, so the token cannot be checked%s",
	    call->changed ? change_made(call) : "; nothing was changed");
}

/* This value of the token is valid. The token must also have the role operator. */
static void
take_token(struct call *call, const struct token *token, const struct token_edition *edition)
{
	const struct control *control = call->ctx;

	CHECK(token != NULL && call->caller == CALLER_UNAUTHENTICATED, call_dump, call);
	switch (token->role) {
	case ROLE_READ:
		refuse(call, 403, "insufficient_scope",
		    "this needs a token of role operator; a read token only reaches job URLs");
		return;
	case ROLE_OPERATOR:
		break;
	}
	call->token = record_copy(&(struct record){.kind = RECORD_TOKEN, .token = *token});
	if (call->token == NULL) {
		call_refuse_memory(call);
		return;
	}
	call->edition = *edition;
	call->caller = CALLER_TOKEN;
	call->scope = call->token->token.selector;
	if (call->local) /* workers note the uses in other calls */
		uses_writer_note(control->uses, token->id);
	call_begin(call);
}

/*
 * Decide on the token alone, as for a request that names no job: VERDICT_NOT_A_JOB says that the
 * token is valid.
 */
static void
decide(struct call *call, const struct evidence *evidence)
{
	struct token_edition edition;

	switch (jg_decide(evidence)) {
	case VERDICT_NOT_A_JOB:
		edition = jg_proved_edition(evidence);
		take_token(call, evidence->token, &edition);
		return;
	case VERDICT_BAD_CREDENTIAL:
		refuse(call, 400, "invalid_request",
		    "the credential is malformed or was sent twice: send one, Authorization: "
		    "Bearer <token>");
		return;
	case VERDICT_NO_CREDENTIAL:
		refuse(call, 401, "", "send an operator's token: Authorization: Bearer <token>");
		return;
	case VERDICT_UNAVAILABLE:
		refuse_unavailable(call);
		return;
	case VERDICT_EXPIRED:
		refuse_expired(call);
		return;
	case VERDICT_OTHER_ADDRESS:
		refuse_address(call);
		return;
	case VERDICT_INVALID_TOKEN:
	case VERDICT_ALLOW: /* these are verdicts on jobs or of workers, which cannot occur here */
	case VERDICT_PUBLIC:
	case VERDICT_NO_SUCH_JOB:
	case VERDICT_OUT_OF_SCOPE:
	case VERDICT_NO_URL:
	case VERDICT_OVER_RATE:
	case VERDICT_OVER_CONCURRENCY:
	case VERDICT_LIMITS_FULL:
		caller_refuse_revoked(call);
		return;
	}
}

static void
got_token(void *ctx, enum store_result result, const struct record *record)
{
	struct call *call = ctx;
	struct evidence evidence = {
	    .credential = CREDENTIAL_BEARER,
	    .bearer = &call->bearer,
	    .token_known = store_result_knowledge(result),
	    .token = record != NULL ? &record->token : NULL,
	    .wall_ms = clock_ms(CLOCK_REALTIME),
	};

	decide(call, &evidence);
}

/* The credential that the call brought; *value is that of a Bearer credential. */
static enum credential
find_credential(const struct call *call, struct slice *value)
{
	*value = (struct slice){0};
	if (call->authorizations == 0)
		return CREDENTIAL_NONE;
	if (call->authorizations > 1 || call->authorization == NULL)
		return CREDENTIAL_MALFORMED;
	return jg_credential_parse(slice_of(call->authorization), value);
}

/*
 * The mint key has been read, or the store is out of reach. A value that was not made here is
 * refused without a read.
 */
static void
know_mint(void *ctx, enum store_result result, const struct record *none)
{
	struct call *call = ctx;
	struct control *control = call->ctx;
	struct slice value;
	struct evidence evidence = {
	    .credential = find_credential(call, &value), .bearer = &call->bearer};

	(void)none;
	jg_bearer_read(store_mint(control->store), value, &call->bearer);
	if (!call->bearer.formed || result != STORE_OK) {
		decide(call, &evidence);
		return;
	}
	call->confirmed_ms = clock_ms(CLOCK_MONOTONIC);
	store_get(control->store, RECORD_TOKEN, (struct slice){call->bearer.id, TOKEN_ID_LEN},
	    got_token, call);
}

void
caller_identify(struct call *call)
{
	struct control *control = call->ctx;
	struct slice value;
	struct evidence evidence = {
	    .credential = find_credential(call, &value), .bearer = &call->bearer};

	if (call->authorizations == 0 && call->local) {
		call->caller = CALLER_LOCAL;
		call_begin(call);
	} else if (evidence.credential == CREDENTIAL_BEARER) {
		store_mint_know(control->store, know_mint, call);
	} else {
		decide(call, &evidence);
	}
}

/* The caller's token could not be read: refuse the call. */
static bool
refuse_unknown(struct call *call, enum store_result result)
{
	switch (store_result_knowledge(result)) {
	case RECORD_UNKNOWN:
		refuse_unavailable(call);
		return true;
	case RECORD_ABSENT:
		caller_refuse_revoked(call);
		return true;
	case RECORD_KNOWN:
		break;
	}
	return false;
}

/*
 * Refuse the call if its token, whose value is valid, has expired or is not for the client's
 * address.
 */
static bool
refuse_limited(struct call *call, const struct token *token, uint64_t wall_ms)
{
	struct in6_addr room;

	if (jg_token_is_expired(token, wall_ms))
		refuse_expired(call);
	else if (!jg_token_admits(token, find_address(call, &room)))
		refuse_address(call);
	else
		return false;
	return true;
}

/* True when this is the edition that the worker has found valid. */
static bool
is_vouched(const struct vouched *vouched, const struct token_edition *edition)
{
	char version[24], hash[2 * TOKEN_HASH_LEN + 1];

	snprintf(version, sizeof(version), "%llu", (unsigned long long)edition->version);
	jg_token_hash_format(edition->hash, hash);
	return strcmp(version, vouched->version) == 0 &&
	       CRYPTO_memcmp(hash, vouched->mark, CONTROL_MARK_TEXT) == 0;
}

/* True when the worker's edition is valid now: the present one, or the one before in its grace. */
static bool
find_vouched(const struct vouched *vouched, const struct token *token, uint64_t wall_ms,
    struct token_edition *out)
{
	*out = jg_token_edition(token);
	if (!is_vouched(vouched, out))
		*out = jg_token_previous_edition(token);
	return is_vouched(vouched, out) && jg_edition_is_valid(token, out, wall_ms);
}

static void
got_vouched(void *ctx, enum store_result result, const struct record *record)
{
	struct call *call = ctx;
	uint64_t wall_ms = clock_ms(CLOCK_REALTIME);
	struct token_edition edition;

	if (refuse_unknown(call, result))
		return;
	if (!find_vouched(&call->vouched, &record->token, wall_ms, &edition))
		caller_refuse_revoked(call);
	else if (!refuse_limited(call, &record->token, wall_ms))
		take_token(call, &record->token, &edition);
}

static bool
shows_secret(const struct call *call)
{
	const struct control *control = call->ctx;
	const char *secret = control->setup->gateway_secret;

	return secret != NULL && strlen(secret) == CONTROL_SECRET_TEXT &&
	       CRYPTO_memcmp(secret, call->vouched.secret, CONTROL_SECRET_TEXT) == 0;
}

void
caller_vouched_for(struct call *call)
{
	struct control *control = call->ctx;
	struct slice id = slice_of(call->vouched.token);

	if (!shows_secret(call)) {
		call_refuse(call, 403, NULL, "this socket is for the gateway's own workers");
	} else if (id.len == 0) {
		call->endpoints = control->open;
		call_begin(call);
	} else if (!jg_token_id_valid(id)) {
		caller_refuse_revoked(call);
	} else {
		call->confirmed_ms = clock_ms(CLOCK_MONOTONIC);
		store_get(control->store, RECORD_TOKEN, id, got_vouched, call);
	}
}

/* True when the token still gives the call the rights with which it began. */
static bool
is_still_valid(const struct call *call, const struct token *token, uint64_t wall_ms)
{
	const struct token *then = &call->token->token;

	return jg_edition_is_valid(token, &call->edition, wall_ms) && token->role == then->role &&
	       token->selector.count == then->selector.count &&
	       jg_selector_match(&token->selector, &then->selector);
}

static void
got_again(void *ctx, enum store_result result, const struct record *record)
{
	struct call *call = ctx;
	uint64_t wall_ms = clock_ms(CLOCK_REALTIME);

	if (refuse_unknown(call, result))
		return;
	if (!is_still_valid(call, &record->token, wall_ms))
		caller_refuse_revoked(call);
	else if (!refuse_limited(call, &record->token, wall_ms))
		call->confirmed(call);
}

void
caller_confirm(struct call *call, void (*next)(struct call *call))
{
	struct control *control = call->ctx;

	if (call->caller != CALLER_TOKEN) {
		next(call);
		return;
	}
	call->confirmed = next;
	call->confirmed_ms = clock_ms(CLOCK_MONOTONIC);
	store_get(control->store, RECORD_TOKEN, call->token->token.id, got_again, call);
}

void
caller_continue(struct call *call, void (*next)(struct call *call))
{
	const struct control *control = call->ctx;
	unsigned confirm_ms = tuning_or_default(control->setup->tuning)->control.confirm_ms;

	if (call->caller == CALLER_TOKEN &&
	    clock_ms(CLOCK_MONOTONIC) - call->confirmed_ms >= confirm_ms)
		caller_confirm(call, next);
	else
		next(call);
}

static void
answer(struct call *call)
{
	json_t *body = call->result;

	CHECK(call->caller != CALLER_UNAUTHENTICATED, call_dump, call);
	call->result = NULL;
	call_answer(call, 200, body);
}

void
caller_answer(struct call *call, json_t *body)
{
	CHECK(call->result == NULL, call_dump, call);
	call->result = body;
	caller_confirm(call, answer);
}
