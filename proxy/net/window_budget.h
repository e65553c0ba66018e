/* window_budget.h - what the windows of a worker's streams may cost, beyond their first size. A
 * window is what a peer may send before it is told that more may come. */
#ifndef JOBGATE_NET_WINDOW_BUDGET_H
#define JOBGATE_NET_WINDOW_BUDGET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

/*
 * A peer may use up its window at any time, and no frame takes it back. So a window counts in the
 * budget for as long as the peer has it. Two rules keep some of the budget free for new streams:
 *
 * - A connection gets only a share of what is left. So the budget is never used up by a few
 *   connections, and those that come later get less, but something.
 * - When there is too little left, streams that have not used half of their windows for LEND_MS
 *   lend: their windows do not count any more, and shrink to the first size when they are used
 *   again. Each connection lends at most lent_max bytes. So at most the budget and lent_max bytes
 *   of each connection may come, and nothing that comes has to be refused.
 */

/* A window that is half used up within this time may limit its peer, so it grows: up to about what
 * comes in twice this time, which is more than any round trip. */
#define WINDOW_GROW_MS 500

/* The share of a stream, beside its window. Start with a zeroed one, whose account is set. */
struct window_share {
	TAILQ_ENTRY(window_share) link;
	struct window_account *account;
	uint32_t bytes;	  /* by which the window is larger than the first one */
	uint64_t used_ms; /* when half of the window was last used up */
	bool counted;	  /* `bytes` count in the budget: it is in its list */
	bool lent;	  /* they do not */
};

/* Of one connection. */
struct window_account {
	struct window_budget *budget;
	uint64_t counted, lent; /* bytes of its streams */
	uint64_t lent_max;
	unsigned part;	/* it may have this part of what is left in the budget: 1 / part */
	unsigned steps; /* a window grows by a step only if it may have this many such steps: so
			   one stream does not take all that the others may have */
};

/* Of a worker. */
struct window_budget {
	uint64_t max; /* bytes */
	uint64_t
	    counted; /* of all connections; may be more than max when that is less than before */
	TAILQ_HEAD(window_shares, window_share)
	shares; /* those that count, the one unused for longest first */
};

void window_budget_init(struct window_budget *budget, uint64_t max);

/* True when the peer has used up half of the window fast. */
bool window_share_is_fast(const struct window_share *share, uint64_t now_ms);

/* Let the window grow by this many bytes. False: the budget does not allow it, or it still shrinks.
 */
bool window_share_grow(struct window_share *share, uint32_t bytes, uint64_t now_ms);

/*
 * Half of the window has been used up. Returns how many of these bytes it has to shrink by, as it
 * has lent its share; else 0.
 */
uint32_t window_share_use(struct window_share *share, uint32_t bytes, uint64_t now_ms);

/* Give back all that it has. */
void window_share_give(struct window_share *share);

/*
 * The connection is gone, and nothing of it is lent from now on. Then, for each stream that is
 * left: it still holds what has come within its window, so that counts, even if it was lent.
 */
void window_account_close(struct window_account *account);
void window_share_hold(struct window_share *share);

/* The window is not needed any more. */
static inline void
window_share_end(struct window_share *share)
{
	if (share->bytes > 0)
		window_share_give(share);
}

#endif
