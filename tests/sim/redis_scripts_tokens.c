/* redis_scripts_tokens.c - scripts that read, create and change tokens, as C. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "redis_script.h"

/* ---- the key that values are minted with ---- */

struct mint_keys {
	struct call *call;
	const char *key; /* NULL: there is none */
	bool enforced;
};

static struct mint_keys
read_mint(struct call *call, const char *name, const char *enforced)
{
	const struct redis_key *key = redis_find(call->redis, name);

	return (struct mint_keys){
	    call, key != NULL ? key->text : NULL, script_exists(call, enforced)};
}

static void
answer(const struct mint_keys *mint, size_t elements, int code)
{
	redis_reply_array(mint->call, elements);
	redis_reply_number(mint->call, code);
	script_reply_if(mint->call, mint->key != NULL, mint->key);
	redis_reply_number(mint->call, mint->enforced);
}

static bool
is_usable(const char *key)
{
	return strlen(key) == 64 && strspn(key, "0123456789abcdefABCDEF") == 64;
}

static bool
is_unfit(const struct mint_keys *mint, const char *used)
{
	if (mint->key == NULL)
		return false;
	return used[0] == '\0' ? is_usable(mint->key) : strcasecmp(mint->key, used) != 0;
}

void
script_know_run(struct call *call)
{
	struct mint_keys mint = read_mint(call, call->words[3], call->words[4]);

	answer(&mint, 3, 1);
}

/* ---- reading ---- */

static void
reply_score(struct call *call, const char *used, const char *id)
{
	struct text score;
	bool is = script_score(call, used, id, &score);

	script_reply_if(call, is, score.at);
}

void
script_get_run(struct call *call)
{
	redis_reply_array(call, 2);
	redis_reply_hash(call, redis_find(call->redis, call->words[3]));
	reply_score(call, call->words[5], call->words[4]);
}

/* The id in the name of a record: its last 16 characters. */
static const char *
id_of(const char *key)
{
	size_t len = strlen(key);

	return len > 16 ? key + len - 16 : key;
}

/* ---- creating ---- */

static bool
has_tokens(struct call *call, const char *index, const char *records)
{
	const struct redis_key *key;

	if (script_members(call, index) > 0)
		return true;
	LIST_FOREACH(key, &call->redis->keys.all, link)
	if (strncmp(key->name, records, strlen(records)) == 0)
		return true;
	return false;
}

void
script_create_token_run(struct call *call)
{
	const char *const *keys = &call->words[3], *const *argv = &call->words[13];
	struct maker maker = script_maker(call, keys[4], &call->words[8]);
	struct mint_keys mint = read_mint(call, keys[2], keys[3]);
	int refused;

	if (script_exists(call, keys[0])) {
		answer(&mint, 3, 0);
		return;
	}
	if (is_unfit(&mint, argv[2])) {
		answer(&mint, 3, -3);
		return;
	}
	refused = script_maker_refused(&maker);
	if (refused != 0) {
		answer(&mint, 3, refused);
		return;
	}
	if (argv[2][0] != '\0' && mint.key == NULL && !has_tokens(call, keys[1], maker.records)) {
		DO(call, "SET", keys[2], argv[2]);
		DO(call, "SET", keys[3], "1");
		mint.key = argv[2];
		mint.enforced = true;
	}
	DO(call, "ZADD", keys[1], argv[1], argv[0]);
	script_do_list(call, "HSET", keys[0], argv + 4, call->count - 17);
	if (argv[2][0] != '\0' && mint.key != NULL)
		DO(call, "HSET", keys[0], "minted", argv[3]);
	script_maker_counted(&maker, keys[0], argv[0]);
	answer(&mint, 3, 1);
}

/* ---- changing ---- */

/* write_needs() of role_script.h */
static void
write_needs(struct call *call, const char *record, const char *names)
{
	struct text role, all = {""};
	char list[SCRIPT_TEXT_MAX];
	const char *before = " needs ";

	script_field(call, record, "role", &role);
	role.at[strcspn(role.at, " \t\r\n\v\f")] = '\0';
	snprintf(list, sizeof(list), "%s", names);
	all = role;
	for (char *rest = list, *name; (name = strsep(&rest, " ")) != NULL;) {
		struct text value;

		if (name[0] == '\0' || !script_field(call, record, name, &value))
			continue;
		all = script_join(all.at, before, name);
		before = " ";
	}
	DO(call, "HSET", record, "role", all.at);
}

/* How many fields to remove, these, then names and values. */
static void
write_changes(struct call *call, const char *record, size_t at)
{
	size_t gone = strtoul(call->words[at], NULL, 10), first = at + 1 + gone;

	script_do_list(call, "HSET", record, &call->words[first], call->count - first);
	for (size_t i = 0; i < gone; i++)
		DO(call, "HDEL", record, call->words[at + 1 + i]);
}

void
script_renew_token_run(struct call *call)
{
	const char *const *keys = &call->words[3];
	size_t at = 6 + script_scope_words(&call->words[7]);
	const char *const *argv = &call->words[at];
	struct mint_keys mint = read_mint(call, keys[1], keys[2]);
	struct text version;
	int code = 1;

	if (!script_token_within(call, keys[0], &call->words[7]) ||
	    !script_field(call, keys[0], "version", &version))
		code = -1;
	else if (strcmp(version.at, argv[1]) != 0)
		code = 0;
	else if (is_unfit(&mint, argv[3]))
		code = -3;
	if (code != 1) {
		answer(&mint, 3, code);
		return;
	}
	write_changes(call, keys[0], at + 5);
	if (strcmp(argv[4], "=") != 0)
		write_needs(call, keys[0], argv[4]);
	if (argv[3][0] != '\0' && mint.key != NULL)
		DO(call, "HSET", keys[0], "minted", argv[2]);
	else
		DO(call, "HDEL", keys[0], "minted");
	answer(&mint, 5, 1);
	redis_reply_hash(call, redis_find(call->redis, keys[0]));
	reply_score(call, keys[3], id_of(keys[0]));
}

void
script_limit_run(struct call *call)
{
	const char *record = call->words[3];
	size_t at = 3 + script_scope_words(&call->words[4]);
	const char *const *argv = &call->words[at];
	struct text version;
	bool has = script_token_within(call, record, &call->words[4]) &&
		   script_field(call, record, "version", &version);

	if (!has || strcmp(version.at, argv[1]) != 0) {
		redis_reply_array(call, 1);
		redis_reply_number(call, has ? 0 : -1);
		return;
	}
	write_changes(call, record, at + 4);
	write_needs(call, record, argv[2]);
	redis_reply_array(call, 3);
	redis_reply_number(call, 1);
	redis_reply_hash(call, redis_find(call->redis, record));
	reply_score(call, argv[3], id_of(record));
}
