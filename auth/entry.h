/* entry.h - an entry of the directory: what it knows of one token or job. Only for the files
 * directory*.c, entry.c and kept.c.
 */
#ifndef JOBGATE_AUTH_ENTRY_H
#define JOBGATE_AUTH_ENTRY_H

#include <stddef.h>

#include "auth/deadlines.h"
#include "auth/label_sets.h"
#include "auth/slots.h"
#include "auth/table.h"
#include "jobgate/check.h"
#include "jobgate/container_of.h"
#include "jobgate/directory.h"

TAILQ_HEAD(waiter_queue, directory_waiter);
LIST_HEAD(watch_list, directory_watch);
TAILQ_HEAD(entry_list, directory_entry);
LIST_HEAD(timed_list, entry_times);

/*
 * For entries whose record ends or whose token turns: made for the first such record, and kept as
 * long as the entry. In lists only while it is watched and its record has such a moment.
 */
struct entry_times {
	struct directory_entry *entry;
	struct deadline end;  /* in the list `fresh`: when the record's time to live ends */
	struct deadline turn; /* when decisions on its token change, on the wall clock */
	uint64_t expires_ms;  /* of a token that is plain */
	LIST_ENTRY(entry_times) timed; /* in the directory's list of the same name */
	bool is_timed;		       /* it is in that list: watched, with such a token */
};

#define ENTRY_INLINE 48 /* bytes of an id: a UUID fits */
#define ENTRY_NAME 20	/* bytes of a token's name: most fit */

/* What is kept of most tokens in place of the record (kept.c), beside the hash and the selector. */
struct kept_token {
	uint64_t version;
	uint64_t rate : 20, burst : 20, concurrency : 13, role : 3, name_len : 8;
};

/* What an entry has in memory of its own. */
struct entry_content {
	const struct label_set *labels; /* a token's selector or a job's labels (label_sets.h) */
	struct record *record;		/* NULL: there is none, or a token is kept without it */
	char *name;			/* of a token that is kept so; NULL: it fits the entry */
};

/*
 * An entry for one token, job or sign-in. All but idle ones are in one list of its directory, the
 * one that entry_home returns. So members on which entry_home depends change only between
 * entry_leave and entry_join. The first cache line has all that most decisions read, the second
 * what a request that is allowed needs, too.
 */
struct directory_entry {
	union {
		char id_begin[ENTRY_INLINE];
		struct {
			char token_id[TOKEN_ID_LEN];
			unsigned char token_hash[TOKEN_HASH_LEN];
		};
	};
	const struct label_set *labels; /* of its content */
	/*
	 * The epoch in which the record was read; 0: it was never read, or has changed since. No
	 * entry is current once the directory has had more epochs than fit.
	 */
	uint32_t read_epoch;
	uint8_t kind; /* enum record_kind */
	uint8_t id_len;
	uint16_t known : 2;   /* enum knowledge; RECORD_UNKNOWN: never read */
	uint16_t stamp : 4;   /* of its last use since eviction looked at it; 0: there was none */
	uint16_t broken : 1;  /* as in struct directory_answer */
	uint16_t has_url : 1; /* of a job */
	uint16_t ends : 1;    /* its record has a time to live */
	uint16_t timed : 1;   /* jg_token_is_timed of its token */
	uint16_t card : 1;    /* the first line has all that a decision on its token needs */
	uint16_t plain : 1;   /* its token is kept without the record */
	uint16_t reading : 1;
	uint16_t overtaken : 1; /* reading: the key changed after the read was sent */
	uint16_t busy : 1;	/* its callbacks are being called */
	uint16_t telling : 1;	/* some of its watches may be untold: it has a round */

	struct watch_list watches;
	TAILQ_ENTRY(directory_entry) link;
	union {
		struct kept_token token; /* if it is plain */
		char *long_id; /* otherwise: the whole id if the first line has no room for it */
	};
	union {
		struct record *record; /* of its content, unless it is plain */
		char *long_name;       /* of its content, if it is plain and the name has no room */
		struct {
			char name[ENTRY_NAME]; /* otherwise */
			uint32_t use_minute;   /* of the last use that was noted */
		};
	};

	struct table_node node;
	uint64_t changed_ms;	     /* when the store last reported a change */
	struct waiter_queue waiters; /* empty unless a read is under way */
	uint64_t retry_ms; /* the last read failed: in its epoch, no other read before this time */
	uint64_t until_ms; /* with read_epoch 0: until when watchers may rely on the record */
	struct entry_times *times; /* NULL unless `ends` or `timed` */
	uint32_t asked_epoch;	   /* the epoch in which the last read was sent */
};

_Static_assert(offsetof(struct directory_entry, watches) == 64, "the first cache line");
_Static_assert(offsetof(struct directory_entry, node) == 128, "the second cache line");
_Static_assert(sizeof(struct directory_entry) == 192, "three cache lines");
_Static_assert(
    RECORD_CACHED_KINDS <= UINT8_MAX && RECORD_KNOWN < 4, "they fit into uint8_t and 2 bits");

#define STAMP_MAX 15

/*
 * A round through the watches of one entry, which are told of a change. Watches that are added
 * meanwhile stand in front of `next`: they know the new state already.
 */
struct telling_round {
	struct directory_entry *entry; /* NULL: there is none */
	struct directory_watch *next;  /* the first one that is untold */
	bool again; /* the record has changed since the round began: it tells all once more */
};

/* At most so many entries have unfinished rounds; the watches of others are all told at once. */
#define ROUNDS_MAX 4

/*
 * An epoch is the time while a tracker is up, or the part of it after a FLUSHALL. Redis reports
 * changes only to records that were read in the current epoch.
 */
struct directory {
	struct directory_options options;
	struct directory_store store;
	struct table table;
	struct slots slots;		 /* the entries' memory */
	struct label_sets sets;		 /* the labels of all records */
	size_t hand;			 /* the line of the table at which eviction looks next */
	uint64_t stamp_ms;		 /* when the present stamp began */
	unsigned stamp;			 /* of uses at that time; 1 to STAMP_MAX */
	struct mint mint;		 /* as the tracker last set it */
	struct public_jobs *public_jobs; /* the same; NULL: there is none */
	bool linked;
	uint64_t epoch;			     /* from 1 */
	uint64_t until_ms;		     /* until when records of this epoch may be relied on */
	uint64_t ended_until_ms[EPOCHS_MAX]; /* the same for past epochs, from when they ended */
	uint64_t stale_due_ms;		     /* no watched stale entry reaches its bound earlier */
	bool expired; /* the watchers have been told that until_ms has passed */

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

	struct directory_entry *cursor; /* the next entry of a walk over one of the lists */
	struct telling_round
	    rounds[ROUNDS_MAX + 1];    /* unfinished ones; the last is always finished at once */
	struct telling_round *telling; /* the one whose watches are being called */
	unsigned unfinished;	       /* how many of these have an entry */
	unsigned first_round;	       /* the one whose watches were told first in this turn */
	bool in_portions;	       /* this many watches are told now, the others later: */
	size_t portion;
	uint64_t changes; /* rounds that have begun */
	struct directory_stats stats;
};

/* Its directory, which the memory that it lies in says. */
static inline struct directory *
entry_directory(const struct directory_entry *entry)
{
	return slots_owner(entry);
}

/* How much of its id lies in the entry's first line. */
static inline size_t
entry_id_room(unsigned kind)
{
	return kind == RECORD_TOKEN ? TOKEN_ID_LEN : ENTRY_INLINE;
}

/* Its id; valid as long as the entry. */
static inline struct slice
entry_id(const struct directory_entry *entry)
{
	bool is_long = entry->id_len > entry_id_room(entry->kind);

	return (struct slice){is_long ? entry->long_id : entry->id_begin, entry->id_len};
}

/* Let the present stamp stand for this time. */
static inline void
stamp_begin(struct directory *directory, uint64_t now_ms)
{
	if (directory->stamp_ms == now_ms)
		return;
	directory->stamp_ms = now_ms;
	directory->stamp = directory->stamp % STAMP_MAX + 1;
}

/* Note that an entry is used now. */
static inline void
entry_use(struct directory *directory, struct directory_entry *entry, uint64_t now_ms)
{
	stamp_begin(directory, now_ms);
	entry->stamp = directory->stamp & STAMP_MAX;
}

/* True when it is of this kind and has this id. */
static inline bool
entry_has_id(const struct directory_entry *entry, enum record_kind kind, struct slice id)
{
	size_t room = entry_id_room(kind);

	if (entry->kind != kind || entry->id_len != id.len)
		return false;
	if (id.len == TOKEN_ID_LEN) /* two words, without a call */
		return memcmp(entry->id_begin, id.at, TOKEN_ID_LEN) == 0;
	if (memcmp(entry->id_begin, id.at, id.len < room ? id.len : room) != 0)
		return false;
	return id.len <= room || memcmp(entry->long_id, id.at, id.len) == 0;
}

/* The entry of a record; NULL when there is none. Inline, since each request needs it twice. */
static inline __attribute__((always_inline)) struct directory_entry *
entry_find(const struct directory *directory, enum record_kind kind, struct slice id, uint64_t hash)
{
	struct table_search search;
	struct table_node *node = table_first(&directory->table, hash, &search);

	for (; node != NULL; node = table_next(&search)) {
		struct directory_entry *entry = container_of(node, struct directory_entry, node);

		if (entry_has_id(entry, kind, id))
			return entry;
	}
	return NULL;
}

/* Add an entry of which nothing is known. NULL when no room can be made or memory is short. */
struct directory_entry *entry_new(struct directory *directory, enum record_kind kind,
    struct slice id, uint64_t hash, uint64_t now_ms);

/* The list to which an entry belongs in its current state; NULL: it is idle, and in none. */
struct entry_list *entry_home(const struct directory_entry *entry);

void entry_leave(struct directory_entry *entry);
void entry_join(struct directory_entry *entry);

/* If an entry is unused and knows nothing useful, move it to the dead. */
void entry_settle(struct directory_entry *entry);

/* Free an entry that is in no list and not in the table. */
void entry_free(struct directory_entry *entry);

/* Free at most `max` dead entries. */
void entries_free_dead(struct directory *directory, size_t max);

/* ---- kept.c: what is kept of a record ---- */

/*
 * Take over a record, or NULL for RECORD_ABSENT. *old is what the entry knew before, for
 * content_free. False when memory is short; then nothing has changed.
 */
bool entry_keep(struct directory_entry *entry, struct record *record, struct entry_content *old);

/* What an entry has now. */
struct entry_content entry_content(const struct directory_entry *entry);

/* Free what entry_keep or entry_content returned. */
void content_free(struct directory *directory, const struct entry_content *content);

/* When the time to live of its record ends; 0: never. */
uint64_t entry_ends_ms(const struct directory_entry *entry);

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

/* ---- directory_tell.c: watches are told of changes ---- */

/*
 * Between these two, at most told_max watches are told at once, except for entries for which no
 * round is left. Otherwise all are: the caller is about to move bytes.
 */
void tell_begin(struct directory *directory);
void tell_end(struct directory *directory);

/* Go on with what is unfinished. */
void tell_more(struct directory *directory);

/* Tell the watches of a busy entry, or begin to. */
void entry_tell_watches(struct directory_entry *entry);

/* A watch of an entry with a round is about to go. */
void entry_pass_watch(struct directory_entry *entry, const struct directory_watch *watch);

/* All callbacks of a busy entry have returned. */
void entry_release(struct directory_entry *entry);

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
