/* task.h - what the three tasks share: a store within reach, its records one by one, progress. */
#ifndef JOBGATE_BULK_TASK_H
#define JOBGATE_BULK_TASK_H

#include <event2/event.h>
#include <stdint.h>
#include <stdio.h>

#include "auth/redis/store_walk.h"

enum task_exit { TASK_OK = 0, TASK_WRONG = 1, TASK_USAGE = 2, TASK_UNREACHABLE = 3 };

/* A line that tells people how far it is, on standard error where that is a terminal. */
struct progress {
	bool shown;
	const char *what; /* "tokens" */
	uint64_t done, total;
	uint64_t due_ms; /* of the next picture */
};
void progress_begin(struct progress *progress, const char *what);
void progress_to(struct progress *progress, uint64_t done, uint64_t total);
void progress_end(struct progress *progress); /* the line is empty again */

struct task {
	struct event_base *base;
	struct store *store;
	struct progress progress;
	FILE *in, *out;
	const char *dir;	       /* of a private store's files, or NULL */
	uint64_t counts[RECORD_KINDS]; /* of records, by their kind */
	uint64_t problems;
	bool enforce, force; /* of mint */
	uint64_t unminted;   /* tokens met whose value is not minted */
};

int task_verify(struct task *task);
int task_export(struct task *task);
int task_import(struct task *task);
int task_mint(struct task *task);

/* Wait, some seconds, until the store answers; TASK_OK or TASK_UNREACHABLE after telling so. */
int task_reach(struct task *task);

/* "token" or "job"; with an s unless there is one. */
const char *task_nouns(enum record_kind kind, uint64_t count);

/* How many records of each kind the task has counted: "2 tokens and 1 job", with `between` where
 * " and " stands (at most 8 bytes). */
#define TASK_COUNTS_MAX (RECORD_KINDS * 48)
void task_counts_format(const struct task *task, const char *between, char out[TASK_COUNTS_MAX]);

/*
 * Go through all keys of a kind, or all entries of its index that have no record, and
 * call each with every one of them. TASK_OK or TASK_UNREACHABLE.
 */
typedef void task_each(
    struct task *task, enum record_kind kind, const struct store_walk_entry *entry);
int task_walk(struct task *task, enum record_kind kind, bool index, task_each *each);

/* Have store_mint() known; TASK_OK or TASK_UNREACHABLE after telling so. */
int task_mint_know(struct task *task);

/* store_mint_change, and wait for its result. */
enum store_result task_mint_change(
    struct task *task, enum store_mint_change change, const unsigned char key[MINT_KEY_LEN]);

/* True for a token whose present value was not minted. False for NULL, a record that breaks the
 * rules. */
bool task_is_unminted(const struct record *record);

/* Tell something of a record on standard error. */
void task_note(struct task *task, enum record_kind kind, struct slice id, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Something is wrong with a record: tell it on standard error, count it. */
void task_problem(struct task *task, enum record_kind kind, struct slice id, const char *format,
    ...) __attribute__((format(printf, 4, 5)));

#endif
