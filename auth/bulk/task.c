/* task.c - walks through a store, waits for it, and prints progress. */
#include "auth/bulk/task.h"
#include "auth/record.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "jobgate/clock.h"

#define STORE_TIMEOUT_MS 3000 /* for a store that does not answer */
#define PAUSE_MS 50
#define PICTURE_MS 100
#define BAR 30	     /* columns */
#define TEXT_MAX 512 /* of a message about a record */

void
progress_begin(struct progress *progress, const char *what)
{
	*progress = (struct progress){.shown = isatty(STDERR_FILENO) == 1, .what = what};
}

void
progress_to(struct progress *progress, uint64_t done, uint64_t total)
{
	uint64_t now = progress->shown ? clock_ms(CLOCK_MONOTONIC) : 0;
	unsigned filled;

	progress->done = done;
	progress->total = total > done ? total : done;
	if (now < progress->due_ms || !progress->shown)
		return;
	progress->due_ms = now + PICTURE_MS;
	filled = progress->total > 0 ? (unsigned)(done * BAR / progress->total) : BAR;
	fprintf(stderr, "\r\033[K[%.*s%.*s] %llu of %llu %s", (int)filled,
	    "##############################", (int)(BAR - filled), "..............................",
	    (unsigned long long)done, (unsigned long long)progress->total, progress->what);
	fflush(stderr);
}

void
progress_end(struct progress *progress)
{
	if (progress->shown)
		fputs("\r\033[K", stderr);
	progress->shown = false;
}

const char *
task_nouns(enum record_kind kind, uint64_t count)
{
	return count == 1 ? record_types[kind].noun : record_types[kind].nouns;
}

void
task_counts_format(const struct task *task, const char *between, char out[TASK_COUNTS_MAX])
{
	size_t len = 0;

	for (unsigned kind = 0; kind < RECORD_KINDS; kind++)
		len += (size_t)snprintf(out + len, TASK_COUNTS_MAX - len, "%s%llu %s",
		    kind > 0 ? between : "", (unsigned long long)task->counts[kind],
		    task_nouns(kind, task->counts[kind]));
}

static void
tell(const struct task *task, enum record_kind kind, struct slice id, const char *text)
{
	if (task->progress.shown)
		fputs("\r\033[K", stderr);
	fprintf(stderr, "%s ", record_types[kind].noun);
	for (size_t i = 0; i < id.len;
	     i++) /* another user may have chosen the id: no escape sequences */
		fputc(id.at[i] > ' ' && id.at[i] <= '~' ? id.at[i] : '?', stderr);
	fprintf(stderr, ": %s\n", text);
}

void
task_note(struct task *task, enum record_kind kind, struct slice id, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	tell(task, kind, id, text);
}

void
task_problem(struct task *task, enum record_kind kind, struct slice id, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list args;

	task->problems++;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	tell(task, kind, id, text);
}

/* ---- reaching the store ---- */

struct question {
	bool answered;
	enum store_result result;
};

static void
on_answer(void *ctx, enum store_result result, const struct record *record)
{
	struct question *question = ctx;

	(void)record;
	question->answered = true;
	question->result = result;
}

/*
 * Read a token that never exists. While the slot of a cluster moves, the server that has the rest
 * refuses this (ASK).
 */
static bool
answers(const struct task *task)
{
	struct question question = {0};

	store_get(task->store, RECORD_TOKEN, SLICE("-"), on_answer, &question);
	while (!question.answered)
		event_base_loop(task->base, EVLOOP_ONCE);
	return question.result != STORE_UNAVAILABLE;
}

int
task_reach(struct task *task)
{
	const struct timeval pause = {.tv_usec = PAUSE_MS * 1000};
	uint64_t until = clock_ms(CLOCK_MONOTONIC) + STORE_TIMEOUT_MS;

	while (clock_ms(CLOCK_MONOTONIC) < until) {
		if (answers(task))
			return TASK_OK;
		event_base_loopexit(task->base, &pause);
		event_base_dispatch(task->base);
	}
	fputs("jobgate: the store does not answer\n", stderr);
	return TASK_UNREACHABLE;
}

/* ---- the key for values ---- */

static enum store_result
answer_to(const struct task *task, const struct question *question)
{
	while (!question->answered)
		event_base_loop(task->base, EVLOOP_ONCE);
	return question->result;
}

int
task_mint_know(struct task *task)
{
	struct question question = {0};

	store_mint_know(task->store, on_answer, &question);
	if (answer_to(task, &question) == STORE_OK)
		return TASK_OK;
	fputs("jobgate: the store does not answer\n", stderr);
	return TASK_UNREACHABLE;
}

enum store_result
task_mint_change(
    struct task *task, enum store_mint_change change, const unsigned char key[MINT_KEY_LEN])
{
	struct question question = {0};

	store_mint_change(task->store, change, key, on_answer, &question);
	return answer_to(task, &question);
}

bool
task_is_taken(const struct task *task, enum record_kind kind, struct slice id)
{
	if (kind != RECORD_JOB || task->taken == NULL)
		return false;
	for (const char *const *taken = task->taken; *taken != NULL; taken++)
		if (slice_equal(id, slice_of(*taken)))
			return true;
	return false;
}

bool
task_is_unminted(const struct record *record)
{
	return record != NULL && record->kind == RECORD_TOKEN &&
	       record->token.minted != record->token.version;
}

/* ---- walking ---- */

/* After so many failures in a row the walk ends: the store answers, but not to this. */
#define FAILURES_MAX 5

struct walk {
	struct task *task;
	task_each *each;
	enum record_kind kind;
	enum task_walk_of of;
	unsigned under_way; /* steps */
	bool failed;	    /* a step failed: the results of later steps are ignored */
	enum store_result result;
	unsigned failures;
	uint64_t losses;  /* store_losses at its beginning */
	unsigned careful; /* how many more steps are careful */
	uint64_t looked_at;
	char resume[STORE_WALK_CURSOR_MAX]; /* the cursor after the last step that was done */
};

static void start(struct walk *walk, const char *cursor);

static void
on_begun(void *ctx, const char *next)
{
	struct walk *walk = ctx;

	if (!walk->failed && strcmp(next, STORE_WALK_START) != 0)
		start(walk, next);
}

static void
on_step(void *ctx, enum store_result result, const struct store_walk_step *step)
{
	struct walk *walk = ctx;

	walk->under_way--;
	if (walk->failed)
		return;
	walk->failed = result != STORE_OK;
	walk->result = result;
	if (walk->failed)
		return;
	for (size_t i = 0; i < step->count; i++)
		walk->each(walk->task, walk->kind, &step->entries[i]);
	walk->failures = 0;
	if (walk->careful > 0)
		walk->careful--;
	walk->looked_at += step->looked_at;
	memcpy(walk->resume, step->next, sizeof(walk->resume));
	progress_to(&walk->task->progress, walk->looked_at, step->total);
	if (walk->of != TASK_WALK_KEYS)
		on_begun(walk, walk->resume);
}

static void
start(struct walk *walk, const char *cursor)
{
	walk->under_way++;
	switch (walk->of) {
	case TASK_WALK_KEYS:
		store_walk(walk->task->store, walk->kind, cursor, walk->careful > 0, on_begun,
		    on_step, walk);
		return;
	case TASK_WALK_INDEX:
		store_walk_index(walk->task->store, walk->kind, cursor, on_step, walk);
		return;
	case TASK_WALK_JOBS:
		store_walk_jobs(walk->task->store, cursor, on_step, walk);
		return;
	case TASK_WALK_PUBLIC:
		store_walk_public(walk->task->store, cursor, on_step, walk);
		return;
	case TASK_WALK_MADE:
		store_walk_made(walk->task->store, cursor, walk->task->mend, on_step, walk);
		return;
	case TASK_WALK_GONE:
		store_walk_gone(walk->task->store, cursor, on_step, walk);
		return;
	}
}

/*
 * After a failure: true when the walk can go on where it stopped, now in careful steps, since a
 * record that is too large may have been the cause. It cannot when the index's key has a wrong
 * type.
 */
static bool
try_again(struct walk *walk)
{
	walk->careful = STORE_WALK_CAREFUL_STEPS;
	return walk->result != STORE_BROKEN && ++walk->failures < FAILURES_MAX &&
	       store_losses(walk->task->store) == walk->losses && task_reach(walk->task) == TASK_OK;
}

/* The steps are done: whether they have met everything, which another server may have had. */
static int
check_all_met(const struct walk *walk)
{
	bool here = !walk->failed && answers(walk->task);
	const char *nouns = task_nouns(walk->kind, 0);

	if (store_losses(walk->task->store) != walk->losses)
		fprintf(stderr,
		    "jobgate: the connection to the store was lost before all %s were read, and "
		    "cannot be resumed; run this again\n",
		    nouns);
	else if (!here)
		fprintf(stderr,
		    "jobgate: %s may have been left out, since some may be at another server of "
		    "the cluster; run this again when its slot has moved\n",
		    nouns);
	else
		return TASK_OK;
	return TASK_WRONG;
}

int
task_walk(struct task *task, enum record_kind kind, enum task_walk_of of, task_each *each)
{
	struct walk walk = {.task = task,
	    .each = each,
	    .kind = kind,
	    .of = of,
	    .resume = STORE_WALK_START,
	    .losses = store_losses(task->store)};

	progress_begin(&task->progress, task_nouns(kind, 0));
	do {
		walk.failed = false;
		start(&walk, walk.resume);
		while (walk.under_way > 0)
			event_base_loop(task->base, EVLOOP_ONCE);
	} while (walk.failed && try_again(&walk));
	progress_end(&task->progress);
	if (!walk.failed || store_losses(task->store) != walk.losses)
		return check_all_met(&walk);
	if (walk.result == STORE_BROKEN)
		fprintf(stderr, "jobgate: the key of the %ss' index holds something else\n",
		    record_types[kind].noun);
	else if (walk.failures == FAILURES_MAX)
		fprintf(stderr, "jobgate: the store failed %d times in a row; run this again\n",
		    FAILURES_MAX);
	return walk.result == STORE_BROKEN ? TASK_WRONG : TASK_UNREACHABLE;
}

const char *
task_gone_wrong(const struct store_walk_entry *entry)
{
	struct label labels[SELECTOR_LABELS_MAX];
	const char *selector = entry->why != NULL ? entry->why : "";
	size_t count, bad;

	if (!jg_token_id_valid(entry->id))
		return "its id breaks the rules";
	if (entry->score.len > 0 && !record_maker_valid(entry->score))
		return "its creator is no id";
	if (entry->cut_off)
		return "it is among the tokens that created its creator";
	if (strcmp(selector, "?") != 0 &&
	    jg_selector_parse(slice_of(selector), labels, &count, &bad) != LABEL_OK)
		return "its label selector breaks the rules";
	return NULL;
}
