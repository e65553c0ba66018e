/* context_state.h - the insides of what all exchanges of a worker share. */
#ifndef JOBGATE_EXCHANGE_CONTEXT_STATE_H
#define JOBGATE_EXCHANGE_CONTEXT_STATE_H

#include "browser/page.h"
#include "exchange/context.h"
#include "exchange/kept_content.h"
#include "exchange/peer.h"
#include "exchange/query_token.h"
#include "exchange/request_id.h"
#include "exchange/rewrite.h"
#include "http/head.h"
#include "http/target.h"
#include "http/write.h"
#include "jobgate/exchange.h"
#include "net/buffer.h"
#include "net/slab.h"

struct pool;

/*
 * Idle objects kept of each kind: more than a busy worker needs within a turn, few next to its
 * connections.
 */
#define SLAB_KEEP 1024

/*
 * How many calls without a token a worker forwards at once, and how many of one client's address.
 * Strangers must not take the control process's connections from operators, nor from one another.
 */
#define OPEN_PLACES 8
#define OPEN_PLACES_OF_ADDRESS 2

struct open_place {
	bool taken;
	struct in6_addr address;
};

#define HOLD_SHARES 1024

/* A label selector that did not match, and the exchange that is refused in this turn because of it:
 * the line of that exchange shows it. */
struct unmatched {
	const struct exchange *exchange; /* only compared: it may have ended */
	size_t len;
	char text[SELECTOR_LABELS_MAX * (LABEL_NAME_MAX + LABEL_VALUE_MAX + 2)];
};

/* A place in the list of the exchanges that run: of an exchange, or of the walk over them. */
struct running {
	LIST_ENTRY(running) link;
};

struct exchange_context {
	struct exchange_options options;
	struct loop *loop;
	struct directory *directory;
	struct worker_stats *stats;
	struct access_log *access_log;
	const struct log *log;

	struct buffer_pool *buffers;
	struct kept_content_room kept_contents;
	struct slab exchanges;
	struct pool *pool;
	struct request_ids ids;
	struct digest_cache digests; /* of recently read credentials */
	struct open_place open_places[OPEN_PLACES];

	LIST_HEAD(, running) running; /* all exchanges that have not ended, the youngest first */
	uint64_t serials;	      /* of the youngest one */
	struct running_walk *walk;    /* over them (running.h), or NULL */
	struct running_watch *watch;  /* of those that begin and end; NULL: no slot is watched */
	uint32_t watch_orders;	      /* orders to watch, so far */

	uint64_t job_minute; /* of the last use that was noted of a sidecar's job */

	LIST_HEAD(, exchange) holds; /* exchanges with hold_until_ms */
	/* How many of them each token has, by the keyed hash of its id; a few tokens share a count.
	 */
	unsigned held_of[HOLD_SHARES];
	bool draining;			     /* no request is held any more */
	struct health_checks *health_checks; /* NULL until a job with a health path is used */
	struct unmatched unmatched;

	bool telling;	       /* some exchanges may not know of a change yet: tell_task runs */
	struct task tell_task; /* once in each turn, and tells more of them */

	/*
	 * ancestors: who may frame jobs' answers, never empty. frame_policy: the policy of our
	 * pages in such frames; empty without browser.embed.
	 */
	char ancestors_text[FRAME_ANCESTORS_MAX], frame_policy_text[PAGE_POLICY_FRAMED_MAX];
	struct slice ancestors, frame_policy;

	int64_t date_second; /* the Unix time that `date` says */
	char date[HTTP_DATE_LEN];
	/*
	 * Room for the fields that an exchange adds to a head, until the head is copied or
	 * written. It is used within one turn of the loop, so one for each worker is enough.
	 */
	struct rewritten rewritten;
	struct bearer sign_in_bearer; /* of the sign-in that is judged in this turn */
	char *query_room; /* QUERY_ROOM bytes for the query of a request without tokens of ours,
			   * until it is copied or answered */
	char *local_room; /* LOCAL_ROOM bytes for what a local handler answers; also used within one
			   * turn */
};

/* The URL of a sidecar's job, in place of the one in its record; NULL: as each record says. */
static inline const struct job_url *
exchange_fixed_target(const struct exchange_context *context)
{
	return context->options.jobs.fixed_url != NULL ? &context->options.jobs.fixed_target : NULL;
}

/* A sidecar's job that needs no record in the store; NULL: each job has a record. */
static inline const struct job *
exchange_fixed_job(const struct exchange_context *context)
{
	return context->options.jobs.labels != NULL ? &context->options.jobs.fixed_job : NULL;
}

/* Runs tell_task (clock.c). */
void exchange_tell_more(struct task *task);

/* The value of Date for the present time, made once a second. */
struct slice exchange_date(struct exchange_context *context);

#endif
