/* store_walk.h - going through all that the store keeps, step by step: for its maintenance. */
#ifndef JOBGATE_REDIS_STORE_WALK_H
#define JOBGATE_REDIS_STORE_WALK_H

#include "auth/redis/store.h"

#define STORE_WALK_CURSOR_MAX 24
#define STORE_WALK_START "0" /* also the cursor behind the last step */

struct store_walk_entry {
	struct slice id;	     /* the rest of its key, behind the prefix */
	struct slice score;	     /* in the index, as Redis writes it; at is NULL: not there */
	const struct record *record; /* NULL: it breaks a rule */
	const char *why;	     /* what rule it breaks, else NULL */
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

/* What the next step begins with, or STORE_WALK_START: this one is the last. */
typedef void store_walk_begun(void *ctx, const char *next);

/*
 * All keys of a kind (SCAN), some hundred at a time. A record that is there from the
 * first step to the last is met at least once, perhaps more often. Before a step is
 * done, but only if it will not fail at once, begun is told where the next one begins: to
 * start that from there keeps Redis and us busy at the same time. Steps are done in the
 * order in which they were started.
 *
 * A step fails if its records together are more than a reply may hold. A careful step is smaller,
 * and Redis measures each record first, which takes longer, and sends none that is too large.
 */
void store_walk(struct store *store, enum record_kind kind, const char *cursor, bool careful,
    store_walk_begun *begun, store_walk_done *done, void *ctx);

/* Careful steps in place of one normal step, at least. */
#define STORE_WALK_CAREFUL_STEPS 30

/* The entries of an index that have no record, each with its id and score alone. */
void store_walk_index(struct store *store, enum record_kind kind, const char *cursor,
    store_walk_done *done, void *ctx);

#endif
