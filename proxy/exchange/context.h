/* context.h - what all exchanges of a worker share: settings, the directory, the pool of backends.
 */
#ifndef JOBGATE_EXCHANGE_CONTEXT_H
#define JOBGATE_EXCHANGE_CONTEXT_H

#include "http/head.h"
#include "jobgate/directory.h"
#include "jobgate/settings.h"
#include "net/buffer.h"
#include "net/loop.h"
#include "observe/access_log.h"

struct exchange_context;
struct pool;

/* Times are milliseconds. Everything pointed to outlives the context. */
struct exchange_options {
	struct job_forms jobs;
	struct forwarding forwarding;
	const char *control_host;	      /* at which the control API is reached, or NULL */
	const struct job_url *control_target; /* the control process's socket for workers; NULL when
						 neither a host nor a listener is for it */
	const char
	    *control_secret; /* CONTROL_SECRET_TEXT hex digits, only for the control process */
	const unsigned char
	    *session_key;	  /* of SESSION_KEY_LEN bytes; NULL: browsers cannot sign in */
	const char *sign_in_host; /* at which browsers sign in for all jobs; NULL: at each job's */
	const char *const *embed; /* origins whose pages may frame jobs; NULL at the end, or NULL */
	uint64_t session_ms;	  /* how long a session lasts */
	struct slice help;	  /* where people get a token; or empty */
	uint16_t https_port;	  /* of the URLs that redirects lead to */
	struct ip_ranges trusted_proxies;
	struct limits limits;
	struct limit_table *limit_table;       /* of tokens, shared by all workers */
	uint16_t limit_owner;		       /* this worker's number in it */
	const struct shared_stats *shared;     /* for /readyz */
	struct job_slots *job_slots;	       /* shared by all workers, with jobs_max */
	const unsigned char *affinity_key;     /* SESSION_KEY_LEN bytes; NULL: no affinity */
	struct replica_places *replica_places; /* the same; NULL: no replica is checked */
	uint32_t jobs_max; /* that are counted one by one; 0: nothing is counted by job */
	struct timeouts timeouts;
};

/* NULL when memory is short, or without random bytes. */
struct exchange_context *exchange_context_new(const struct exchange_options *options,
    struct loop *loop, struct directory *directory, struct pool *pool, struct buffer_pool *buffers,
    struct worker_stats *stats, struct access_log *access_log, const struct log *log);

/*
 * Call it after the last exchange has ended. Turns the loop once, so that all that has closed is
 * freed.
 */
void exchange_context_free(struct exchange_context *context);

/*
 * The worker ends: requests that are held get their 503 at once, and no more are held. Any exchange
 * may end within the call.
 */
void exchange_context_drain(struct exchange_context *context);

/* What its exchanges have in common; the exchanges themselves are in their connections' dumps. */
void exchange_context_dump(const struct exchange_context *context, struct dump *dump);

/*
 * Read the clock and, if the directory's due time has passed, let it tell its watchers. Each event
 * and task calls this before it moves bytes of an exchange: the worker may have been stopped since
 * the turn began, so running exchanges are checked again first. The caller's own exchange may end
 * here. Must not be called from a callback of the directory.
 *
 * True: very many exchanges are being told of a change, and some do not know of it yet. Then call
 * exchange_judge_if_changed for each one whose bytes may move next.
 */
bool exchange_catch_up(struct exchange_context *context);

#endif
