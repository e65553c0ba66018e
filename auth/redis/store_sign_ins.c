/* store_sign_ins.c - browsers' sign-ins, and one-time codes that take a browser to a job's host. */
#include <stdlib.h>

#include "auth/redis/arguments.h"
#include "auth/redis/store_operation.h"

/*
 * A set has the sign-ins of one value of a token: a renewal, which ends them, makes room for new
 * ones. Its key ends in the token's id and the value's mark.
 *
 * end_sign_in(key, id, sets): delete a sign-in, and take its id out of its set; sets is the prefix
 * of these sets' keys. Returns 1, or 0 when there was none.
 */
#define END_SIGN_IN                                                    \
	"local function end_sign_in(key, id, sets)\n"                  \
	"  local of = redis.pcall('HMGET', key, 'token', 'mark')\n"    \
	"  local gone = redis.call('DEL', key)\n"                      \
	"  if of[1] and of[2] then\n"                                  \
	"    redis.pcall('ZREM', sets .. of[1] .. ':' .. of[2], id)\n" \
	"  end\n"                                                      \
	"  return gone\n"                                              \
	"end\n"

/*
 * KEYS: the sign-in, its set, the code, the sign-in that it replaces. ARGV:
 * id, seconds, the most sign-ins of a set, the seconds of a code, the replaced one's id or '',
 * the key prefix of the sets, then the fields and values of the record. The set says when each
 * sign-in ends, on the store's clock, and lasts as long as the last one. Returns 1, 0 if the
 * sign-in or the code exists, or -1 for too many.
 */
static const char script_create[] =
    END_SIGN_IN "local now = tonumber(redis.call('TIME')[1])\n"
		"redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)\n"
		"if redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[3]) then return -1 end\n"
		"if redis.call('EXISTS', KEYS[1], KEYS[3]) > 0 then return 0 end\n"
		"redis.call('ZADD', KEYS[2], now + ARGV[2], ARGV[1])\n"
		"if redis.call('TTL', KEYS[2]) < tonumber(ARGV[2]) then\n"
		"  redis.call('EXPIRE', KEYS[2], ARGV[2])\n"
		"end\n"
		"redis.call('HSET', KEYS[1], unpack(ARGV, 7))\n"
		"redis.call('EXPIRE', KEYS[1], ARGV[2])\n"
		"redis.call('SET', KEYS[3], ARGV[1], 'EX', ARGV[4])\n"
		"if ARGV[5] ~= '' then end_sign_in(KEYS[4], ARGV[5], ARGV[6]) end\n"
		"return 1\n";

/*
 * KEYS: the sign-in. ARGV: id, the key prefix of the sets of sign-ins, 1 to write in any case (see
 * DELETE_WITHIN). Returns 1, or 0 when there was none.
 */
static const char script_delete[] =
    END_SIGN_IN "local gone = end_sign_in(KEYS[1], ARGV[1], ARGV[2])\n"
		"if gone == 0 and ARGV[3] == '1' then\n"
		"  redis.call('SET', KEYS[1], '')\n"
		"  redis.call('DEL', KEYS[1])\n"
		"end\n"
		"return gone\n";

/*
 * KEYS: the sign-in, the code, the number of the sign-in's codes. ARGV: id, seconds, the most codes
 * in that time. Returns 1, 0 if the code exists, -1 if the sign-in does not, -2 for too many.
 */
static const char script_add_code[] =
    "if redis.call('EXISTS', KEYS[1]) == 0 then return -1 end\n"
    "local count = redis.call('INCR', KEYS[3])\n"
    "if count == 1 then redis.call('EXPIRE', KEYS[3], ARGV[2]) end\n"
    "if count > tonumber(ARGV[3]) then return -2 end\n"
    "return redis.call('SET', KEYS[2], ARGV[1], 'NX', 'EX', ARGV[2]) and 1 or 0\n";

/*
 * KEYS: the code, the sign-in. ARGV: id. It works once, for the first call, and only while its
 * sign-in is there. Returns 1, 0 if it is another sign-in's, -1 if there is none.
 */
static const char script_take_code[] =
    "local id = redis.call('GETDEL', KEYS[1])\n"
    "if not id or redis.call('EXISTS', KEYS[2]) == 0 then return -1 end\n"
    "return id == ARGV[1] and 1 or 0\n";

static void
read_made(struct operation *operation, const redisReply *reply)
{
	long long code;

	if (!reply_is_integer(reply, &code))
		return;
	store_tell(operation,
	    code == 1	? STORE_OK
	    : code == 0 ? STORE_CONFLICT
			: STORE_TOO_MANY,
	    NULL);
}

static void
read_found(struct operation *operation, const redisReply *reply)
{
	long long code;

	if (!reply_is_integer(reply, &code))
		return;
	store_tell(operation,
	    code == 1	 ? STORE_OK
	    : code == 0	 ? STORE_CONFLICT
	    : code == -2 ? STORE_TOO_MANY
			 : STORE_ABSENT,
	    NULL);
}

static void
read_gone(struct operation *operation, const redisReply *reply)
{
	long long gone;

	if (reply_is_integer(reply, &gone))
		store_tell(operation, gone ? STORE_OK : STORE_ABSENT, NULL);
}

/* What the keys of sets begin with. */
static void
add_sets(struct arguments *arguments, const struct store *store)
{
	arguments_add_text(arguments, "%ssignins:", store_prefix(store));
}

static void
add_code_key(struct arguments *arguments, const struct store *store, struct slice code)
{
	arguments_add_text(arguments, "%scode:%.*s", store_prefix(store), (int)code.len, code.at);
}

static struct arguments *
script(const char *text, const char *keys)
{
	struct arguments *arguments = arguments_new("EVAL");

	if (arguments != NULL) {
		arguments_add(arguments, slice_of(text));
		arguments_add(arguments, slice_of(keys));
	}
	return arguments;
}

void
store_sign_in_create(
    struct store *store, const struct store_sign_in *sign_in, store_record_done *done, void *ctx)
{
	struct operation operation =
	    operation_change(RECORD_SIGN_IN, sign_in->id, read_made, done, ctx);
	const struct sign_in *record = &sign_in->record;
	struct slice token_id = {record->token_id, TOKEN_ID_LEN};
	struct arguments *arguments = script(script_create, "4");
	char mark[SIGN_IN_MARK_TEXT_LEN + 1];

	if (arguments != NULL) {
		jg_sign_in_mark_format(record->mark, mark);
		arguments_add_record_key(arguments, store, RECORD_SIGN_IN, sign_in->id);
		arguments_add_text(arguments, "%ssignins:%.*s:%s", store_prefix(store),
		    TOKEN_ID_LEN, record->token_id, mark);
		add_code_key(arguments, store, sign_in->code);
		arguments_add_record_key(arguments, store, RECORD_SIGN_IN, sign_in->replaces);
		arguments_add(arguments, sign_in->id);
		arguments_add_text(arguments, "%llu", (unsigned long long)sign_in->seconds);
		arguments_add_text(arguments, "%d", SIGN_INS_OF_TOKEN_MAX);
		arguments_add_text(arguments, "%d", SIGN_IN_CODE_SECONDS);
		arguments_add(arguments, sign_in->replaces);
		add_sets(arguments, store);
		arguments_add(arguments, SLICE("token"));
		arguments_add(arguments, token_id);
		arguments_add(arguments, SLICE("version"));
		arguments_add_text(arguments, "%llu", (unsigned long long)record->version);
		arguments_add(arguments, SLICE("mark"));
		arguments_add_text(arguments, "%s", mark);
	}
	store_run(store, &operation, arguments);
	free(arguments);
}

void
store_sign_in_delete(struct store *store, struct slice id, store_record_done *done, void *ctx)
{
	struct operation operation = operation_change(RECORD_SIGN_IN, id, read_gone, done, ctx);
	struct arguments *arguments = script(script_delete, "1");

	if (arguments != NULL) {
		arguments_add_record_key(arguments, store, RECORD_SIGN_IN, id);
		arguments_add(arguments, id);
		add_sets(arguments, store);
		arguments_add(arguments, store_waits(store) ? SLICE("1") : SLICE("0"));
	}
	store_run(store, &operation, arguments);
	free(arguments);
}

void
store_code_add(
    struct store *store, struct slice id, struct slice code, store_record_done *done, void *ctx)
{
	struct operation operation = operation_change(RECORD_SIGN_IN, id, read_found, done, ctx);
	struct arguments *arguments = script(script_add_code, "3");

	if (arguments != NULL) {
		arguments_add_record_key(arguments, store, RECORD_SIGN_IN, id);
		add_code_key(arguments, store, code);
		arguments_add_text(
		    arguments, "%scodes:%.*s", store_prefix(store), (int)id.len, id.at);
		arguments_add(arguments, id);
		arguments_add_text(arguments, "%d", SIGN_IN_CODE_SECONDS);
		arguments_add_text(arguments, "%d", SIGN_IN_CODES_MAX);
	}
	store_run(store, &operation, arguments);
	free(arguments);
}

void
store_code_take(
    struct store *store, struct slice id, struct slice code, store_record_done *done, void *ctx)
{
	struct operation operation = operation_change(RECORD_SIGN_IN, id, read_found, done, ctx);
	struct arguments *arguments = script(script_take_code, "2");

	if (arguments != NULL) {
		add_code_key(arguments, store, code);
		arguments_add_record_key(arguments, store, RECORD_SIGN_IN, id);
		arguments_add(arguments, id);
	}
	store_run(store, &operation, arguments);
	free(arguments);
}
