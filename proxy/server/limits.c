/* limits.c - the table of the tokens that have limits: workers that use it, and idle places. */
#include <fcntl.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "jobgate/clock.h"
#include "server/environment.h"
#include "server/supervisor.h"

/*
 * The descriptor of the table, for the next binary. Workers of the binary before go on with it, so
 * that both generations count together.
 */
#define TABLE_VARIABLE "JOBGATE_LIMITS_FD"

/* How often idle places are looked for, and how often a full table is logged. */
#define LOOK_MS 1000
#define TELL_MS 60000

/* ---- the beginning, and upgrades ---- */

/*
 * The table of the binary before; NULL: there is none, or it has another layout. The workers of
 * that binary then go on counting with theirs.
 */
static struct limit_table *
inherit(const struct log *log)
{
	struct limit_table *table;
	uint64_t fd;

	if (!environment_number(TABLE_VARIABLE, INT32_MAX, &fd))
		return NULL;
	unsetenv(TABLE_VARIABLE);
	table = limit_table_inherit((int)fd);
	if (table == NULL) {
		log_warning(log,
		    "the limits of tokens count from zero again, because the binary before kept "
		    "them in "
		    "another form: until its workers have ended, a token can have twice its "
		    "limits");
		close((int)fd);
	}
	return table;
}

bool
limits_start(struct supervisor *supervisor)
{
	uint64_t key[2];

	supervisor->limits.table = inherit(&supervisor->log);
	if (supervisor->limits.table == NULL && RAND_bytes((unsigned char *)key, sizeof(key)) == 1)
		supervisor->limits.table = limit_table_new(LIMIT_PLACES, key);
	if (supervisor->limits.table == NULL)
		log_error(&supervisor->log, "no memory for the limits of tokens");
	return supervisor->limits.table != NULL;
}

static bool
is_child(const struct supervisor *supervisor, pid_t pid)
{
	for (size_t i = 0; i < supervisor->worker_slots; i++)
		if (supervisor->processes[SLOT_WORKERS + i].pid == pid)
			return true;
	return false;
}

void
limits_adopted(struct supervisor *supervisor)
{
	struct limit_table *table = supervisor->limits.table;
	uint16_t owner = 0;
	pid_t pid = 0;

	while ((owner = limit_table_next_worker(table, owner + 1u, &pid)) != 0)
		if (!is_child(supervisor, pid))
			limit_table_worker_ended(table, owner);
}

bool
limits_leave(struct supervisor *supervisor)
{
	int fd = limit_table_fd(supervisor->limits.table);
	char text[16];

	snprintf(text, sizeof(text), "%d", fd);
	return setenv(TABLE_VARIABLE, text, 1) == 0 && fcntl(fd, F_SETFD, 0) == 0;
}

void
limits_take_back(struct supervisor *supervisor)
{
	fcntl(limit_table_fd(supervisor->limits.table), F_SETFD, FD_CLOEXEC);
	unsetenv(TABLE_VARIABLE);
}

/* ---- workers ---- */

void
limits_worker_ended(struct supervisor *supervisor, pid_t pid)
{
	uint16_t owner = limit_table_worker(supervisor->limits.table, pid);

	if (owner != 0)
		limit_table_worker_ended(supervisor->limits.table, owner);
}

/* ---- idle places ---- */

static uint64_t
beats_of(const struct supervisor *supervisor, size_t worker)
{
	return counter_get(&supervisor->stats->workers[worker].beats);
}

/* Note what each worker's loop has done so far. */
static void
note_beats(struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->worker_slots; i++) {
		struct process *process = &supervisor->processes[SLOT_WORKERS + i];

		process->noted_pid = process->pid;
		process->noted_beats = beats_of(supervisor, i);
	}
}

/*
 * True when the loop of each worker has turned since note_beats, so that none still looks at a
 * place that it found before. A worker of the binary before an upgrade publishes no beats to us: it
 * has to end first.
 */
static bool
all_have_turned(const struct supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->worker_slots; i++) {
		const struct process *process = &supervisor->processes[SLOT_WORKERS + i];

		if (process->pid > 0 && process->pid == process->noted_pid &&
		    beats_of(supervisor, i) == process->noted_beats)
			return false;
	}
	return true;
}

static void
free_places(struct supervisor *supervisor, uint64_t now_ms)
{
	struct supervisor_limits *limits = &supervisor->limits;
	uint64_t now_us = clock_ms(CLOCK_BOOTTIME) * 1000; /* as the workers read it */

	if (limits->marked && all_have_turned(supervisor)) {
		limit_table_sweep(limits->table, now_us);
		limits->marked = false;
	}
	if (limits->marked || now_ms < limits->look_ms)
		return;
	limits->look_ms = now_ms + LOOK_MS;
	limits->marked = limit_table_mark(limits->table, now_us) > 0;
	if (limits->marked)
		note_beats(supervisor);
}

static void
tell_full(struct supervisor *supervisor, uint64_t now_ms)
{
	struct supervisor_limits *limits = &supervisor->limits;
	uint64_t refused = limit_table_refused(limits->table);

	if (refused == limits->refused || now_ms < limits->tell_ms)
		return;
	log_warning(&supervisor->log,
	    "%llu requests were refused (503) because there was no place to count them: up to %d "
	    "tokens with limits can be in use at the same time",
	    (unsigned long long)(refused - limits->refused), LIMIT_PLACES);
	limits->refused = refused;
	limits->tell_ms = now_ms + TELL_MS;
}

void
limits_turn(struct supervisor *supervisor)
{
	uint64_t now_ms = supervisor_clock_ms();

	free_places(supervisor, now_ms);
	tell_full(supervisor, now_ms);
}
