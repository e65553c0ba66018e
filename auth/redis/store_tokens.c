/* store_tokens.c - creates and renews tokens, and manages the key that their values are minted
 * with.
 */
#include <openssl/crypto.h>
#include <stdlib.h>

#include "auth/moment.h"
#include "auth/redis/arguments.h"
#include "auth/redis/maker_script.h"
#include "auth/redis/mint.h"
#include "auth/redis/record_script.h"
#include "auth/redis/role_script.h"
#include "auth/redis/scope_script.h"
#include "auth/redis/store_state.h"
#include "jobgate/clock.h"

/*
 * The copy of the key is read again when it is older than this. While that read is under way, calls
 * use a copy of up to three times this age.
 */
#define MINT_FRESH_MS 1000

/*
 * Each script answers {code, key, enforced}, whatever it did, so that the next value is minted with
 * the right key. In all scripts `key` is the store's key, or false. If Redis holds something other
 * than a string there, GET fails before anything is written. unfit() is true when the value was
 * minted with another key than the store's ('' means with none). So once there is a key, each new
 * value is minted, and the number of tokens without one can only shrink while they are counted.
 */
#define MINT_READ(mint, enforced)                                                        \
	"local key = redis.call('GET', KEYS[" #mint "])\n"                               \
	"local enforced = redis.call('EXISTS', KEYS[" #enforced "])\n"                   \
	"local function answer(code) return {code, key, enforced} end\n"                 \
	"local function differs(other) return string.lower(key) ~= other end\n"          \
	"local function usable() return #key == 64 and not string.find(key, '%X') end\n" \
	"local function unfit(used)\n"                                                   \
	"  if not key then return false end\n"                                           \
	"  if used == '' then return usable() end\n"                                     \
	"  return differs(used)\n"                                                       \
	"end\n"

/* `new` becomes the store's key, enforced or not. */
#define MINT_MAKE(mint, enforced_key)                                             \
	"local function make(new, enforce)\n"                                     \
	"  redis.call('SET', KEYS[" #mint "], new, 'NX')\n"                       \
	"  if enforce then redis.call('SET', KEYS[" #enforced_key "], '1') end\n" \
	"  if not enforce then redis.call('DEL', KEYS[" #enforced_key "]) end\n"  \
	"  key, enforced = new, enforce and 1 or 0\n"                             \
	"end\n"

/*
 * True when the store has no token. The index is not enough: other programs may have written tokens
 * without it, and tokens that are older than the key must not be refused. So the script looks at up
 * to about 10,000 keys of Redis. If there are more, it returns false.
 */
#define IS_EMPTY(index)                                                           \
	"local function is_empty(prefix)\n"                                       \
	"  if redis.call('ZCARD', KEYS[" #index "]) > 0 then return false end\n"  \
	"  local cursor = '0'\n"                                                  \
	"  for _ = 1, 10 do\n"                                                    \
	"    local step = redis.pcall('SCAN', cursor, 'COUNT', 1000)\n"           \
	"    if step.err then return false end\n"                                 \
	"    for _, name in ipairs(step[2]) do\n"                                 \
	"      if string.sub(name, 1, #prefix) == prefix then return false end\n" \
	"    end\n"                                                               \
	"    cursor = step[1]\n"                                                  \
	"    if cursor == '0' then return true end\n"                             \
	"  end\n"                                                                 \
	"  return false\n"                                                        \
	"end\n"

/*
 * KEYS: record, index, key, enforced, maker. ARGV: what MAKER_SCRIPT takes, then id, score, key (''
 * for a value that is not minted), version, fields and values. The code is 1, or 0 when the record
 * exists, or -3 for another key, or that of refused().
 */
static const char script_create[] = MAKER_SCRIPT MINT_READ(3, 4) MINT_MAKE(3, 4)
    IS_EMPTY(2) "if redis.call('EXISTS', KEYS[1]) == 1 then return answer(0) end\n"
		"if unfit(ARGV[3]) then return answer(-3) end\n"
		"local no = refused()\n"
		"if no then return answer(no) end\n"
		"if ARGV[3] ~= '' and not key and is_empty(records) then make(ARGV[3], true) end\n"
		"redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])\n"
		"redis.call('HSET', KEYS[1], unpack(ARGV, 5))\n"
		"if ARGV[3] ~= '' and key then redis.call('HSET', KEYS[1], 'minted', ARGV[4]) end\n"
		"counted(ARGV[1])\n"
		"return answer(1)\n";

/*
 * KEYS: record, key, enforced, the set of uses. ARGV: scope, version, new version, key, the names
 * of all fields that limit tokens ('=' leaves the role as it is), the number of fields to remove,
 * these, then fields and values to set. The role itself is never written: another program may
 * change it at any time. The code is 1, 0 for another version, -1 for no record, or -3 for another
 * key. With 1, the record and its use are the next elements.
 */
static const char script_renew[] = TOKEN_WITHIN RECORD_SCRIPT_WHOLE ROLE_SCRIPT MINT_READ(
    2, 3) "if not within then return answer(-1) end\n"
	  "local version = redis.call('HGET', KEYS[1], 'version')\n"
	  "if not version then return answer(-1) end\n"
	  "if version ~= ARGV[at + 1] then return answer(0) end\n"
	  "local used, needs = ARGV[at + 3], ARGV[at + 4]\n"
	  "local gone = at + 5 + tonumber(ARGV[at + 5])\n"
	  "if unfit(used) then return answer(-3) end\n"
	  "redis.call('HSET', KEYS[1], unpack(ARGV, gone + 1))\n"
	  "for i = at + 6, gone do redis.call('HDEL', KEYS[1], ARGV[i]) end\n"
	  "if needs ~= '=' then write_needs(needs) end\n"
	  "if used ~= '' and key then redis.call('HSET', KEYS[1], 'minted', ARGV[at + 2])\n"
	  "else redis.call('HDEL', KEYS[1], 'minted') end\n"
	  "local id = string.sub(KEYS[1], -16)\n"
	  "return {1, key, enforced, (whole(KEYS[1])), redis.pcall('ZSCORE', KEYS[4], id)}\n";

/*
 * True when the current value of each token is minted, and no grace keeps a value before it valid,
 * which may not be. `now` is the time as records have it (RFC 3339 in UTC); sortable() gives texts
 * that sort like the times, in milliseconds, and '' for what is not a time. Only the newest 10,000
 * tokens of the index are checked, which takes 0.2 s, in which Redis does nothing else. That
 * suffices: the caller has counted all tokens before, and only a renewal, an import or another
 * program can have added one since.
 */
#define ALL_MINTED(index)                                                                         \
	"local function sortable(time)\n"                                                         \
	"  local seconds, rest = string.match(time,\n"                                            \
	"    '^(%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d)(.*)$')\n"                                    \
	"  if not seconds then return '' end\n"                                                   \
	"  return seconds .. string.sub((string.match(rest, '^%.(%d+)') or '') .. '000', 1, 3)\n" \
	"end\n"                                                                                   \
	"local function is_ready(prefix, id, now)\n"                                              \
	"  local found = redis.pcall('HMGET', prefix .. id, 'version', 'minted',\n"               \
	"    'previous_version', 'previous_until')\n"                                             \
	"  if found.err or not found[1] then return true end\n"                                   \
	"  if found[1] ~= found[2] then return false end\n"                                       \
	"  local before = tonumber(found[3] or '')\n"                                             \
	"  if not before or before + 1 ~= tonumber(found[1]) then return true end\n"              \
	"  return sortable(found[4] or '') <= sortable(now)\n"                                    \
	"end\n"                                                                                   \
	"local function all_minted(prefix, now)\n"                                                \
	"  for at = 0, 9000, 1000 do\n"                                                           \
	"    for _, id in ipairs(redis.call('ZREVRANGE', KEYS[" #index "], at, at + 999)) do\n"   \
	"      if not is_ready(prefix, id, now) then return false end\n"                          \
	"    end\n"                                                                               \
	"  end\n"                                                                                 \
	"  return true\n"                                                                         \
	"end\n"

/*
 * KEYS: index, key, enforced. ARGV: new key, what to do (enum store_mint_change), the prefix of
 * keys of tokens, the time. The code is 1, 0 for another key or a token that is not ready, or -1
 * when there is no key.
 */
static const char script_mint[] = MINT_READ(2, 3) MINT_MAKE(2, 3) IS_EMPTY(1) ALL_MINTED(
    1) "local change = tonumber(ARGV[2])\n"
       "if change >= 2 then\n"
       "  if not key then return answer(-1) end\n"
       "  if change == 2 and not all_minted(ARGV[3], ARGV[4]) then return answer(0) end\n"
       "  redis.call('SET', KEYS[3], '1')\n"
       "  enforced = 1\n"
       "  return answer(1)\n"
       "end\n"
       "if key and differs(ARGV[1]) then return answer(0) end\n"
       "if not key then make(ARGV[1], change == 1 and is_empty(ARGV[3])) end\n"
       "return answer(1)\n";

_Static_assert(STORE_MINT_ADOPT == 1 && STORE_MINT_ENFORCE == 2 && STORE_MINT_FORCE == 3,
    "as the script has them");

/*
 * KEYS: key, enforced. Only reads both; the code is always 1. A key of a wrong type is not an error
 * here.
 */
static const char script_know[] = "local key = redis.pcall('GET', KEYS[1])\n"
				  "return {1, key, redis.call('EXISTS', KEYS[2])}\n";

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
		arguments_add(arguments, slice_of(script_create));
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
		operation_read_token(operation, reply->element[3], reply->element[4]);
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
store_token_renew(struct store *store, const struct label_set *scope,
    const struct store_renewal *renewal, store_record_done *done, void *ctx)
{
	const struct token *token = &renewal->record->token;
	struct operation operation =
	    operation_change(RECORD_TOKEN, token->id, read_renewed, done, ctx);
	struct arguments *arguments = arguments_new("EVAL");

	if (arguments != NULL) {
		arguments_add(arguments, slice_of(script_renew));
		arguments_add(arguments, SLICE("4"));
		arguments_add_record_key(arguments, store, RECORD_TOKEN, token->id);
		arguments_add_mint_keys(arguments, store);
		arguments_add_uses_key(arguments, store);
		arguments_add_scope(arguments, scope);
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
