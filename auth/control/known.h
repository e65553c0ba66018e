/* known.h - which records readers of events may know of, and which ones are to be read again. */
#ifndef JOBGATE_CONTROL_KNOWN_H
#define JOBGATE_CONTROL_KNOWN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "jobgate/directory.h"

/*
 * When a record is gone, its labels are gone, too; this remembers them, so that a reader with a
 * scope learns of the end of the records in it, and of no others. Bounded: beyond KNOWN_MAX records
 * or KNOWN_BYTES, the one that was named longest ago is forgotten.
 */
#define KNOWN_MAX 8192
#define KNOWN_BYTES (4u << 20)
#define KNOWN_ID_MAX 64

struct known_record {
	LIST_ENTRY(known_record) chain;
	TAILQ_ENTRY(known_record) age;	 /* of those that are not queued or being read */
	TAILQ_ENTRY(known_record) queue; /* while queued */
	enum record_kind kind;
	size_t id_len;
	char id[KNOWN_ID_MAX];
	struct record *last; /* its id and labels when it was last shown or told; NULL: unknown */
	size_t last_bytes;
	uint64_t told; /* a hash of what readers were told last; 0: nothing */
	bool queued;   /* to be read */
	bool reading;
};

struct known;

struct known *known_new(void); /* NULL when memory is short */

/* None of its records may be being read. NULL is allowed. */
void known_free(struct known *known);

/* Find a record, or add it. NULL when memory is short. Others may be forgotten. */
struct known_record *known_get(struct known *known, enum record_kind kind, struct slice id);

/* The same, but NULL if it is not there. */
struct known_record *known_find(const struct known *known, enum record_kind kind, struct slice id);

/*
 * Remember the record's labels, or with NULL that it is gone. The id and labels are copied. If
 * memory is short, the labels count as unknown. `one` may be forgotten by this.
 */
void known_set(struct known *known, struct known_record *one, const struct record *record);

/* Queue it to be read, unless it is queued. False: the queue is full. */
#define KNOWN_QUEUE_MAX 1024
bool known_queue(struct known *known, struct known_record *one);

/* Take the next one of the queue, which is being read from now on; NULL: there is none. */
struct known_record *known_next(struct known *known);

/* It has been read. It may be forgotten by this. */
void known_read(struct known *known, struct known_record *one);

#endif
