/* entry.h - an entry of the directory: what it knows of one token or job. Only for the files
 * directory*.c and entry.c.
 */
#ifndef JOBGATE_AUTH_ENTRY_H
#define JOBGATE_AUTH_ENTRY_H

#include "auth/deadlines.h"
#include "auth/table.h"
#include "jobgate/check.h"
#include "jobgate/directory.h"

TAILQ_HEAD(waiter_queue, directory_waiter);
LIST_HEAD(watch_list, directory_watch);
TAILQ_HEAD(entry_list, directory_entry);
LIST_HEAD(timed_list, directory_entry);

/*
 * An entry for one token or job. It is in exactly one list of its directory, the one that
 * entry_home returns. So members on which entry_home depends change only between entry_leave and
 * entry_join. The members that a look-up reads lie together at the end.
 */
struct directory_entry {
	TAILQ_ENTRY(directory_entry) link;
	struct directory *directory;
	struct waiter_queue waiters; /* empty unless a read is under way */
	struct watch_list watches;
	uint64_t asked_epoch; /* the epoch in which the last read was sent */
	uint64_t retry_ms;    /* that read failed: in this epoch, no other read before this time */
	uint64_t changed_ms;  /* when the store last reported a change */
	uint64_t until_ms;    /* with read_epoch 0: until when watchers may rely on the record */
	struct deadline end;  /* in the list `fresh`: when the record's time to live ends */
	struct deadline turn; /* watched: when decisions on its token change, on the wall clock */
	LIST_ENTRY(directory_entry) timed; /* watched, with a token that has such moments */

	struct table_node node;
	uint64_t use_minute; /* of the last use that was noted (jg_directory_use) */
	uint64_t used_ms; /* when a look-up last returned it; the caller may be about to watch it */
	uint64_t read_epoch; /* the epoch in which the record was read; 0: it was never read, or has
				changed since */
	struct record *record; /* with RECORD_KNOWN */
	enum knowledge known;  /* RECORD_UNKNOWN: never read */
	bool broken;	       /* as in struct directory_answer */
	bool used;	       /* since eviction last looked at it */
	bool reading;
	bool overtaken; /* reading: the key changed after the read was sent */
	bool busy;	/* its callbacks are being called */
	unsigned char kind, id_len;
	char id[];
};

/*
 * An epoch is the time while a tracker is up, or the part of it after a FLUSHALL. Redis reports
 * changes only to records that were read in the current epoch.
 */
struct directory {
	struct directory_options options;
	struct directory_store store;
	struct table table;
	struct mint mint;		 /* as the tracker last set it */
	struct public_jobs *public_jobs; /* the same; NULL: there is none */
	bool linked;
	uint64_t epoch;			     /* from 1 */
	uint64_t until_ms;		     /* until when records of this epoch may be relied on */
	uint64_t ended_until_ms[EPOCHS_MAX]; /* the same for past epochs, from when they ended */
	uint64_t stale_due_ms;		     /* no watched stale entry reaches its bound earlier */
	bool expired; /* the watchers have been told that until_ms has passed */

	struct entry_list idle;	      /* unwatched, not being read: eviction takes from its head */
	struct entry_list pending;    /* unwatched, being read or busy */
	struct entry_list fresh;      /* watched, read in this epoch */
	struct entry_list stale;      /* watched, to be read again */
	struct entry_list refreshing; /* watched, being read again */
	struct entry_list
	    dead; /* not in the table: freed by a later tick, as callers may still read them */
	size_t refreshing_count;
	struct deadlines ends; /* the ends of fresh records that are watched */
	/*
	 * The moments at which decisions on watched tokens change, fresh or not. They are moments
	 * of the wall clock, so that they stay right when the clock is set.
	 */
	struct deadlines turns;
	struct timed_list timed; /* the entries with such moments, passed or to come */
	uint64_t wall_ms;	 /* the wall clock as last told */
	int64_t wall_ahead_ms;	 /* how far it was ahead of the directory's clock then */

	struct directory_entry *cursor;	    /* the next entry of a walk over one of the lists */
	struct directory_watch *next_watch; /* the next watch of a walk over an entry's watches */
	struct directory_stats stats;
};

struct directory_entry *entry_find(
    const struct directory *directory, enum record_kind kind, struct slice id, uint64_t hash);

/* Add an entry of which nothing is known. NULL when no room can be made or memory is short. */
struct directory_entry *entry_new(struct directory *directory, enum record_kind kind,
    struct slice id, uint64_t hash, uint64_t now_ms);

/* The list to which an entry belongs in its current state. */
struct entry_list *entry_home(const struct directory_entry *entry);

void entry_leave(struct directory_entry *entry);
void entry_join(struct directory_entry *entry);

/* If an entry is unused and knows nothing useful, move it to the dead. */
void entry_settle(struct directory_entry *entry);

/* Free an entry that is in no list and not in the table. */
void entry_free(struct directory_entry *entry);

/* Write its id, what is known of the record, and its waiters; no part of the record is shown. */
void entry_dump(const struct directory_entry *entry, struct dump *dump);

/* True when it was read in the current epoch, so that it answers look-ups. */
bool entry_is_current(const struct directory_entry *entry);

/* True when its record's time to live has ended, so that it does not answer look-ups. */
bool entry_has_ended(const struct directory_entry *entry, uint64_t now_ms);

/* Mark its record as stale: it no longer answers look-ups, and its watchers keep their bound. */
void entry_set_stale(struct directory_entry *entry);

/*
 * Until when watchers may rely on what it knows; 0: not at all. It is the store's bound, or shortly
 * after the record's own end.
 */
uint64_t entry_until(const struct directory_entry *entry);

/*
 * True when the last read failed a moment ago, in this epoch, so that another one would be too
 * early.
 */
bool entry_failed_lately(const struct directory_entry *entry, uint64_t now_ms);

/* ---- directory_turn.c: tokens that expire ---- */

void turns_init(struct directory *directory);

/* Note when decisions on an entry's token change, if it is watched and they do; forget it. */
void entry_join_turns(struct directory_entry *entry);
void entry_leave_turns(struct directory_entry *entry);

/* When the next of these moments comes, on the directory's clock; UINT64_MAX: none is known. */
uint64_t turns_due_ms(const struct directory *directory);

/*
 * The next watched entry whose token's moment has come; its watches must be told. NULL: there is
 * none. It is returned again for the next moment.
 */
struct directory_entry *turns_take(struct directory *directory, uint64_t now_ms);

/* Send a read. False when no read can be sent now. */
bool entry_read(struct directory_entry *entry);

#endif
