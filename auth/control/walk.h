/* walk.h - limits walks through an index, for lists: few at a time, and on connections of their
 * own.
 */
#ifndef JOBGATE_CONTROL_WALK_H
#define JOBGATE_CONTROL_WALK_H

#include <sys/queue.h>

#include "auth/redis/store.h"
#include "jobgate/dump.h"
#include "jobgate/tuning.h"

struct call;

#define WALKS_MAX 2 /* at once, in the whole process */

enum walk_state {
	WALK_NONE,	 /* before walk_begin, after a refusal by it, and after walk_end */
	WALK_WAITING,	 /* for a place, in the list of waiting walks */
	WALK_GOING,	 /* has a place */
	WALK_GIVING_WAY, /* has a place, and ends at its next step */
};

/* The walk of one call; it ends with the call. */
struct walk {
	enum walk_state state;
	TAILQ_ENTRY(walk) link; /* WAITING */
	struct walks *walks;	/* set by walk_begin */
	struct call *call;
	void (*next)(struct call *call);
	struct store *store; /* GOING, GIVING_WAY: the store to step through */
	uint64_t until_ms;   /* when it ends, CLOCK_MONOTONIC; 0: before its first step */
};

/* Each place has its own connection: a walk that gets no answer in time breaks no other. */
struct walks {
	struct {
		struct store *store;
		struct walk *walk; /* or NULL */
	} places[WALKS_MAX];
	TAILQ_HEAD(, walk) waiting; /* the next one first: local callers, then others */
	size_t remote_waiting;
	const struct control_tuning *tuning;
};

/* Connect with these options, except for the name. False when memory is short; call walks_close
 * even then. */
bool walks_open(
    struct walks *walks, const struct store_options *options, const struct control_tuning *tuning);

/* First, walks under way end with STORE_UNAVAILABLE. */
void walks_close(struct walks *walks);

/*
 * Find a place for the walk of a call, then call next. When no place is free, it waits: local
 * callers first, and the walk of a remote caller gives way to them. Each walk has limited time, so
 * each waiting one gets its turn, however many callers make lists all the time. A call gets 429
 * when a walk with the same token is under way or waits, or when too many remote callers wait. walk
 * must be zeroed, and lives until walk_end.
 */
void walk_begin(
    struct walks *walks, struct walk *walk, struct call *call, void (*next)(struct call *call));

/* The only place that assigns a state. It moves a walk into the list of waiting walks and out of
 * it. */
void walk_set_state(struct walk *walk, enum walk_state to);

/* Write its state and its call. */
void walk_dump(const struct walk *walk, struct dump *dump);

/*
 * Call it before each step. False when the walk must end here, because its time is over or it gives
 * way: answer the call with a page that ends early. Always true before the first step.
 */
bool walk_goes_on(struct walk *walk);

/* The call ends, and its place is free for the next one. Harmless for a walk that never began. */
void walk_end(struct walk *walk);

#endif
