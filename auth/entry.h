/* entry.h - what the directory keeps of one token or job; for directory.c and entry.c alone. */
#ifndef JOBGATE_AUTH_ENTRY_H
#define JOBGATE_AUTH_ENTRY_H

#include "auth/deadlines.h"
#include "auth/table.h"
#include "jobgate/check.h"
#include "jobgate/directory.h"

TAILQ_HEAD(waiter_queue, directory_waiter);
LIST_HEAD(watch_list, directory_watch);
TAILQ_HEAD(entry_list, directory_entry);

/*
 * One token or job. It is in exactly one list of its directory, entry_home
 * tells which; so whatever that depends on is changed between entry_leave and
 * entry_join only. What a look-up touches lies together at the end.
 */
struct directory_entry {
	TAILQ_ENTRY(directory_entry) link;
	struct directory *directory;
	struct waiter_queue waiters; /* none, unless a read is under way */
	struct watch_list watches;
	uint64_t asked_epoch; /* in which the last read was sent */
	uint64_t retry_ms;    /* that read failed: not again before this, within its epoch */
	uint64_t changed_ms;  /* when the store last told of a change */
	uint64_t until_ms; /* with read_epoch 0: the watchers may rely on the record before this */
	struct deadline end; /* in the list `fresh`: of a record that ends by itself */

	struct table_node node;
	uint64_t used_ms; /* when a look-up last returned it: the caller may be about to watch it */
	uint64_t read_epoch;   /* in which the record was read; 0: it is known to have changed, or
				  never was read */
	struct record *record; /* with RECORD_KNOWN */
	enum knowledge known;  /* RECORD_UNKNOWN: never read */
	bool used;	       /* since eviction last came by */
	bool reading;
	bool overtaken; /* reading: the key changed after the read was sent */
	bool busy;	/* callbacks of it are being called */
	unsigned char kind, id_len;
	char id[];
};

/*
 * An epoch is the time for which a tracker is up, or the part of it after a FLUSHALL: Redis
 * tells of changes to what was read in this epoch and to nothing else.
 */
struct directory {
	struct directory_options options;
	struct directory_store store;
	struct table table;
	struct mint mint; /* as the tracker told it last */
	bool linked;
	uint64_t epoch;	   /* from 1 */
	uint64_t until_ms; /* what was read in this epoch may be relied on before this */
	uint64_t ended_until_ms[EPOCHS_MAX]; /* the same for past epochs, as it was at their
						       end */
	uint64_t stale_due_ms; /* no watched stale entry reaches its bound before this */
	bool expired;	       /* the watchers have been told that until_ms has passed */

	struct entry_list idle;	      /* unwatched, not being read: eviction takes from its head */
	struct entry_list pending;    /* unwatched, being read or busy */
	struct entry_list fresh;      /* watched, read in this epoch */
	struct entry_list stale;      /* watched, to be read again */
	struct entry_list refreshing; /* watched, being read again */
	struct entry_list
	    dead; /* in no table: freed by a later tick, as callers may still look at them */
	size_t refreshing_count;
	struct deadlines ends; /* of fresh records: their watchers must not miss them */

	struct directory_entry *cursor;	    /* where a walk over one of the lists goes on */
	struct directory_watch *next_watch; /* the same for the watches of one entry */
	struct directory_stats stats;
};

struct directory_entry *entry_find(
    const struct directory *directory, enum record_kind kind, struct slice id, uint64_t hash);

/* A new entry in its place, of which nothing is known. NULL: no room can be made, or memory is
 * short. */
struct directory_entry *entry_new(struct directory *directory, enum record_kind kind,
    struct slice id, uint64_t hash, uint64_t now_ms);

/* The list in which an entry belongs, as it is now. */
struct entry_list *entry_home(const struct directory_entry *entry);

void entry_leave(struct directory_entry *entry);
void entry_join(struct directory_entry *entry);

/* Put an entry that is in no use among the dead, if what it knows is worth nothing. */
void entry_settle(struct directory_entry *entry);

/* Free it at once: it is in no list and no table any more. */
void entry_free(struct directory_entry *entry);

/* The id, what is known of the record, and the waiters; no part of the record. */
void entry_dump(const struct directory_entry *entry, struct dump *dump);

/* What was read in the directory's epoch answers look-ups. */
bool entry_is_current(const struct directory_entry *entry);

/* True when its record's time to live has ended: then it answers no look-up. */
bool entry_has_ended(const struct directory_entry *entry, uint64_t now_ms);

/*
 * Its record is stale from now on: it answers no look-up, and the watchers' bound stays as it
 * was.
 */
void entry_set_stale(struct directory_entry *entry);

/* What it knows may be relied on before this moment, by those who watch it; 0: never. The store's
 * bound, or a moment after the record's own end. */
uint64_t entry_until(const struct directory_entry *entry);

/* The last read of this epoch failed a moment ago: another one would be too early. */
bool entry_failed_lately(const struct directory_entry *entry, uint64_t now_ms);

/* Send a read. False when that cannot be done now. */
bool entry_read(struct directory_entry *entry);

#endif
