/* limits.h - what a client may cost beyond its requests: resets, and frames that carry nothing. */
#ifndef JOBGATE_HTTP2_LIMITS_H
#define JOBGATE_HTTP2_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

/* ---- resets ---- */

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

/* ---- bytes that carry nothing ---- */

/* In each minute, a client may send this many times the bytes of payload, with an allowance added
 * to these. */
#define OVERHEAD_SHARE 8
#define OVERHEAD_ALLOWANCE (UINT64_C(1024) * 1024) /* bytes */
#define OVERHEAD_PERIOD_MS 60000

/* Payload is content in both directions, and fields. */
struct overhead {
	uint64_t began_ms;
	uint64_t read;	  /* bytes of the client since then */
	uint64_t payload; /* bytes in both directions since then */
};

static inline void
overhead_payload(struct overhead *overhead, uint64_t bytes)
{
	overhead->payload += bytes;
}

/* This many bytes were read at this time. False: too little of what comes is payload. */
static inline bool
overhead_read(struct overhead *overhead, uint64_t bytes, uint64_t now_ms)
{
	if (now_ms - overhead->began_ms >= OVERHEAD_PERIOD_MS)
		*overhead = (struct overhead){.began_ms = now_ms};
	overhead->read += bytes;
	return overhead->read / OVERHEAD_SHARE <= overhead->payload + OVERHEAD_ALLOWANCE;
}

#endif
