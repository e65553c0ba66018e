/* limits.h - what a client may cost beyond its requests: resets. http2/overhead.h has the frames
 * that carry nothing. */
#ifndef JOBGATE_HTTP2_LIMITS_H
#define JOBGATE_HTTP2_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A stream that is reset early costs work that no answer pays for ("rapid reset", and its sibling
 * where the client provokes the server's own reset). Each early reset takes one off the budget;
 * each stream that ends well puts one back, up to this many.
 */
#define RESETS_MAX 100

struct reset_budget {
	unsigned left;
};

static inline void
resets_init(struct reset_budget *budget)
{
	budget->left = RESETS_MAX;
}

/* False when none is left: the client gets ENHANCE_YOUR_CALM. */
static inline bool
resets_spend(struct reset_budget *budget)
{
	if (budget->left == 0)
		return false;
	budget->left--;
	return true;
}

static inline void
resets_earn(struct reset_budget *budget)
{
	if (budget->left < RESETS_MAX)
		budget->left++;
}

#endif
