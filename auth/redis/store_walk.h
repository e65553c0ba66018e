/* store_walk.h - walks through all records of the store, step by step, for its maintenance. */
#ifndef JOBGATE_REDIS_STORE_WALK_H
#define JOBGATE_REDIS_STORE_WALK_H

#include "auth/redis/store.h"

#define STORE_WALK_CURSOR_MAX 24
#define STORE_WALK_START "0" /* also the cursor after the last step */

struct store_walk_entry {
	struct slice id; /* the rest of its key, after the prefix */
	struct slice
	    score; /* in the index, as Redis writes it; at is NULL when the index lacks it */
	const struct record *record; /* NULL: it breaks a rule */
	const char *why;	     /* the rule that it breaks, else NULL */
	bool cut_off;		     /* of store_walk_made only */
};

/* Everything is valid during the call. */
struct store_walk_step {
	size_t count;
	const struct store_walk_entry *entries;
	uint64_t looked_at; /* in this step */
	uint64_t total;	    /* entries of the index, to estimate the length of the walk */
	char next[STORE_WALK_CURSOR_MAX];
};

/* With STORE_OK step is set, else NULL. */
typedef void store_walk_done(
    void *ctx, enum store_result result, const struct store_walk_step *step);

/* Called with the cursor of the next step, or with STORE_WALK_START when this one is the last. */
typedef void store_walk_begun(void *ctx, const char *next);

/*
 * How often the connection to the store was lost. A cursor is good only for the connection that it
 * came from: the next server, even if it is the same one started again, has its keys in another
 * order, so a walk from there would leave some out.
 */
uint64_t store_losses(const struct store *store);

/*
 * Walk through all keys of a kind (SCAN), a few hundred in each step. A record that exists from the
 * first step to the last is met at least once, perhaps more often. Before done, begun is told where
 * the next step begins, unless the step fails early. Starting the next step from there keeps Redis
 * and us busy at the same time. Steps end in the order in which they were started.
 *
 * A step fails if its records together are too large for a reply. A careful step is smaller, and
 * Redis measures each record first, which takes longer; it does not send a record that is too
 * large.
 */
void store_walk(struct store *store, enum record_kind kind, const char *cursor, bool careful,
    store_walk_begun *begun, store_walk_done *done, void *ctx);

/* At least so many careful steps take the place of one normal step. */
#define STORE_WALK_CAREFUL_STEPS 30

/* Find the entries of an index that have no record; each has only its id and score. */
void store_walk_index(struct store *store, enum record_kind kind, const char *cursor,
    store_walk_done *done, void *ctx);

/*
 * Find the tokens of the index that are not in the set of what their creator has created, and with
 * `mend` add them. Each has its id, in place of the score its creator's, and why
 * it could not be added. An entry that is cut_off says instead that the creator is gone, and that
 * the store does not know who created that one.
 */
void store_walk_made(
    struct store *store, const char *cursor, bool mend, store_walk_done *done, void *ctx);

/*
 * Find what is wrong between jobs of the index. Each entry has a job's id and, in place of the
 * score, "unlisted" (its record says that it is public, and the set of public jobs lacks it),
 * "listed" (the reverse), or the number of a port of it whose host is that of another job.
 */
void store_walk_jobs(struct store *store, const char *cursor, store_walk_done *done, void *ctx);

/*
 * Find what is wrong with the set of public jobs itself. Each entry has "id" in place of the score
 * and a member that is no job's id, cut after 64 bytes; or "many" (it has more than
 * JOBS_PUBLIC_MAX) or "type" (the key holds something else), with an empty id. A member may come
 * more than once.
 */
void store_walk_public(struct store *store, const char *cursor, store_walk_done *done, void *ctx);

/*
 * Find what the store keeps of tokens that are gone, but have created tokens: each has its id, in
 * place of the score its creator's ("" when that is not known), and as `why` its selector (NULL:
 * empty). An entry may come more than once. One that is cut_off is among those that created its own
 * creator.
 */
void store_walk_gone(struct store *store, const char *cursor, store_walk_done *done, void *ctx);

#endif
