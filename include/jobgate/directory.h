/* directory.h - a worker's view of the tokens and jobs in the store, kept current by pushes. */
#ifndef JOBGATE_DIRECTORY_H
#define JOBGATE_DIRECTORY_H

#include <stdint.h>
#include <sys/queue.h>

#include "jobgate/decision.h"
#include "jobgate/dump.h"
#include "jobgate/log.h"
#include "jobgate/tuning.h"

/*
 * The directory itself does no I/O and reads no clock. A tracker (auth/redis) reads records for it,
 * and reports invalidations and the health of its connections; the gateway asks it. Callers pass in
 * the time, in milliseconds of a monotonic clock that goes on while the machine is suspended.
 *
 * The bound it keeps (auth/README.md, "The staleness bound"): an answer given at time
 * t was true at some moment after t - max_staleness, whatever fails.
 */
struct directory;
struct directory_entry; /* what is known of one token or one job */

enum record_kind {
#define RECORD(KIND, type, labels, lapses) RECORD_##KIND,
#include "jobgate/records.def"
	RECORD_KINDS, /* how many there are; no record has this one */
};

/*
 * One record in one allocation, made by the code that reads the store and given to the
 * directory, which frees it with free(): everything the token or job points to
 * lies behind it in the same block.
 */
struct record {
	enum record_kind kind;
	uint64_t ends_ms; /* when its time to live ends, on the directory's clock; 0: it has none */
	union {
		struct token token;
		struct job job;
	};
};

/* How the directory reads the store; implemented by auth/redis. */
struct directory_store {
	void *ctx;
	/*
	 * Start reading one record; the answer comes by jg_directory_feed with the
	 * same entry, later, never from within this call. False when there is no
	 * connection just now: nothing will come.
	 */
	bool (*read)(
	    void *ctx, enum record_kind kind, struct slice id, struct directory_entry *entry);
};

/* What a read brought. */
enum feed {
	FEED_RECORD, /* a record */
	FEED_ABSENT, /* no such key, or one that breaks the rules */
	FEED_FAILED, /* the connection broke, or Redis answered with an error: nothing is known */
};

struct directory_options {
	uint64_t max_staleness_ms;
	size_t entries_max;
	const struct directory_tuning *tuning; /* NULL: that of jg_tuning */
	unsigned char
	    hash_key[16]; /* random: ids come from strangers, who must not choose buckets */
};

/* Create; *store is copied. NULL when memory is short. */
struct directory *jg_directory_new(
    const struct directory_options *options, const struct directory_store *store);
void jg_directory_free(struct directory *directory);

/*
 * Waits for a record; part of the waiter's own struct. `answered` is
 * called once, when the record is known, absent or cannot be had; the waiter then looks it up
 * again. Not called after jg_directory_forget.
 */
struct directory_waiter {
	TAILQ_ENTRY(directory_waiter) link;
	struct directory_entry *entry; /* NULL: waits for nothing */
	void (*answered)(struct directory_waiter *waiter);
};

/*
 * Watches a record that an exchange relies on while it runs; part of the watcher's own struct,
 * zeroed at first. `changed` is called whenever the record changed or can no longer be trusted. It
 * may unwatch this or any other watch.
 */
struct directory_watch {
	LIST_ENTRY(directory_watch) link;
	struct directory_entry *entry; /* NULL: watches nothing */
	void (*changed)(struct directory_watch *watch);
};

/* What is known at time now; `record` is valid until control returns to the event loop. */
struct directory_answer {
	bool pending;	      /* a read is under way: the waiter will be called */
	enum knowledge known; /* when not pending */
	const struct record *record;
	struct directory_entry *entry; /* to watch; not for RECORD_UNKNOWN */
	uint64_t changed_ms;	       /* when the store last told of a change of it; 0: never */
};

/*
 * Look a record up; id must be valid for its kind (jg_token_id_valid,
 * jg_job_id_valid). A known, fresh entry answers at once and costs no
 * allocation. Otherwise one read is started for all callers, and waiter (may be
 * NULL: do not wait) is queued. RECORD_UNKNOWN at once where the store is out of reach.
 */
struct directory_answer jg_directory_lookup(struct directory *directory, enum record_kind kind,
    struct slice id, uint64_t now_ms, struct directory_waiter *waiter);

/*
 * What is known at now_ms of the key that values are minted with, until control returns to
 * the event loop. MINT_UNKNOWN whenever a lookup would read nothing: before the tracker
 * came up, and past the bound.
 */
const struct mint *jg_directory_mint(const struct directory *directory, uint64_t now_ms);

/* Stop waiting; harmless for one that does not wait. */
void jg_directory_forget(struct directory_waiter *waiter);

/* Start and stop watching an entry that a lookup returned in this turn. One list link each. */
void jg_directory_watch(struct directory_entry *entry, struct directory_watch *watch);
void jg_directory_unwatch(struct directory_watch *watch);

/* What is known now of the record being watched, as for a lookup; never pending. */
struct directory_answer jg_directory_watched(
    struct directory *directory, const struct directory_watch *watch, uint64_t now_ms);

/* ---- for the tracker that feeds it ---- */

/*
 * The answer to a read. Takes record (NULL unless FEED_RECORD). From record->ends_ms on the record
 * answers no look-up, and it is read again for its watchers, who are told if no answer has come
 * 100 ms later: the store may report its end late or never. A reply that an
 * invalidation overtook does not enter the cache: the record is read again if it is still waited
 * for or watched.
 */
void jg_directory_feed(struct directory *directory, struct directory_entry *entry, enum feed feed,
    struct record *record, uint64_t now_ms);

/* The store says this key changed; all keys, for the nil message of FLUSHALL. */
void jg_directory_invalidate(
    struct directory *directory, enum record_kind kind, struct slice id, uint64_t now_ms);
void jg_directory_invalidate_all(struct directory *directory, uint64_t now_ms);

/*
 * The store's key, as it is now. Call it before the tracker comes up, and whenever the key may have
 * changed. state is not MINT_UNKNOWN; key is NULL with MINT_NONE.
 */
void jg_directory_set_mint(
    struct directory *directory, enum mint_state state, const unsigned char *key);

/*
 * The tracker has come up, and was seen to work at now_ms (as for
 * jg_directory_good): all that was known before must be read again before it is trusted. Entries
 * that are watched are read again by themselves, some at a time; the others when asked for.
 */
void jg_directory_link_up(struct directory *directory, uint64_t now_ms);

/* The tracker has gone down: it has fed FEED_FAILED for each read in flight before this call. */
void jg_directory_link_down(struct directory *directory, uint64_t now_ms);

/* The pushes were seen to work at good_ms (the moment a PING was sent that has been answered). */
void jg_directory_good(struct directory *directory, uint64_t good_ms);

/* When jg_directory_tick will have something to do that cannot wait; UINT64_MAX: never yet. */
uint64_t jg_directory_due_ms(const struct directory *directory);

/*
 * Call at that moment and at least every 100 ms: once the bound has passed it tells the watchers,
 * records that have ended are read again, and so are those that a reconnect made stale.
 */
void jg_directory_tick(struct directory *directory, uint64_t now_ms);

/* True when a lookup could be answered at now_ms. */
bool jg_directory_ready(const struct directory *directory, uint64_t now_ms);

struct directory_stats {
	uint64_t hits, misses, invalidations, evictions;
	size_t entries, watched;
	uint64_t good_ms; /* of the last jg_directory_good */
};
void jg_directory_stats(const struct directory *directory, struct directory_stats *out);

/* How much it holds, and whether it may be trusted. */
void jg_directory_dump(const struct directory *directory, struct dump *dump);

/* A count of the records of each kind by what is known of them; start with {0}. */
struct directory_count {
	size_t next; /* where it goes on */
	struct directory_tally {
		size_t known, absent, unknown;	 /* each is one of these */
		size_t idle, pending;		 /* not watched; pending: being read */
		size_t fresh, stale, refreshing; /* watched */
		size_t waited_for;		 /* a request waits for it */
		size_t ended;			 /* its time to live is over */
	} kinds[RECORD_KINDS];
};

/*
 * Count some more, so few that no client waits for it; the loop may turn between two calls. False
 * when all have been counted. A record that comes or goes meanwhile may be left out.
 */
bool jg_directory_count(
    const struct directory *directory, struct directory_count *count, uint64_t now_ms);

/* Write the count of one kind. */
void jg_directory_count_dump(
    const struct directory_count *count, enum record_kind kind, struct dump *dump);

#endif
