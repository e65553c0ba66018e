/* arguments.c - putting commands together. */
#include "auth/redis/arguments.h"

#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/record.h"
#include "auth/redis/store_operation.h"
#include "jobgate/check.h"

void
arguments_add(struct arguments *arguments, struct slice text)
{
	CHECK(arguments->count < ARGUMENTS_MAX);
	arguments->at[arguments->count] = text.at != NULL ? text.at : "";
	arguments->len[arguments->count++] = text.len;
}

/* Add a text made by printf. */
__attribute__((format(printf, 2, 3))) void
arguments_add_text(struct arguments *arguments, const char *format, ...)
{
	char *text = arguments->text + arguments->used;
	size_t room = sizeof(arguments->text) - arguments->used;
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text, room, format, args);
	va_end(args);
	CHECK(len >= 0 && (size_t)len < room);
	arguments->used += (size_t)len + 1;
	arguments_add(arguments, (struct slice){text, (size_t)len});
}

void
arguments_add_pair(struct arguments *arguments, const char *field, struct slice value)
{
	arguments_add(arguments, slice_of(field));
	arguments_add(arguments, value);
}

void
arguments_add_label_name(struct arguments *arguments, struct slice name)
{
	arguments_add_text(arguments, "label:%.*s", (int)name.len, name.at);
}

void
arguments_add_labels(struct arguments *arguments, const struct label_set *labels)
{
	for (size_t i = 0; i < labels->count; i++) {
		arguments_add_label_name(arguments, labels->items[i].name);
		arguments_add(arguments, labels->items[i].value);
	}
}

void
arguments_add_hash(struct arguments *arguments, const unsigned char hash[TOKEN_HASH_LEN])
{
	char hex[2 * TOKEN_HASH_LEN + 1];

	jg_token_hash_format(hash, hex);
	arguments_add_text(arguments, "%s", hex);
}

void
arguments_add_key(struct arguments *arguments, const unsigned char *key)
{
	char hex[MINT_KEY_TEXT_LEN + 1] = "";

	if (key != NULL)
		jg_mint_key_format(key, hex);
	arguments_add_text(arguments, "%s", hex);
	OPENSSL_cleanse(hex, sizeof(hex));
}

void
arguments_add_token(struct arguments *arguments, const struct token *token)
{
	char *text = arguments->text + arguments->used;
	size_t len =
	    jg_selector_format(&token->selector, text, sizeof(arguments->text) - arguments->used);

	arguments->used += len + 1;
	arguments_add_pair(arguments, "selector", (struct slice){text, len});
	arguments_add_pair(arguments, "name", token->name);
	arguments_add_pair(arguments, "role", slice_of(jg_role_name(token->role)));
	arguments_add(arguments, SLICE("hash"));
	arguments_add_hash(arguments, token->hash);
	arguments_add(arguments, SLICE("version"));
	arguments_add_text(arguments, "%llu", (unsigned long long)token->version);
	if (token->minted > 0) {
		arguments_add(arguments, SLICE("minted"));
		arguments_add_text(arguments, "%llu", (unsigned long long)token->minted);
	}
	arguments_add_pair(arguments, "created_at", token->created_at);
	arguments_add_pair(arguments, "updated_at", token->updated_at);
}

void
arguments_add_record_key(
    struct arguments *arguments, const struct store *store, enum record_kind kind, struct slice id)
{
	arguments_add_text(arguments, "%s%s:%.*s", store_prefix(store), record_types[kind].noun,
	    (int)id.len, id.at);
}

void
arguments_add_index_key(
    struct arguments *arguments, const struct store *store, enum record_kind kind)
{
	arguments_add_text(arguments, "%s%s", store_prefix(store), record_types[kind].nouns);
}

void
arguments_add_quota_key(
    struct arguments *arguments, const struct store *store, enum record_kind kind)
{
	arguments_add_text(arguments, "%squota:%s:", store_prefix(store), record_types[kind].nouns);
}

void
arguments_add_maker_key(
    struct arguments *arguments, const struct store *store, const struct store_maker *maker)
{
	arguments_add_record_key(
	    arguments, store, RECORD_TOKEN, maker != NULL ? maker->id : SLICE(""));
}

void
arguments_add_maker(struct arguments *arguments, const struct store *store, enum record_kind kind,
    const struct store_maker *maker)
{
	if (maker != NULL)
		arguments_add_hash(arguments, maker->hash);
	else
		arguments_add(arguments, SLICE(""));
	arguments_add_text(arguments, "%u", maker != NULL ? maker->most : 0);
	arguments_add_quota_key(arguments, store, kind);
	arguments_add_record_key(arguments, store, kind, SLICE(""));
}

/* An empty command; NULL when memory is short. */
struct arguments *
arguments_new(const char *name)
{
	struct arguments *arguments = malloc(sizeof(*arguments));

	if (arguments == NULL)
		return NULL;
	arguments->count = 0;
	arguments->used = 0;
	arguments_add(arguments, slice_of(name));
	return arguments;
}

void
arguments_free_wiped(struct arguments *arguments)
{
	if (arguments != NULL)
		OPENSSL_cleanse(arguments->text, arguments->used);
	free(arguments);
}

/* What a script for records within a scope begins with: the number of labels, names and values. */
void
arguments_add_scope(struct arguments *arguments, const struct label_set *scope)
{
	arguments_add_text(arguments, "%zu", scope->count);
	for (size_t i = 0; i < scope->count; i++) {
		arguments_add(arguments, scope->items[i].name);
		arguments_add(arguments, scope->items[i].value);
	}
}

/* "EVAL script 2 record index" or "EVAL script 1 record"; NULL when memory is short. */
struct arguments *
arguments_script(
    const struct store *store, const char *text, bool index, enum record_kind kind, struct slice id)
{
	struct arguments *arguments = arguments_new("EVAL");

	if (arguments == NULL)
		return NULL;
	arguments_add(arguments, slice_of(text));
	arguments_add(arguments, index ? SLICE("2") : SLICE("1"));
	arguments_add_record_key(arguments, store, kind, id);
	if (index)
		arguments_add_index_key(arguments, store, kind);
	return arguments;
}
