/* arguments.h - a command for Redis being put together. Nothing here can fail but for its making.
 */
#ifndef JOBGATE_REDIS_ARGUMENTS_H
#define JOBGATE_REDIS_ARGUMENTS_H

#include "auth/record_fields.h"
#include "auth/redis/store.h"

/*
 * A patch has most: it sets and removes all labels and all fields, besides the scope and what
 * stands around them.
 */
#define ARGUMENTS_MAX (24 + 3 * JOB_LABELS_MAX + 2 * SELECTOR_LABELS_MAX + 3 * RECORD_FIELDS_MOST)
#define ARGUMENTS_TEXT (64u << 10)

/* Texts made for it lie in its own memory. */
struct arguments {
	int count;
	const char *at[ARGUMENTS_MAX];
	size_t len[ARGUMENTS_MAX];
	size_t used;
	char text[ARGUMENTS_TEXT];
};

/* A command without arguments, to be freed; NULL when memory is short. */
struct arguments *arguments_new(const char *name);

/* "EVAL text 2 record index" or "EVAL text 1 record", likewise. */
struct arguments *arguments_script(const struct store *store, const char *text, bool index,
    enum record_kind kind, struct slice id);

/* Wipe and free one that holds the mint's key; NULL is harmless. */
void arguments_free_wiped(struct arguments *arguments);

/* One more; the text must outlive the command. */
void arguments_add(struct arguments *arguments, struct slice text);

/* One made by printf. */
void arguments_add_text(struct arguments *arguments, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void arguments_add_pair(struct arguments *arguments, const char *field, struct slice value);
void arguments_add_label_name(struct arguments *arguments, struct slice name);
void arguments_add_labels(struct arguments *arguments, const struct label_set *labels);
void arguments_add_hash(struct arguments *arguments, const unsigned char hash[TOKEN_HASH_LEN]);
void arguments_add_key(struct arguments *arguments, const unsigned char *key); /* NULL: "" */

/* Name and value of a field of the record's hash, or nothing where the record has none. */
void arguments_add_field(
    struct arguments *arguments, const struct record_field *field, const struct record *record);
void arguments_add_fields(struct arguments *arguments, const struct record *record); /* all */

void arguments_add_record_key(
    struct arguments *arguments, const struct store *store, enum record_kind kind, struct slice id);
void arguments_add_index_key(
    struct arguments *arguments, const struct store *store, enum record_kind kind);

/* For MAKER_SCRIPT: the last of the keys, then the first of ARGV. maker may be NULL. */
void arguments_add_maker_key(
    struct arguments *arguments, const struct store *store, const struct store_maker *maker);
void arguments_add_maker(struct arguments *arguments, const struct store *store,
    enum record_kind kind, const struct store_maker *maker);

/* The prefix of the keys of quota sets; a scope's labels follow it. */
void arguments_add_quota_key(
    struct arguments *arguments, const struct store *store, enum record_kind kind);

/* What a script for records within a scope begins with: the number of labels, names and values. */
void arguments_add_scope(struct arguments *arguments, const struct label_set *scope);

#endif
