/* verify.c - jobgate store verify: checks that each record is valid and in its index. */
#include "auth/bulk/task.h"
#include "auth/record.h"

/*
 * A value that is not minted is fine if the store has no key, gets a note if it has one, and is a
 * problem once only minted values count.
 */
static void
check_minted(struct task *task, enum record_kind kind, const struct store_walk_entry *entry)
{
	switch (store_mint(task->store)->state) {
	case MINT_UNKNOWN:
	case MINT_NONE:
		return;
	case MINT_STARTED:
		task->unminted++;
		task_note(task, kind, entry->id,
		    "its value is not minted yet: renew it before jobgate store mint --enforce");
		return;
	case MINT_ENFORCED:
		task_problem(task, kind, entry->id,
		    "its value was not minted here and is refused: renew it");
		return;
	}
}

/* The hosts of ports that are the gateway's own. */
static void
check_ports(struct task *task, enum record_kind kind, const struct store_walk_entry *entry)
{
	const struct job *job = kind == RECORD_JOB ? &entry->record->job : NULL;
	char room[JOB_PORT_LABEL_MAX];

	for (size_t i = 0; job != NULL && i < job->ports.count; i++) {
		unsigned number = job->ports.items[i].number;

		if (task_is_taken(task, kind, jg_job_port_label(job->id, (uint16_t)number, room)))
			task_problem(task, kind, entry->id,
			    "its port %u is not served, because its host would be the gateway's "
			    "own (control.host or browser.host): give it another number",
			    number);
	}
}

static void
check_record(struct task *task, enum record_kind kind, const struct store_walk_entry *entry)
{
	task->counts[kind]++;
	if (entry->record == NULL)
		task_problem(task, kind, entry->id, "%s", entry->why);
	else if (entry->score.at == NULL)
		task_problem(task, kind, entry->id, "not in the index, so no list shows it");
	else if (task_is_taken(task, kind, entry->id))
		task_problem(task, kind, entry->id,
		    "not served, because its host would be the gateway's own (control.host or "
		    "browser.host): register it under another id, then delete this one");
	if (entry->record != NULL)
		check_ports(task, kind, entry);
	if (task_is_unminted(entry->record))
		check_minted(task, kind, entry);
}

/*
 * An entry of a job without a record is fine: its lease may have ended, and the next list drops the
 * entry. The store cannot tell whether the record vanished for another reason.
 */
static void
check_entry(struct task *task, enum record_kind kind, const struct store_walk_entry *entry)
{
	if (!record_types[kind].lapses)
		task_problem(task, kind, entry->id, "in the index, but without a record");
}

static void
check_made(struct task *task, enum record_kind kind, const struct store_walk_entry *entry)
{
	if (entry->cut_off)
		task_note(task, kind, entry->id,
		    "its creator %.*s is gone, and the store does not know who created that: "
		    "delete --cascade of that one may not find this token",
		    (int)entry->score.len, entry->score.at);
	else if (entry->why != NULL)
		task_problem(task, kind, entry->id,
		    "missing among the tokens that %.*s created, and it cannot be added there: %s",
		    (int)entry->score.len, entry->score.at, entry->why);
	else if (task->mend)
		task_note(task, kind, entry->id,
		    "added to the tokens that %.*s created: it was missing there",
		    (int)entry->score.len, entry->score.at);
	else
		task_problem(task, kind, entry->id,
		    "missing among the tokens that %.*s created, so delete --cascade does not find "
		    "it: run jobgate store verify --mend",
		    (int)entry->score.len, entry->score.at);
}

static void
check_gone(struct task *task, enum record_kind kind, const struct store_walk_entry *entry)
{
	const char *wrong = task_gone_wrong(entry);

	if (wrong != NULL)
		task_problem(task, kind, entry->id,
		    "what the store keeps of it (made:...:of), since it is gone: %s", wrong);
}

static void
check_job(struct task *task, enum record_kind kind, const struct store_walk_entry *entry)
{
	int len = (int)entry->id.len;
	const char *id = entry->id.at;

	if (slice_equal(entry->score, SLICE("unlisted")))
		task_problem(task, kind, entry->id,
		    "its record says that it is public, but no one gets in without a token, "
		    "because "
		    "the set of public jobs lacks it: jobgate job set --access public %.*s",
		    len, id);
	else if (slice_equal(entry->score, SLICE("listed")))
		task_problem(task, kind, entry->id,
		    "among the public jobs, but its record is not public: jobgate job set "
		    "--access '' %.*s",
		    len, id);
	else
		task_problem(task, kind, entry->id,
		    "its port %.*s is not served, because job %.*s-%.*s has the same host: give "
		    "the port another number, or that job another id",
		    (int)entry->score.len, entry->score.at, len, id, (int)entry->score.len,
		    entry->score.at);
}

/* Workers leave such members out, and use no set at all that is too large or none. */
static void
check_public(struct task *task, enum record_kind kind, const struct store_walk_entry *entry)
{
	if (slice_equal(entry->score, SLICE("id")))
		task_problem(task, kind, entry->id,
		    "no job can have this id, but the set of public jobs has it: remove it there "
		    "(SREM)");
	else
		task_problem(task, kind, SLICE("-"),
		    "no job is public, because the key of the set of public jobs %s",
		    slice_equal(entry->score, SLICE("many")) ? "has more than 10000 members"
							     : "holds something else");
}

int
task_verify(struct task *task)
{
	int worst = task_mint_know(task);
	char counts[TASK_COUNTS_MAX];

	for (unsigned kind = 0; kind < RECORD_KINDS && worst != TASK_UNREACHABLE; kind++) {
		int result = task_walk(task, kind, TASK_WALK_KEYS, check_record);

		if (result == TASK_OK)
			result = task_walk(task, kind, TASK_WALK_INDEX, check_entry);
		if (result == TASK_OK && kind == RECORD_JOB)
			result = task_walk(task, kind, TASK_WALK_JOBS, check_job);
		if (result == TASK_OK && kind == RECORD_JOB)
			result = task_walk(task, kind, TASK_WALK_PUBLIC, check_public);
		if (result == TASK_OK && kind == RECORD_TOKEN)
			result = task_walk(task, kind, TASK_WALK_MADE, check_made);
		if (result == TASK_OK && kind == RECORD_TOKEN)
			result = task_walk(task, kind, TASK_WALK_GONE, check_gone);
		if (result > worst)
			worst = result;
	}
	if (worst != TASK_OK)
		return worst;
	task_counts_format(task, ", ", counts);
	fprintf(task->out, "%s: ", counts);
	if (task->problems == 0 && task->unminted > 0)
		fprintf(task->out,
		    "every record is valid and in its index; %llu %s not minted yet\n",
		    (unsigned long long)task->unminted,
		    task->unminted == 1 ? "token is" : "tokens are");
	else if (task->problems == 0)
		fputs("every record is valid and in its index\n", task->out);
	else
		fprintf(task->out, "%llu problem%s\n", (unsigned long long)task->problems,
		    task->problems == 1 ? "" : "s");
	return task->problems == 0 ? TASK_OK : TASK_WRONG;
}
