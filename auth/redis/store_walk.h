/* store_walk.h - going through all that the store keeps, step by step: for its maintenance. */
#ifndef JOBGATE_REDIS_STORE_WALK_H
#define JOBGATE_REDIS_STORE_WALK_H

#include "auth/redis/store.h"

#define STORE_WALK_CURSOR_MAX 24
#define STORE_WALK_START "0" /* also the cursor behind the last step */

struct store_walk_entry {
	struct slice id;	     /* whatever stands behind the prefix of its key */
	struct slice score;	     /* in the index, as Redis writes it; at is NULL: not there */
	const struct record *record; /* NULL: it breaks a rule, or there is none */
	const char *why;	     /* NULL with a record */
};

/* Everything is valid during the call. */
struct store_walk_step {
	size_t count;
	const struct store_walk_entry *entries;
	uint64_t looked_at; /* of this step */
	uint64_t total;	    /* entries of the index: how long the walk may get */
	char next[STORE_WALK_CURSOR_MAX];
};

/* With STORE_OK step is set, else NULL. */
typedef void store_walk_done(
    void *ctx, enum store_result result, const struct store_walk_step *step);

/*
 * All keys of a kind (SCAN), some hundred at a time. A record that is there from the
 * first step to the last is met at least once, perhaps more often.
 */
void store_walk(struct store *store, enum record_kind kind, const char *cursor,
    store_walk_done *done, void *ctx);

/* The entries of an index that have no record; records are NULL. */
void store_walk_index(struct store *store, enum record_kind kind, const char *cursor,
    store_walk_done *done, void *ctx);

#endif
