/* walk.h - walks through an index, for lists: few at once, and apart from all changes. */
#ifndef JOBGATE_CONTROL_WALK_H
#define JOBGATE_CONTROL_WALK_H

#include <sys/queue.h>

#include "auth/redis/store.h"

struct call;

#define WALKS_MAX 2 /* at once, in the whole process */

/* One walk: of a call, which it ends with. */
struct walk {
	TAILQ_ENTRY(walk) link; /* while it waits for a place */
	struct walks *walks;	/* NULL before walk_begin, and when that has refused it */
	struct call *call;
	void (*next)(struct call *call);
	struct store *store; /* to step through; NULL while it waits */
	bool gives_way;
};

/* Each place has a connection of its own: a walk that gets no answer in time breaks no other. */
struct walks {
	struct {
		struct store *store;
		struct walk *walk; /* or NULL */
	} places[WALKS_MAX];
	TAILQ_HEAD(, walk) waiting;
};

/* Connect, with options but for their name. False when memory is short; walks_close is right all
 * the same. */
bool walks_open(struct walks *walks, const struct store_options *options);

/* Walks under way end with STORE_UNAVAILABLE first. */
void walks_close(struct walks *walks);

/*
 * Find a place for the walk of a call, then go on with next: at once, or later for a local caller,
 * for whom a walk of another caller gives way. Other callers, and who has a walk under way with the
 * same token, are answered 429 where there is no place. walk must be zeroed, and lives until
 * walk_end.
 */
void walk_begin(
    struct walks *walks, struct walk *walk, struct call *call, void (*next)(struct call *call));

/* Before each step: false when it is to give way, which is answered with 429. */
bool walk_goes_on(const struct walk *walk);

/* Its call ends: the place is for the next one. Nothing happens to one that never began. */
void walk_end(struct walk *walk);

#endif
