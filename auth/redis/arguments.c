/* arguments.c - builds commands for Redis. */
#include "auth/redis/arguments.h"

#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/moment.h"
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

static void
add_pair(struct arguments *arguments, const char *field, struct slice value)
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
arguments_add_port_name(struct arguments *arguments, uint16_t number)
{
	arguments_add_text(arguments, "port:%u", (unsigned)number);
}

static void
add_ports(struct arguments *arguments, const struct job_ports *ports)
{
	for (size_t i = 0; i < ports->count; i++) {
		arguments_add_port_name(arguments, ports->items[i].number);
		arguments_add(arguments, ports->items[i].url_text);
	}
}

static void
add_labels(struct arguments *arguments, const struct label_set *labels)
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

static void
add_number(struct arguments *arguments, const char *field, uint64_t number)
{
	arguments_add(arguments, slice_of(field));
	arguments_add_text(arguments, "%llu", (unsigned long long)number);
}

static void
add_moment(struct arguments *arguments, const char *field, uint64_t ms)
{
	char moment[MOMENT_TEXT_MAX];

	moment_format(ms, moment);
	arguments_add(arguments, slice_of(field));
	arguments_add_text(arguments, "%s", moment);
}

static void
add_selector(struct arguments *arguments, const char *field, const struct label_set *selector)
{
	char *text = arguments->text + arguments->used;
	size_t room = sizeof(arguments->text) - arguments->used;
	size_t len = jg_selector_format(selector, text, room);

	CHECK(len < room);
	arguments->used += len + 1;
	add_pair(arguments, field, (struct slice){text, len});
}

static void
add_ranges(struct arguments *arguments, const char *field, const struct ip_ranges *ranges)
{
	char text[TOKEN_FROM_TEXT_MAX];

	jg_ip_ranges_format(ranges, text, sizeof(text));
	arguments_add(arguments, slice_of(field));
	arguments_add_text(arguments, "%s", text);
}

void
arguments_add_field(
    struct arguments *arguments, const struct record_field *field, const struct record *record)
{
	const void *member = field_of_const(field, record);
	const struct slice *text = field_text(field, record);
	char role[ROLE_TEXT_MAX];

	switch (field->form) {
	case AS_TEXT:
		if (text->len > 0 || !field->is_nullable)
			add_pair(arguments, field->stored, *text);
		return;
	case AS_TIME: /* "" is written, too: Redis keeps no hash without a field */
		add_pair(arguments, field->stored, *text);
		return;
	case AS_MAKER:
	case AS_URL:
		if (text->len > 0)
			add_pair(arguments, field->stored, *text);
		return;
	case AS_MOMENT:
		if (*(const uint64_t *)member > 0)
			add_moment(arguments, field->stored, *(const uint64_t *)member);
		return;
	case AS_NUMBER:
		if (*(const uint64_t *)member > 0)
			add_number(arguments, field->stored, *(const uint64_t *)member);
		return;
	case AS_ROLE:
		role_format(record, role);
		arguments_add(arguments, slice_of(field->stored));
		arguments_add_text(arguments, "%s", role);
		return;
	case AS_SELECTOR:
		add_selector(arguments, field->stored, member);
		return;
	case AS_LABELS:
		add_labels(arguments, member);
		return;
	case AS_PORTS:
		add_ports(arguments, member);
		return;
	case AS_RANGES:
		if (!field_is_none(field, record))
			add_ranges(arguments, field->stored, member);
		return;
	case AS_HASH:
		if (field_is_none(field, record))
			return;
		arguments_add(arguments, slice_of(field->stored));
		arguments_add_hash(arguments, member);
		return;
	case AS_ID:
	case AS_USED:
	case AS_COUNT:
	case AS_JOB_URL:
	case AS_PORT_URLS:
	case AS_VALUE:
		return;
	}
}

void
arguments_add_fields(struct arguments *arguments, const struct record *record)
{
	const struct record_fields *fields = &record_fields[record->kind];

	for (size_t i = 0; i < fields->count; i++)
		arguments_add_field(arguments, &fields->rows[i], record);
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
arguments_add_uses_key(struct arguments *arguments, const struct store *store)
{
	arguments_add_text(arguments, "%sused", store_prefix(store));
}

void
arguments_add_maker_key(
    struct arguments *arguments, const struct store *store, const struct store_maker *maker)
{
	arguments_add_record_key(
	    arguments, store, RECORD_TOKEN, maker != NULL ? maker->id : SLICE(""));
}

void
arguments_add_pattern(struct arguments *arguments, const struct store *store, const char *rest)
{
	const char *prefix = store_prefix(store);
	char escaped[512];
	size_t len = 0;

	for (; *prefix != '\0' && len + 2 < sizeof(escaped); prefix++) {
		if (strchr("*?[]^\\", *prefix) != NULL)
			escaped[len++] = '\\';
		escaped[len++] = *prefix;
	}
	arguments_add_text(arguments, "%.*s%s", (int)len, escaped, rest);
}

void
arguments_add_made_key(struct arguments *arguments, const struct store *store, struct slice maker)
{
	arguments_add_text(arguments, "%smade:%.*s", store_prefix(store), (int)maker.len, maker.at);
}

void
arguments_add_maker(struct arguments *arguments, const struct store *store,
    const struct record *record, const struct store_maker *maker)
{
	enum record_kind kind = record->kind;

	if (maker != NULL)
		arguments_add_hash(arguments, maker->hash);
	else
		arguments_add(arguments, SLICE(""));
	arguments_add_text(arguments, "%u", maker != NULL ? maker->most : 0);
	arguments_add_quota_key(arguments, store, kind);
	arguments_add_record_key(arguments, store, kind, SLICE(""));
	if (kind == RECORD_TOKEN && jg_token_id_valid(record->token.created_by))
		arguments_add_made_key(arguments, store, record->token.created_by);
	else
		arguments_add(arguments, SLICE(""));
}

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

static void
add_scope(struct arguments *arguments, const struct label_set *scope)
{
	arguments_add_text(arguments, "%zu", scope->count);
	for (size_t i = 0; i < scope->count; i++) {
		arguments_add(arguments, scope->items[i].name);
		arguments_add(arguments, scope->items[i].value);
	}
}

void
arguments_add_caller(
    struct arguments *arguments, const struct store *store, const struct store_caller *caller)
{
	if (caller->hash != NULL) {
		arguments_add_record_key(arguments, store, RECORD_TOKEN, caller->id);
		arguments_add_hash(arguments, caller->hash);
	} else {
		arguments_add(arguments, SLICE(""));
	}
	add_scope(arguments, caller->scope);
}

static struct arguments *
script(const struct store *store, const char *text, bool index, enum record_kind kind,
    struct slice id, int more_keys)
{
	struct arguments *arguments = arguments_new("EVAL");

	if (arguments == NULL)
		return NULL;
	arguments_add(arguments, slice_of(text));
	arguments_add_text(arguments, "%d", (index ? 2 : 1) + more_keys);
	arguments_add_record_key(arguments, store, kind, id);
	if (index)
		arguments_add_index_key(arguments, store, kind);
	return arguments;
}

struct arguments *
arguments_script(
    const struct store *store, const char *text, bool index, enum record_kind kind, struct slice id)
{
	return script(store, text, index, kind, id, 0);
}

struct arguments *
arguments_of_caller(const struct store *store, const char *text, bool index, enum record_kind kind,
    struct slice id, const struct store_caller *caller)
{
	struct arguments *arguments = script(store, text, index, kind, id, CALLER_KEYS(caller));

	if (arguments != NULL)
		arguments_add_caller(arguments, store, caller);
	return arguments;
}

void
arguments_add_limit_names(struct arguments *arguments)
{
	const struct record_field *rows = record_fields[RECORD_TOKEN].rows;
	char names[ROLE_TEXT_MAX] = "";
	int len = 0;

	for (size_t i = 0; i < TOKEN_FIELDS; i++)
		if ((rows[i].uses & USE_BINDS) != 0)
			len += snprintf(names + len, sizeof(names) - (size_t)len, "%s%s",
			    len > 0 ? " " : "", rows[i].stored);
	arguments_add_text(arguments, "%s", names);
}

void
arguments_add_changes(struct arguments *arguments, const struct record *record, uint32_t fields)
{
	const struct record_field *rows = record_fields[RECORD_TOKEN].rows;
	uint32_t gone = 0;

	for (size_t i = 0; i < TOKEN_FIELDS; i++)
		if ((fields & FIELD_BIT(i)) != 0 && field_is_none(&rows[i], record))
			gone |= FIELD_BIT(i);
	arguments_add_text(arguments, "%d", __builtin_popcount(gone));
	for (size_t i = 0; i < TOKEN_FIELDS; i++)
		if ((gone & FIELD_BIT(i)) != 0)
			arguments_add(arguments, slice_of(rows[i].stored));
	for (size_t i = 0; i < TOKEN_FIELDS; i++)
		if ((fields & ~gone & FIELD_BIT(i)) != 0)
			arguments_add_field(arguments, &rows[i], record);
}
