/* limits.h - what each token may use: requests per second, and requests at a time. */
#ifndef JOBGATE_LIMITS_H
#define JOBGATE_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "jobgate/slice.h"

#define TOKEN_RATE_MAX 1000000	   /* requests per second */
#define TOKEN_BURST_MAX 1000000	   /* requests */
#define TOKEN_CONCURRENCY_MAX 4096 /* exchanges */
#define GATEWAYS_MAX 1000

/* Limits as a record or the configuration gives them; 0: not given. */
struct token_limits {
	uint64_t rate;	      /* requests per second */
	uint64_t burst;	      /* requests at once; without a number: as many as the rate */
	uint64_t concurrency; /* exchanges at a time */
};

/* What applies to a token at this gateway. */
struct allowance {
	uint64_t interval_ns; /* between two requests at the full rate; 0: any rate */
	uint64_t burst;	      /* at least 1, with a rate */
	uint64_t concurrency; /* 0: any number */
};

/* True when at least one of them limits anything: a burst alone does not. */
static inline bool
jg_limits_any(const struct token_limits *record, const struct token_limits *defaults)
{
	return (record->rate | record->concurrency | defaults->rate | defaults->concurrency) != 0;
}

/*
 * The limits of a token's record, and where it has none, those of the configuration, divided by the
 * number of gateways (at least 1). A burst and a concurrency are rounded down, but not below 1.
 * False when there is neither a rate nor a concurrency.
 */
bool jg_allowance(const struct token_limits *record, const struct token_limits *defaults,
    uint64_t gateways, struct allowance *out);

/*
 * The generic cell rate algorithm (ITU-T I.371): tat_ns is the theoretical arrival time that the
 * requests so far have led to. True when a request may pass now; *next_ns is the tat_ns after it.
 * False: *wait_ns is the time until one may pass. All times are of one clock.
 */
bool jg_rate_allows(const struct allowance *allowance, uint64_t tat_ns, uint64_t now_ns,
    uint64_t *next_ns, uint64_t *wait_ns);

/*
 * The tat_ns to go on with after the allowance has changed: at most the latest that the new one
 * leads to, so that what a slow rate had used up does not hold back a faster one.
 */
uint64_t jg_rate_changed(const struct allowance *allowance, uint64_t tat_ns, uint64_t now_ns);

/*
 * The table of the tokens that have limits, in memory which all workers of a gateway share. Taking
 * a permit is one store of the worker's number into a free cell. So a permit always has an owner,
 * and the supervisor takes back those of a worker that has ended. No operation takes a lock, and
 * none leaves anything half done that another worker would have to wait for.
 */
struct limit_table;

/* A permit for one exchange; all zero: none. */
struct permit {
	uint32_t place; /* of the table, plus 1 */
	uint32_t cell;
};

enum limit_verdict {
	LIMIT_ALLOWED,
	LIMIT_RATE,	   /* over the rate */
	LIMIT_CONCURRENCY, /* over the concurrency */
	LIMIT_NO_PLACE,	   /* the table is full of other tokens */
};

/*
 * Count a request of the token with this id (1 to 16 bytes) if it is within its allowance. owner is
 * the worker's number, from 1 on. LIMIT_ALLOWED: *permit is to be given back when the exchange
 * ends; it is all zero without a concurrency limit. Otherwise nothing is counted, and *permit is
 * all zero; LIMIT_RATE sets *wait_us, the time until a request may pass (at least 1).
 */
enum limit_verdict jg_limits_take(struct limit_table *table, uint16_t owner, struct slice id,
    const struct allowance *allowance, uint64_t now_us, struct permit *permit, uint64_t *wait_us);

/*
 * Count an exchange that runs already, because its token has got a concurrency limit only now. It
 * counts even if that is more than the limit: nothing is cut, but new requests are refused. *permit
 * is all zero when there is no place or no cell for it.
 */
void jg_limits_count_running(
    struct limit_table *table, uint16_t owner, struct slice id, struct permit *permit);

/* Give a permit back; *permit is all zero afterwards. Without a permit nothing happens. */
void jg_limits_give(struct limit_table *table, struct permit *permit);

#endif
