/* walk.h - walks through an index, for lists: few at a time, and separate from changes. */
#ifndef JOBGATE_CONTROL_WALK_H
#define JOBGATE_CONTROL_WALK_H

#include <sys/queue.h>

#include "auth/redis/store.h"

struct call;

#define WALKS_MAX 2 /* at once, in the whole process */

/* The walk of one call; it ends with the call. */
struct walk {
	TAILQ_ENTRY(walk) link; /* among those that wait for a place */
	struct walks *walks;	/* NULL before walk_begin, and when that has refused it */
	struct call *call;
	void (*next)(struct call *call);
	struct store *store; /* to step through; NULL while it waits */
	bool gives_way;
};

/* Each place has its own connection: a walk that gets no answer in time breaks no other. */
struct walks {
	struct {
		struct store *store;
		struct walk *walk; /* or NULL */
	} places[WALKS_MAX];
	TAILQ_HEAD(, walk) waiting;
};

/* Connect with these options, except for the name. False when memory is short; call walks_close
 * even then. */
bool walks_open(struct walks *walks, const struct store_options *options);

/* Walks under way end with STORE_UNAVAILABLE first. */
void walks_close(struct walks *walks);

/*
 * Find a place for the walk of a call, then call next. A local caller may wait for a place, and the
 * walk of a remote caller gives way to it. A remote caller gets 429 when no place is free, or when
 * a walk with the same token is under way. walk must be zeroed, and lives until walk_end.
 */
void walk_begin(
    struct walks *walks, struct walk *walk, struct call *call, void (*next)(struct call *call));

/* Call it before each step. False when the walk must give way; the call has got 429 then. */
bool walk_goes_on(const struct walk *walk);

/* The call ends: its place is free for the next one. Harmless for a walk that never began. */
void walk_end(struct walk *walk);

#endif
