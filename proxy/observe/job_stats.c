/* job_stats.c - finds the slots of jobs, counts in them, and renders the counts. */
#include "observe/job_stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- slots ---- */

/* FNV-1a: only jobs that exist and whose token was allowed get slots, so no stranger chooses them.
 */
static uint32_t
hash(struct slice id)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < id.len; i++)
		hash = (hash ^ (unsigned char)id.at[i]) * 16777619u;
	return hash;
}

/* Read the slot's job; the sequence is even. False when the slot is free or changes. */
static bool
read_slot(const struct job_slot *slot, uint32_t *sequence, char id[JOB_ID_MAX + 1])
{
	uint32_t before =
	    atomic_load_explicit((_Atomic uint32_t *)&slot->sequence, memory_order_acquire);

	if (before == 0 || (before & 1) != 0)
		return false;
	memcpy(id, slot->id, JOB_ID_MAX + 1);
	id[JOB_ID_MAX] = '\0';
	atomic_thread_fence(memory_order_acquire);
	*sequence = before;
	return atomic_load_explicit((_Atomic uint32_t *)&slot->sequence, memory_order_relaxed) ==
	       before;
}

/* Give the slot, whose sequence is `before`, to a job. False: another worker was first. */
static bool
take_slot(struct job_slot *slot, uint32_t before, const struct job_use *use)
{
	uint32_t expected = before;

	if (!atomic_compare_exchange_strong(&slot->sequence, &expected, before + 1))
		return false;
	memset(slot->id, 0, sizeof(slot->id));
	memcpy(slot->id, use->job.at, use->job.len);
	atomic_store_explicit(&slot->minute, use->minute, memory_order_relaxed);
	atomic_store_explicit(&slot->sequence, before + 2, memory_order_release);
	return true;
}

/* Take a free slot, if there may be one more; false when that fails. */
static bool
take_free_slot(
    struct job_slots *slots, struct job_slot *slot, uint32_t most, const struct job_use *use)
{
	if (atomic_load_explicit(&slots->count, memory_order_relaxed) >= most)
		return false;
	if (atomic_fetch_add(&slots->count, 1) < most && take_slot(slot, 0, use))
		return true;
	atomic_fetch_sub(&slots->count, 1);
	return false;
}

/* The slot of the job, found or taken; *sequence is that of the job there. NULL: it has none. */
static struct job_slot *
find_slot(struct job_slots *slots, uint32_t most, const struct job_use *use, uint32_t *sequence)
{
	uint32_t at = hash(use->job);
	struct job_slot *idle = NULL;
	char id[JOB_ID_MAX + 1];
	uint32_t idle_sequence = 0;

	for (uint32_t i = 0; i < JOB_STEPS_MAX; i++) {
		struct job_slot *slot = &slots->slots[(at + i) % JOB_SLOTS];

		if (atomic_load_explicit(&slot->sequence, memory_order_relaxed) == 0) {
			*sequence = 2;
			if (take_free_slot(slots, slot, most, use))
				return slot;
			break;
		}
		if (!read_slot(slot, sequence, id))
			continue;
		if (slice_equal(slice_of(id), use->job))
			return slot;
		if (idle == NULL && use->minute > JOB_IDLE_MINUTES &&
		    atomic_load_explicit(&slot->minute, memory_order_relaxed) <
			use->minute - JOB_IDLE_MINUTES) {
			idle = slot;
			idle_sequence = *sequence;
		}
	}
	*sequence = idle_sequence + 2;
	return idle != NULL && take_slot(idle, idle_sequence, use) ? idle : NULL;
}

void
job_stats_add(
    struct job_slots *slots, struct job_counts *counts, uint32_t most, const struct job_use *use)
{
	uint32_t sequence = 0;
	struct job_slot *slot =
	    use->job.len <= JOB_ID_MAX ? find_slot(slots, most, use, &sequence) : NULL;
	struct job_counts *mine = &counts[slot != NULL ? slot - slots->slots : JOB_OTHER];

	if (slot != NULL && counter_get(&mine->sequence) != sequence) {
		memset(mine, 0, sizeof(*mine));
		counter_set(&mine->sequence, sequence);
	}
	if (slot != NULL &&
	    atomic_load_explicit(&slot->minute, memory_order_relaxed) != use->minute)
		atomic_store_explicit(&slot->minute, use->minute, memory_order_relaxed);
	counter_add(&mine->classes[status_class(use->status)], 1);
	counter_add(&mine->bytes_in, use->bytes_in);
	counter_add(&mine->bytes_out, use->bytes_out);
	if (!use->tunnel) {
		counter_add(&mine->timed, 1);
		counter_add(&mine->sum_us, use->us);
	}
}

/* ---- what is shown ---- */

/* The sums of one job. */
struct row {
	char id[JOB_ID_MAX + 1]; /* "": the others */
	uint64_t classes[STATUS_CLASSES], bytes_in, bytes_out, timed, sum_us;
};

static void
add_counts(struct row *row, const struct job_counts *counts)
{
	for (size_t i = 0; i < STATUS_CLASSES; i++)
		row->classes[i] += counter_get(&counts->classes[i]);
	row->bytes_in += counter_get(&counts->bytes_in);
	row->bytes_out += counter_get(&counts->bytes_out);
	row->timed += counter_get(&counts->timed);
	row->sum_us += counter_get(&counts->sum_us);
}

static void
add_row(struct row *to, const struct row *from)
{
	for (size_t i = 0; i < STATUS_CLASSES; i++)
		to->classes[i] += from->classes[i];
	to->bytes_in += from->bytes_in;
	to->bytes_out += from->bytes_out;
	to->timed += from->timed;
	to->sum_us += from->sum_us;
}

static int
compare_rows(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->id, ((const struct row *)b)->id);
}

/* Two workers that met a job for the first time at once may each have given it a slot. */
static size_t
merge(struct row *rows, size_t count)
{
	size_t kept = 0;

	qsort(rows, count, sizeof(*rows), compare_rows);
	for (size_t i = 0; i < count; i++)
		if (kept > 0 && strcmp(rows[kept - 1].id, rows[i].id) == 0)
			add_row(&rows[kept - 1], &rows[i]);
		else
			rows[kept++] = rows[i];
	return kept;
}

static void
head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static const char *
label_of(const struct row *row)
{
	return row->id[0] != '\0' ? row->id : "other";
}

static void
write_rows(const struct row *rows, size_t count, FILE *out)
{
	head(out, "jobgate_job_requests_total", "counter",
	    "Requests that were allowed, by job and class of status; none: the client got no "
	    "answer.");
	for (size_t i = 0; i < count; i++)
		for (unsigned code = 0; code < STATUS_CLASSES; code++)
			if (rows[i].classes[code] > 0)
				fprintf(out,
				    "jobgate_job_requests_total{job_id=\"%s\",code=\"%s\"} %llu\n",
				    label_of(&rows[i]), status_class_name(code),
				    (unsigned long long)rows[i].classes[code]);
	head(out, "jobgate_job_received_bytes_total", "counter",
	    "Bytes of content received from clients, by job; counted when an exchange ends.");
	for (size_t i = 0; i < count; i++)
		fprintf(out, "jobgate_job_received_bytes_total{job_id=\"%s\"} %llu\n",
		    label_of(&rows[i]), (unsigned long long)rows[i].bytes_in);
	head(out, "jobgate_job_sent_bytes_total", "counter",
	    "Bytes of content sent to clients, by job; counted when an exchange ends.");
	for (size_t i = 0; i < count; i++)
		fprintf(out, "jobgate_job_sent_bytes_total{job_id=\"%s\"} %llu\n",
		    label_of(&rows[i]), (unsigned long long)rows[i].bytes_out);
	head(out, "jobgate_job_request_duration_seconds", "summary",
	    "From a request's head to the end of its answer, by job; tunnels do not count.");
	for (size_t i = 0; i < count; i++)
		fprintf(out,
		    "jobgate_job_request_duration_seconds_sum{job_id=\"%s\"} %llu.%06llu\n"
		    "jobgate_job_request_duration_seconds_count{job_id=\"%s\"} %llu\n",
		    label_of(&rows[i]), (unsigned long long)(rows[i].sum_us / 1000000),
		    (unsigned long long)(rows[i].sum_us % 1000000), label_of(&rows[i]),
		    (unsigned long long)rows[i].timed);
}

bool
job_stats_render(const struct job_slots *slots, size_t workers,
    const struct job_counts *(*each)(void *ctx, size_t i), void *ctx, FILE *out)
{
	struct row *rows = calloc(JOB_SLOTS + 1, sizeof(*rows));
	size_t count = 0;

	if (rows == NULL)
		return false;
	for (size_t slot = 0; slot <= JOB_SLOTS; slot++) {
		struct row *row = &rows[count];
		uint32_t sequence = 0;

		if (slot != JOB_OTHER && !read_slot(&slots->slots[slot], &sequence, row->id)) {
			*row = (struct row){0};
			continue;
		}
		/* Two samples with the same labels would break the whole answer. */
		if (strcmp(row->id, "other") == 0)
			row->id[0] = '\0';
		for (size_t i = 0; i < workers; i++) {
			const struct job_counts *counts = &each(ctx, i)[slot];

			if (counter_get(&counts->sequence) == sequence)
				add_counts(row, counts);
		}
		count++;
	}
	write_rows(rows, merge(rows, count), out);
	free(rows);
	return true;
}

const char *
status_class_name(unsigned code)
{
	static const char *const names[STATUS_CLASSES] = {
	    "none", "1xx", "2xx", "3xx", "4xx", "5xx"};

	return names[code < STATUS_CLASSES ? code : 0];
}
