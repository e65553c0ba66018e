/* store_tokens.c - creates and renews tokens, and manages the key that their values are minted
 * with.
 */
#include <openssl/crypto.h>
#include <stdlib.h>

#include "auth/moment.h"
#include "auth/redis/arguments.h"
#include "auth/redis/mint.h"
#include "auth/redis/store_state.h"
#include "auth/redis/token_script.h"
#include "jobgate/clock.h"

/*
 * The copy of the key is read again when it is older than this. While that read is under way, calls
 * use a copy of up to three times this age.
 */
#define MINT_FRESH_MS 1000

_Static_assert(STORE_MINT_ADOPT == 1 && STORE_MINT_ENFORCE == 2 && STORE_MINT_FORCE == 3,
    "as the script has them");

const struct mint *
store_mint(const struct store *store)
{
	return &store->mint;
}

/* Remember the store's mint key. A value that is not a key counts as none, and is logged once. */
static void
take_mint_keys(struct store *store, const redisReply *reply)
{
	enum mint_state known = store->mint.state;
	const char *broken = mint_decode(reply, 0, &store->mint);

	store->mint_known_ms = clock_ms(CLOCK_BOOTTIME);
	if (broken != NULL && !store->mint_broken)
		log_warning(
		    &store->log, "%s" MINT_KEY " cannot be used: %s", store->prefix, broken);
	if (broken == NULL && mint_is_loosened(known, store->mint.state))
		log_warning(&store->log,
		    "%s" MINT_ENFORCED_KEY
		    " is gone: values that were not minted here are no longer refused",
		    store->prefix);
	store->mint_broken = broken != NULL;
}

/* Read {code, key, enforced, ...}; false when the reply has another form. */
static bool
take_mint_keys_from_script(struct operation *operation, const redisReply *reply, long long *code)
{
	redisReply *pair[2];
	redisReply keys = {.type = REDIS_REPLY_ARRAY, .elements = 2, .element = pair};
	redisReply nil = {.type = REDIS_REPLY_NIL};
	long long enforced;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 3 ||
	    !reply_is_integer(reply->element[0], code) ||
	    !reply_is_integer(reply->element[2], &enforced))
		return false;
	pair[0] = reply->element[1];
	pair[1] = enforced ? reply->element[2] : &nil;
	take_mint_keys(operation->store, &keys);
	return true;
}

/* ---- the key ---- */

static void
read_mint(struct operation *operation, const redisReply *reply)
{
	long long code;

	if (take_mint_keys_from_script(operation, reply, &code))
		store_tell(operation, STORE_OK, NULL);
}

static void
arguments_add_mint_keys(struct arguments *arguments, const struct store *store)
{
	arguments_add_text(arguments, "%s" MINT_KEY, store->prefix);
	arguments_add_text(arguments, "%s" MINT_ENFORCED_KEY, store->prefix);
}

void
store_mint_know(struct store *store, store_record_done *done, void *ctx)
{
	struct operation operation =
	    operation_read(RECORD_TOKEN, SLICE(MINT_KEY), read_mint, done, ctx);
	struct arguments *arguments;
	uint64_t now = clock_ms(CLOCK_BOOTTIME), age_ms = now - store->mint_known_ms;

	if (store->mint.state != MINT_UNKNOWN &&
	    (age_ms < MINT_FRESH_MS ||
		(age_ms < 3 * MINT_FRESH_MS && now - store->mint_asked_ms < MINT_FRESH_MS))) {
		done(ctx, STORE_OK, NULL);
		return;
	}
	store->mint_asked_ms = now;
	arguments = arguments_new("EVAL_RO");
	if (arguments != NULL) {
		arguments_add(arguments, slice_of(script_know));
		arguments_add(arguments, SLICE("2"));
		arguments_add_mint_keys(arguments, store);
	}
	store_run(store, &operation, arguments);
	free(arguments);
}

static void
read_mint_changed(struct operation *operation, const redisReply *reply)
{
	long long code;

	if (!take_mint_keys_from_script(operation, reply, &code))
		return;
	store_tell(operation,
	    code == 1	? STORE_OK
	    : code == 0 ? STORE_CONFLICT
			: STORE_ABSENT,
	    NULL);
}

void
store_mint_change(struct store *store, enum store_mint_change change,
    const unsigned char key[MINT_KEY_LEN], store_record_done *done, void *ctx)
{
	struct operation operation =
	    operation_change(RECORD_TOKEN, SLICE(MINT_KEY), read_mint_changed, done, ctx);
	struct arguments *arguments = arguments_new("EVAL");
	char now[MOMENT_TEXT_MAX];

	if (arguments != NULL) {
		arguments_add(arguments, slice_of(script_mint));
		arguments_add(arguments, SLICE("3"));
		arguments_add_index_key(arguments, store, RECORD_TOKEN);
		arguments_add_mint_keys(arguments, store);
		arguments_add_key(arguments, key);
		arguments_add_text(arguments, "%d", (int)change);
		arguments_add_record_key(arguments, store, RECORD_TOKEN, SLICE(""));
		moment_format(clock_ms(CLOCK_REALTIME), now);
		arguments_add_text(arguments, "%s", now);
	}
	store_run(store, &operation, arguments);
	arguments_free_wiped(arguments);
}

/* ---- tokens ---- */

static enum store_result
created_result(long long code)
{
	if (code < 0)
		return code == -3   ? STORE_OTHER_MINT
		       : code == -4 ? STORE_REVOKED
				    : STORE_OVER_QUOTA;
	return code == 1 ? STORE_OK : STORE_CONFLICT;
}

static void
read_created(struct operation *operation, const redisReply *reply)
{
	long long code;

	if (take_mint_keys_from_script(operation, reply, &code))
		store_tell(operation, created_result(code), NULL);
}

void
store_token_create(struct store *store, const struct record *record, uint64_t created_ms,
    const struct store_maker *maker, const unsigned char *key, store_record_done *done, void *ctx)
{
	const struct token *token = &record->token;
	struct operation operation =
	    operation_change(RECORD_TOKEN, token->id, read_created, done, ctx);
	struct arguments *arguments = arguments_new("EVAL");

	if (arguments != NULL) {
		arguments_add(arguments, slice_of(script_create_token));
		arguments_add(arguments, SLICE("5"));
		arguments_add_record_key(arguments, store, RECORD_TOKEN, token->id);
		arguments_add_index_key(arguments, store, RECORD_TOKEN);
		arguments_add_mint_keys(arguments, store);
		arguments_add_maker_key(arguments, store, maker);
		arguments_add_maker(arguments, store, record, maker);
		arguments_add(arguments, token->id);
		arguments_add_text(arguments, "%llu", (unsigned long long)created_ms);
		arguments_add_key(arguments, key);
		arguments_add_text(arguments, "%llu", (unsigned long long)token->version);
		arguments_add_fields(arguments, record);
	}
	store_run(store, &operation, arguments);
	arguments_free_wiped(arguments);
}

static void
read_renewed(struct operation *operation, const redisReply *reply)
{
	long long code;

	if (!take_mint_keys_from_script(operation, reply, &code))
		return;
	if (code == 1 && reply->elements == 5)
		operation_read_used(operation, reply->element[3], reply->element[4]);
	else if (code == 0)
		store_tell(operation, STORE_CONFLICT, NULL);
	else
		store_tell(operation, code == -3 ? STORE_OTHER_MINT : STORE_ABSENT, NULL);
}

/* The fields that each renewal writes; those that the new record lacks are removed. */
#define RENEWED_FIELDS                                                                 \
	(FIELD_BIT(TOKEN_FIELD_HASH) | FIELD_BIT(TOKEN_FIELD_VERSION) |                \
	    FIELD_BIT(TOKEN_FIELD_UPDATED_AT) | FIELD_BIT(TOKEN_FIELD_PREVIOUS_HASH) | \
	    FIELD_BIT(TOKEN_FIELD_PREVIOUS_UNTIL) | FIELD_BIT(TOKEN_FIELD_PREVIOUS_VERSION))

void
store_token_renew(struct store *store, const struct store_caller *caller,
    const struct store_renewal *renewal, store_record_done *done, void *ctx)
{
	const struct token *token = &renewal->record->token;
	struct operation operation =
	    operation_change(RECORD_TOKEN, token->id, read_renewed, done, ctx);
	struct arguments *arguments = arguments_new("EVAL");

	if (arguments != NULL) {
		arguments_add(arguments, slice_of(script_renew));
		arguments_add_text(arguments, "%d", 4 + CALLER_KEYS(caller));
		arguments_add_record_key(arguments, store, RECORD_TOKEN, token->id);
		arguments_add_mint_keys(arguments, store);
		arguments_add_uses_key(arguments, store);
		arguments_add_caller(arguments, store, caller);
		arguments_add_text(arguments, "%llu", (unsigned long long)token->version - 1);
		arguments_add_text(arguments, "%llu", (unsigned long long)token->version);
		arguments_add_key(arguments, renewal->mint_key);
		if (renewal->changed != 0)
			arguments_add_limit_names(arguments);
		else
			arguments_add(arguments, SLICE("="));
		arguments_add_changes(
		    arguments, renewal->record, RENEWED_FIELDS | renewal->changed);
	}
	store_run(store, &operation, arguments);
	arguments_free_wiped(arguments);
}
