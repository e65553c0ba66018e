/* task.h - what the tasks share: reaching the store, walking through its records, progress. */
#ifndef JOBGATE_BULK_TASK_H
#define JOBGATE_BULK_TASK_H

#include <event2/event.h>
#include <stdint.h>
#include <stdio.h>

#include "auth/redis/store_walk.h"

/* The kind of a line about a token that is gone, but has created tokens. */
#define INPUT_GONE "gone_token"

/* The latest place in an index: up to here the doubles of Redis are exact. Unix milliseconds. */
#define TASK_CREATED_MS_MAX ((INT64_C(1) << 53) - 1)

enum task_exit { TASK_OK = 0, TASK_WRONG = 1, TASK_USAGE = 2, TASK_UNREACHABLE = 3 };

/* A line that shows people the progress, on standard error if that is a terminal. */
struct progress {
	bool shown;
	const char *what; /* "tokens" */
	uint64_t done, total;
	uint64_t due_ms; /* when to draw it again */
};
void progress_begin(struct progress *progress, const char *what);
void progress_to(struct progress *progress, uint64_t done, uint64_t total);
void progress_end(struct progress *progress); /* clear the line */

struct task {
	struct event_base *base;
	struct store *store;
	struct progress progress;
	FILE *in, *out;
	const char *dir;	       /* the directory of a private store, or NULL */
	const char *const *taken;      /* as in struct bulk_store */
	uint64_t counts[RECORD_KINDS]; /* of records, by kind */
	uint64_t problems;
	bool enforce, force; /* of mint */
	bool mend;	     /* of verify: repair what can be repaired */
	uint64_t unminted;   /* how many tokens have a value that is not minted */
};

int task_verify(struct task *task);
int task_export(struct task *task);
int task_import(struct task *task);
int task_mint(struct task *task);

/*
 * Wait up to three seconds until the store answers; TASK_OK, or TASK_UNREACHABLE after printing
 * that.
 */
int task_reach(struct task *task);

/*
 * What is wrong with what the store keeps of a token that is gone (an entry of TASK_WALK_GONE), or
 * NULL.
 */
const char *task_gone_wrong(const struct store_walk_entry *entry);

/* "token" or "job" for a count of one, else "tokens" or "jobs". */
const char *task_nouns(enum record_kind kind, uint64_t count);

/*
 * Write how many records of each kind the task has counted, as in "2 tokens and 1 job"; `between`
 * (at most 8 bytes) is the " and ".
 */
#define TASK_COUNTS_MAX (RECORD_KINDS * 48)
void task_counts_format(const struct task *task, const char *between, char out[TASK_COUNTS_MAX]);

enum task_walk_of {
	TASK_WALK_KEYS,
	TASK_WALK_INDEX,  /* entries of the index that have no record */
	TASK_WALK_JOBS,	  /* what is wrong between jobs (store_walk_jobs) */
	TASK_WALK_PUBLIC, /* what is wrong with the set of public jobs (store_walk_public) */
	TASK_WALK_MADE,	  /* tokens that are missing in the set of what their creator has created;
			     with task->mend they are added */
	TASK_WALK_GONE,	  /* tokens that are gone, but have created tokens (store_walk_gone) */
};

/*
 * Walk through the keys of a kind, or what else `of` says, and call each for every one. TASK_OK,
 * or TASK_UNREACHABLE or TASK_WRONG (the index's key has a wrong type) after printing that.
 */
typedef void task_each(
    struct task *task, enum record_kind kind, const struct store_walk_entry *entry);
int task_walk(struct task *task, enum record_kind kind, enum task_walk_of of, task_each *each);

/*
 * Read the mint key, so that store_mint() is known; TASK_OK, or TASK_UNREACHABLE after printing
 * that.
 */
int task_mint_know(struct task *task);

/* Call store_mint_change and wait for its result. */
enum store_result task_mint_change(
    struct task *task, enum store_mint_change change, const unsigned char key[MINT_KEY_LEN]);

/*
 * True for a token whose current value was not minted. False for NULL, which is a record that
 * breaks the rules.
 */
bool task_is_unminted(const struct record *record);

/* True for a job whose id is taken: it is not served, and not imported. */
bool task_is_taken(const struct task *task, enum record_kind kind, struct slice id);

/* Print a note about a record on standard error. */
void task_note(struct task *task, enum record_kind kind, struct slice id, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Print on standard error what is wrong with a record, and count it. */
void task_problem(struct task *task, enum record_kind kind, struct slice id, const char *format,
    ...) __attribute__((format(printf, 4, 5)));

#endif
