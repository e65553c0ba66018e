/* arguments.h - builds a command for Redis. Only making one can fail; adding to it cannot. */
#ifndef JOBGATE_REDIS_ARGUMENTS_H
#define JOBGATE_REDIS_ARGUMENTS_H

#include "auth/record_fields.h"
#include "auth/redis/store.h"

/*
 * A patch needs the most: it sets and removes all labels, ports and fields, and has a scope and a
 * few arguments of its own.
 */
#define ARGUMENTS_MAX                                                            \
	(24 + 3 * JOB_LABELS_MAX + 3 * JOB_PORTS_MAX + 2 * SELECTOR_LABELS_MAX + \
	    3 * RECORD_FIELDS_MOST)
#define ARGUMENTS_TEXT (64u << 10)

/* Texts that are formatted for it lie in its own memory. */
struct arguments {
	int count;
	const char *at[ARGUMENTS_MAX];
	size_t len[ARGUMENTS_MAX];
	size_t used;
	char text[ARGUMENTS_TEXT];
};

/* A command without arguments; the caller frees it. NULL when memory is short. */
struct arguments *arguments_new(const char *name);

/*
 * "EVAL text 2 record index" or "EVAL text 1 record"; the caller frees it. NULL when memory is
 * short.
 */
struct arguments *arguments_script(const struct store *store, const char *text, bool index,
    enum record_kind kind, struct slice id);

/* The same, with what arguments_add_caller adds. */
struct arguments *arguments_of_caller(const struct store *store, const char *text, bool index,
    enum record_kind kind, struct slice id, const struct store_caller *caller);

/* Wipe and free a command that holds the mint's key; NULL is harmless. */
void arguments_free_wiped(struct arguments *arguments);

/* Add one argument; the text must outlive the command. */
void arguments_add(struct arguments *arguments, struct slice text);

/* Add one argument, formatted as by printf. */
void arguments_add_text(struct arguments *arguments, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void arguments_add_label_name(struct arguments *arguments, struct slice name);
void arguments_add_port_name(struct arguments *arguments, uint16_t number);
void arguments_add_hash(struct arguments *arguments, const unsigned char hash[TOKEN_HASH_LEN]);
void arguments_add_key(struct arguments *arguments, const unsigned char *key); /* NULL: "" */

/*
 * Add name and value of a field of the record's hash, or nothing where the record lacks this field.
 */
void arguments_add_field(
    struct arguments *arguments, const struct record_field *field, const struct record *record);
void arguments_add_fields(struct arguments *arguments, const struct record *record); /* all */

void arguments_add_record_key(
    struct arguments *arguments, const struct store *store, enum record_kind kind, struct slice id);
void arguments_add_index_key(
    struct arguments *arguments, const struct store *store, enum record_kind kind);

/*
 * For MAKER_SCRIPT: its key, which is the last of KEYS, and its arguments, which are the first of
 * ARGV. maker may be NULL; record is the one that is created.
 */
void arguments_add_maker_key(
    struct arguments *arguments, const struct store *store, const struct store_maker *maker);
void arguments_add_maker(struct arguments *arguments, const struct store *store,
    const struct record *record, const struct store_maker *maker);

/* Add a pattern of SCAN: the store's prefix, of which no character is special, then `rest`. */
void arguments_add_pattern(
    struct arguments *arguments, const struct store *store, const char *rest);

/* Add the key of the set of tokens that this one has created; without an id the keys' prefix. */
void arguments_add_made_key(
    struct arguments *arguments, const struct store *store, struct slice maker);

/* Add the key of the set that has when tokens were last used. */
void arguments_add_uses_key(struct arguments *arguments, const struct store *store);

/* Add the prefix of the keys of quota sets; in a key, a scope's labels follow it. */
void arguments_add_quota_key(
    struct arguments *arguments, const struct store *store, enum record_kind kind);

/*
 * Add the last of KEYS and the first of ARGV: what caller_script.h expects, and then
 * scope_script.h: the number of labels, their names and values. A caller without a token has no
 * key: CALLER_KEYS.
 */
#define CALLER_KEYS(caller) ((caller)->hash != NULL ? 1 : 0)
void arguments_add_caller(
    struct arguments *arguments, const struct store *store, const struct store_caller *caller);

/* Add the names of all fields that limit tokens (USE_BINDS), as one text with spaces. */
void arguments_add_limit_names(struct arguments *arguments);

/*
 * Add what a change writes of these fields of a token (a set of FIELD_BIT): how many the record
 * lacks, the names of these, then the names and values of the others.
 */
void arguments_add_changes(
    struct arguments *arguments, const struct record *record, uint32_t fields);

#endif
