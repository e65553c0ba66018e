/* directory.h - a worker's cache of the tokens, jobs and sign-ins in the store, kept current by
 * pushes. */
#ifndef JOBGATE_DIRECTORY_H
#define JOBGATE_DIRECTORY_H

#include <stdint.h>
#include <sys/queue.h>

#include "jobgate/decision.h"
#include "jobgate/dump.h"
#include "jobgate/log.h"
#include "jobgate/public_jobs.h"
#include "jobgate/sign_in.h"
#include "jobgate/tuning.h"

/*
 * The directory itself does no I/O and reads no clock. A tracker (auth/redis) reads records for it,
 * and reports invalidations and the health of its connections; the gateway looks records up.
 * Callers pass in the time, in milliseconds of a monotonic clock that also counts while the machine
 * is suspended.
 *
 * The bound it keeps (auth/README.md, "The staleness bound"): an answer given at time t was true at
 * some moment after t - max_staleness, whatever fails.
 */
struct directory;
struct directory_entry; /* what is known of one token, job or sign-in */

enum record_kind {
#define RECORD(KIND, type, labels, lapses) RECORD_##KIND,
#include "jobgate/records.def"
	RECORD_KINDS, /* the number of kinds that operators manage */

	/* Records that only the gateway writes: not in lists, exports or the control API. */
	RECORD_SIGN_IN = RECORD_KINDS,
};
#define RECORD_CACHED_KINDS (RECORD_SIGN_IN + 1) /* the number of all kinds */

/*
 * A record in one allocation, made by the code that reads the store and passed to the directory,
 * which frees it with free(). Everything that it points to follows it in the same block.
 */
struct record {
	enum record_kind kind;
	uint64_t ends_ms; /* when its time to live ends, on the directory's clock; 0: it has none */
	union {
		struct token token;
		struct job job;
		struct sign_in sign_in;
	};
};

/* How the directory reads the store; implemented by auth/redis. */
struct directory_store {
	void *ctx;
	/*
	 * Start to read a record. jg_directory_feed brings the answer later, with the same entry
	 * and never from within this call. False when there is no connection now; then no answer
	 * comes.
	 */
	bool (*read)(
	    void *ctx, enum record_kind kind, struct slice id, struct directory_entry *entry);
};

/* The result of a read. */
enum feed {
	FEED_RECORD, /* a record */
	FEED_ABSENT, /* no such key */
	FEED_BROKEN, /* there is one, but it breaks the rules: absent, and its id is not free */
	FEED_FAILED, /* the connection broke, or Redis answered with an error: nothing is known */
};

struct directory_options {
	uint64_t max_staleness_ms;
	size_t entries_max;
	const struct directory_tuning *tuning; /* NULL: the part of jg_tuning */
	unsigned char hash_key[16]; /* random, so that clients cannot choose ids that fall into the
				       same bucket */
};

/* Create; *store is copied. NULL when memory is short. */
struct directory *jg_directory_new(
    const struct directory_options *options, const struct directory_store *store);
void jg_directory_free(struct directory *directory);

/*
 * Waits for a record; embedded in the waiter's own struct. `answered` is called once, when the
 * record is known, absent or not available; the waiter then looks it up again. It is not called
 * after jg_directory_forget.
 */
struct directory_waiter {
	TAILQ_ENTRY(directory_waiter) link;
	struct directory_entry *entry; /* NULL: waits for nothing */
	void (*answered)(struct directory_waiter *waiter);
};

/*
 * Watches a record that a running exchange relies on; embedded in the watcher's own struct. Zero it
 * first. `changed` is called each time the record has changed or can no longer be trusted. It may
 * unwatch this or any other watch.
 *
 * Very many may watch one record. Then only the first told_max (tuning.h) are told at once. While
 * jg_directory_tells, jg_directory_turn is called once in each turn, and tells the others. Before
 * one of these moves a byte, it asks jg_directory_watched itself: the change counts for it, too.
 */
struct directory_watch {
	LIST_ENTRY(directory_watch) link;
	struct directory_entry *entry; /* NULL: watches nothing */
	void (*changed)(struct directory_watch *watch);
};

/*
 * What is known now. The directory owns the entry, the card, the labels, and what
 * jg_directory_token, _job and _sign_in return; all are valid until control returns to the event
 * loop, or jg_directory_feed brings the record again.
 */
struct directory_answer {
	bool pending;	      /* a read is under way: the waiter will be called */
	bool broken;	      /* RECORD_ABSENT: there is a record, but it breaks the rules */
	enum knowledge known; /* valid when not pending */
	struct directory_entry *entry; /* to watch; NULL with RECORD_UNKNOWN */
	/* As in struct evidence; hash and labels are NULL where a decision needs the record. */
	struct token_card card;
	const struct label_set *labels;
	/*
	 * Only from jg_directory_watched: when the store last reported a change of it, on the clock
	 * of now_ms; 0: never.
	 */
	uint64_t changed_ms;
};

/*
 * The record of an entry with RECORD_KNOWN, of the kind that was looked up. jg_directory_token may
 * write the token to room and return room, so keep that as long as the token. Members that no
 * worker needs may be empty in a token: created_at, updated_at, created_by, last_used_ms and
 * minted.
 */
const struct token *jg_directory_token(const struct directory_entry *entry, struct token *room);
const struct job *jg_directory_job(const struct directory_entry *entry);
const struct sign_in *jg_directory_sign_in(const struct directory_entry *entry);

/*
 * Look a record up; id must be valid for its kind (jg_token_id_valid, jg_job_id_valid). A known,
 * fresh entry answers at once and costs no allocation. Otherwise one read is started for all
 * callers, and waiter (NULL: do not wait) is queued. RECORD_UNKNOWN at once while the store is out
 * of reach.
 */
struct directory_answer jg_directory_lookup(struct directory *directory, enum record_kind kind,
    struct slice id, uint64_t now_ms, struct directory_waiter *waiter);

/*
 * The store's mint key, as it is known at now_ms; valid until control returns to the event loop.
 * MINT_UNKNOWN whenever a lookup could not read: before the tracker came up, and past the bound.
 */
const struct mint *jg_directory_mint(const struct directory *directory, uint64_t now_ms);

/*
 * True when the store lists the job of this id, which is valid, as public, as far as the tracker
 * last heard: then it may be looked up for a request without a token. Its record must say so, too.
 */
bool jg_directory_lists_public(const struct directory *directory, struct slice id);

/* Stop waiting; harmless for a waiter that does not wait. */
void jg_directory_forget(struct directory_waiter *waiter);

/*
 * Start to watch an entry that a lookup returned in this turn, and stop. Both only link or unlink a
 * list element.
 */
void jg_directory_watch(struct directory_entry *entry, struct directory_watch *watch);

/*
 * Note that the record of this entry, which a lookup returned in this turn, is used. True for its
 * first use in this minute (any number that never gets smaller); *id is then the record's id.
 */
bool jg_directory_use(struct directory_entry *entry, uint64_t minute, struct slice *id);
void jg_directory_unwatch(struct directory_watch *watch);

/* The answer that a lookup of the watched record would give now, but never pending. */
struct directory_answer jg_directory_watched(
    struct directory *directory, const struct directory_watch *watch, uint64_t now_ms);

/* True while some watches have not been told of a change yet. */
bool jg_directory_tells(const struct directory *directory);

/* True when this watch may be one of them. */
bool jg_directory_untold(const struct directory_watch *watch);

/*
 * How many changes the watches were told, or are being told: as long as it stays the same, what
 * jg_directory_watched says of an untold watch has not changed.
 */
uint64_t jg_directory_changes(const struct directory *directory);

/* ---- for the tracker that feeds it ---- */

/*
 * The answer to a read. Takes ownership of record (NULL unless FEED_RECORD). Once record->ends_ms
 * has passed, look-ups do not use the record any more. It is read again for its watchers, because
 * the store may report its end late or never; if no answer comes within 100 ms, they are told. A
 * reply that was overtaken by an invalidation does not enter the cache: the record is read again if
 * it is still waited for or watched. When memory is short for the record, it counts as
 * FEED_FAILED.
 */
void jg_directory_feed(struct directory *directory, struct directory_entry *entry, enum feed feed,
    struct record *record, uint64_t now_ms);

/* The store reports that this key has changed, or all keys (the nil message of FLUSHALL). */
void jg_directory_invalidate(
    struct directory *directory, enum record_kind kind, struct slice id, uint64_t now_ms);
void jg_directory_invalidate_all(struct directory *directory, uint64_t now_ms);

/*
 * Set the store's mint key. Call it before the tracker comes up, and whenever the key may have
 * changed. state is not MINT_UNKNOWN; key is NULL with MINT_NONE.
 */
void jg_directory_set_mint(
    struct directory *directory, enum mint_state state, const unsigned char *key);

/*
 * Set which jobs the store lists as public. Takes ownership; NULL: none. Call it before the tracker
 * comes up, and whenever that may have changed.
 */
void jg_directory_set_public(struct directory *directory, struct public_jobs *jobs);

/*
 * The tracker has come up, and was proved to work at now_ms (as for jg_directory_good). All that
 * was known before must be read again before it is trusted. The directory reads watched entries
 * again, some at a time; others are read when they are looked up.
 */
void jg_directory_link_up(struct directory *directory, uint64_t now_ms);

/* The tracker has gone down: it has fed FEED_FAILED for each read in flight before this call. */
void jg_directory_link_down(struct directory *directory, uint64_t now_ms);

/* The tracker was proved to work at good_ms, when the successful proof began. */
void jg_directory_good(struct directory *directory, uint64_t good_ms);

/*
 * Tell the directory the wall clock (milliseconds since 1970) as it is at now_ms. Call it before
 * each jg_directory_tick: so a clock that was set is noticed within 100 ms. Until the first call,
 * the wall clock counts as far in the future, so that tokens that expire count as expired.
 */
void jg_directory_set_wall(struct directory *directory, uint64_t now_ms, uint64_t wall_ms);

/* The wall clock at now_ms, reckoned from what it was told last. */
uint64_t jg_directory_wall_ms(const struct directory *directory, uint64_t now_ms);

/* When jg_directory_tick next has work that cannot wait; UINT64_MAX: none is known. */
uint64_t jg_directory_due_ms(const struct directory *directory);

/*
 * Call it at that time, and at least every 100 ms. It tells watchers whose bound has passed or
 * whose token has expired, and reads records again that have ended or that a reconnect made stale.
 */
void jg_directory_tick(struct directory *directory, uint64_t now_ms);

/*
 * The same, and tells more of the watches that are untold, at most told_max. Call it where no byte
 * is about to move, since some may stay untold.
 */
void jg_directory_turn(struct directory *directory, uint64_t now_ms);

/* True when a lookup could be answered at now_ms. */
bool jg_directory_ready(const struct directory *directory, uint64_t now_ms);

struct directory_stats {
	uint64_t hits, misses, invalidations, evictions;
	size_t entries, watched;
	uint64_t good_ms; /* the time of the last jg_directory_good */
};
void jg_directory_stats(const struct directory *directory, struct directory_stats *out);

/* Write how much it holds, and whether it may be trusted. */
void jg_directory_dump(const struct directory *directory, struct dump *dump);

/* A count of the records of each kind, by what is known of them; start with {0}. */
struct directory_count {
	size_t next; /* where to continue */
	struct directory_tally {
		size_t known, absent, unknown;	 /* each is one of these */
		size_t idle, pending;		 /* not watched; pending: being read */
		size_t fresh, stale, refreshing; /* watched */
		size_t waited_for;		 /* a request waits for it */
		size_t ended;			 /* its time to live is over */
	} kinds[RECORD_CACHED_KINDS];
};

/*
 * Count the next records, so few that no client waits for long; the loop may turn between two
 * calls. False when all have been counted. A record that comes or goes between calls may be missed.
 */
bool jg_directory_count(
    const struct directory *directory, struct directory_count *count, uint64_t now_ms);

/* Write the count of one kind. */
void jg_directory_count_dump(
    const struct directory_count *count, enum record_kind kind, struct dump *dump);

#endif
