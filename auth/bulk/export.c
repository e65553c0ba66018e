/* export.c - jobgate store export: writes each record as a line of JSON. */
#include <jansson.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "auth/bulk/task.h"
#include "auth/control/input.h"
#include "auth/control/view.h"
#include "auth/record.h"

/*
 * The mint key comes first, so that an import into a store with another key stops before any
 * record.
 */
static void
write_mint(struct task *task)
{
	const struct mint *mint = store_mint(task->store);
	char hex[MINT_KEY_TEXT_LEN + 1];

	if (mint->state != MINT_STARTED && mint->state != MINT_ENFORCED)
		return;
	jg_mint_key_format(mint->key, hex);
	fprintf(task->out, "{\"kind\":\"mint\",\"key\":\"%s\",\"enforced\":%s}\n", hex,
	    mint->state == MINT_ENFORCED ? "true" : "false");
	OPENSSL_cleanse(hex, sizeof(hex));
}

/*
 * Write what the API shows of the record, and what only the store has: a token's hash and `minted`,
 * and the place in the index.
 */
static void
write_record(struct task *task, enum record_kind kind, const struct store_walk_entry *entry)
{
	json_t *line, *view;
	double score;

	if (entry->record == NULL) {
		task_problem(task, kind, entry->id, "left out: %s", entry->why);
		return;
	}
	line = json_pack("{s:s}", INPUT_KIND, record_types[kind].noun);
	view = view_export(entry->record);
	json_object_update(line, view);
	json_decref(view);
	score = entry->score.at != NULL ? strtod(entry->score.at, NULL) : 0;
	if (score >= 1 && score <= (double)TASK_CREATED_MS_MAX)
		json_object_set_new(line, INPUT_CREATED_MS, json_integer((json_int_t)score));
	if (json_dumpf(line, task->out, JSON_COMPACT) == 0 && fputc('\n', task->out) != EOF)
		task->counts[kind]++;
	json_decref(line);
}

/*
 * Of a token that is gone, but has created tokens: its creator and its selector, for cascades. A
 * selector that is not known is null. What no import could read is left out.
 */
static void
write_gone(struct task *task, enum record_kind kind, const struct store_walk_entry *entry)
{
	const char *selector = entry->why != NULL ? entry->why : "";
	const char *wrong = task_gone_wrong(entry);
	json_t *line;

	if (wrong != NULL) {
		task_problem(task, kind, entry->id, "left out: %s", wrong);
		return;
	}
	line = json_pack("{s:s, s:s#, s:s#, s:s?}", INPUT_KIND, INPUT_GONE, "id", entry->id.at,
	    (int)entry->id.len, "created_by", entry->score.at, (int)entry->score.len,
	    "label_selector", strcmp(selector, "?") == 0 ? NULL : selector);
	if (line == NULL)
		task_problem(task, kind, entry->id, "left out: what is kept of it is not text");
	else if (json_dumpf(line, task->out, JSON_COMPACT) == 0)
		fputc('\n', task->out);
	json_decref(line);
}

int
task_export(struct task *task)
{
	int result = task_mint_know(task);
	char counts[TASK_COUNTS_MAX];

	if (result == TASK_OK)
		write_mint(task);
	for (unsigned kind = 0; kind < RECORD_KINDS && result == TASK_OK; kind++)
		result = task_walk(task, kind, TASK_WALK_KEYS, write_record);
	if (result == TASK_OK)
		result = task_walk(task, RECORD_TOKEN, TASK_WALK_GONE, write_gone);
	if (result != TASK_OK)
		return result;
	if (fflush(task->out) != 0 || ferror(task->out)) {
		perror("jobgate: the lines could not be written");
		return TASK_WRONG;
	}
	task_counts_format(task, " and ", counts);
	fprintf(stderr, "exported %s\n", counts);
	return task->problems == 0 ? TASK_OK : TASK_WRONG;
}
