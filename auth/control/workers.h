/* workers.h - the connections of our workers, and what they are asked about sessions. */
#ifndef JOBGATE_CONTROL_WORKERS_H
#define JOBGATE_CONTROL_WORKERS_H

#include <event2/event.h>
#include <stddef.h>
#include <sys/queue.h>

#include "jobgate/session.h"

struct workers;

/* Names a session among those of all workers; also a place in a list. */
struct session_id {
	uint32_t worker;
	uint64_t serial;
};

/*
 * A question to all workers, one after the other in the order of their numbers; embedded in the
 * asker's own struct. Its memory is bounded by what the asker keeps.
 */
struct session_question {
	struct session_order
	    order;		/* most: of all workers together; number and before are set here */
	struct session_id from; /* only sessions that a list shows after this one; zero: all */
	bool of_one;		/* only the session `from` itself */
	struct slice by;	/* the id of the asking token; empty: a local caller */
	const struct label_set *scope; /* that token's selector, which outlives the question; or
					  NULL */
	/*
	 * True when the answer is not waited for any more: no other worker is asked, and those
	 * count as silent. NULL: it is always waited for.
	 */
	bool (*is_abandoned)(const struct session_question *question);
	/* The jobs whose sessions are counted, and where the counts are added; NULL: none are. */
	const struct session_jobs *jobs;
	uint64_t *counts;
	/* A session: of the worker of this number and index. May not be NULL if the order lists. */
	void (*found)(struct session_question *question, const struct session_id *id,
	    unsigned index, const struct session *session);
	/*
	 * All have answered, or were silent for too long. The question may be freed from here.
	 * Called once, never before workers_ask has returned, except by workers_free.
	 */
	void (*answered)(struct session_question *question);

	/* The result. */
	uint64_t count;	 /* of sessions that were found, or ended */
	bool more;	 /* there may be more than `most` */
	unsigned silent; /* workers that did not answer, or are not connected */

	TAILQ_ENTRY(session_question) link;
};

/*
 * running says how many workers there are (control.h), so that questions wait for those that have
 * not connected yet. NULL when memory is short.
 */
struct workers *workers_new(
    struct event_base *base, size_t (*running)(void *ctx), void *running_ctx);

/* Take connections at this socket (SOCK_SEQPACKET), which it owns, in place of the one before.
 * False when that fails. */
bool workers_listen(struct workers *workers, int fd);

/* Questions are put one at a time; this one waits for those before it. */
void workers_ask(struct workers *workers, struct session_question *question);

/*
 * True when a question of the same token waits or is being answered, or when there are so many
 * questions that callers with a token must not add this one. Those whose token has a label selector
 * leave some room for the others, because they may make any number of tokens, and those whose
 * selectors have a label in common leave room for other selectors.
 */
bool workers_are_busy(const struct workers *workers, const struct session_question *question);

/*
 * The same for a question that counts. These have limits of their own, and a token may have
 * several.
 */
bool workers_count_too_much(const struct workers *workers, const struct session_question *question);

/* What those who watch are told. Only `worker` may be called from within the functions of this
 * header: when an order cannot be given to a worker, it is gone. */
struct workers_watcher {
	void *ctx;
	/* A session has begun or ended. slots: a bit for each that may learn of it; names: for each
	 * that may also learn which token it has. */
	void (*event)(void *ctx, uint32_t slots, const struct session_id *id, unsigned index,
	    const struct session_event *event);
	/* These slots have missed something. */
	void (*lost)(void *ctx, uint32_t slots);
	/* A worker has come, or gone. */
	void (*worker)(void *ctx, uint32_t id, unsigned index, bool up);
	/* A worker has confirmed an order to watch. */
	void (*confirmed)(void *ctx);
};

/* *watcher is copied. */
void workers_set_watcher(struct workers *workers, const struct workers_watcher *watcher);

/*
 * Have all workers, also those that come later, tell this slot of sessions that begin and end.
 * scope NULL: of all sessions; else of those of an operator with this label selector, which has
 * labels. False when the selector is too long.
 */
bool workers_watch(struct workers *workers, unsigned slot, const struct label_set *scope);
void workers_unwatch(struct workers *workers, unsigned slot);

/* True when all workers that take connections are connected here and tell this slot. */
bool workers_are_watched(const struct workers *workers, unsigned slot);

/* Call told for each worker that is connected. */
void workers_each(
    const struct workers *workers, void (*told)(void *ctx, uint32_t id, unsigned index), void *ctx);

/* All questions are answered first, as they stand. NULL is allowed. */
void workers_free(struct workers *workers);

#endif
