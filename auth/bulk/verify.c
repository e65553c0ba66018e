/* verify.c - jobgate store verify: is every record whole, and in its index? */
#include "auth/bulk/task.h"
#include "auth/record.h"

/* Nothing is amiss where values are not minted. Until only minted ones count it is no problem. */
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
		    "its value was not minted here, so that it is refused: renew it");
		return;
	}
}

static void
check_record(struct task *task, enum record_kind kind, const struct store_walk_entry *entry)
{
	task->counts[kind]++;
	if (entry->record == NULL)
		task_problem(task, kind, entry->id, "%s", entry->why);
	else if (entry->score.at == NULL)
		task_problem(task, kind, entry->id, "not in the index, so that no list has it");
	if (task_is_unminted(entry->record))
		check_minted(task, kind, entry);
}

/*
 * A job's lease may have ended: its entry goes with the next list, and is no problem. Nothing in
 * the store tells it from one whose record vanished for another reason.
 */
static void
check_entry(struct task *task, enum record_kind kind, const struct store_walk_entry *entry)
{
	if (!record_types[kind].lapses)
		task_problem(task, kind, entry->id, "in the index, but there is no record");
}

int
task_verify(struct task *task)
{
	int worst = task_mint_know(task);
	char counts[TASK_COUNTS_MAX];

	for (unsigned kind = 0; kind < RECORD_KINDS && worst != TASK_UNREACHABLE; kind++) {
		int result = task_walk(task, kind, false, check_record);

		if (result == TASK_OK)
			result = task_walk(task, kind, true, check_entry);
		if (result > worst)
			worst = result;
	}
	if (worst != TASK_OK)
		return worst;
	task_counts_format(task, ", ", counts);
	fprintf(task->out, "%s: ", counts);
	if (task->problems == 0 && task->unminted > 0)
		fprintf(task->out,
		    "every record is whole and in its index; %llu %s not minted yet\n",
		    (unsigned long long)task->unminted,
		    task->unminted == 1 ? "token is" : "tokens are");
	else if (task->problems == 0)
		fputs("every record is whole and in its index\n", task->out);
	else
		fprintf(task->out, "%llu problem%s\n", (unsigned long long)task->problems,
		    task->problems == 1 ? "" : "s");
	return task->problems == 0 ? TASK_OK : TASK_WRONG;
}
