/* import.c - jobgate store import: creates the records that do not exist yet from lines of JSON. */
#include <jansson.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "auth/bulk/task.h"
#include "auth/control/disk.h"
#include "auth/control/input.h"
#include "auth/record.h"

#define UNDER_WAY_MAX 256
#define LINE_MAX_BYTES (256u << 10) /* a job with the most and longest labels has 30 KiB */

static const char *const mint_fields[] = {INPUT_KIND, "key", "enforced", NULL};
static const char *const gone_fields[] = {INPUT_KIND, "id", "created_by", "label_selector", NULL};

struct import {
	struct task *task;
	unsigned under_way;
	uint64_t line, present, bytes, size;
	bool lost;	/* the store is out of reach */
	bool full;	/* the store's disk has no space left */
	bool refused;	/* the store has another mint key than these lines */
	bool is_ours;	/* these lines have the store's mint key */
	json_t *object; /* the parsed line; the record points into it */
	struct record_input input;
};

static bool
wrong(struct input_error *error, const char *field, const char *detail)
{
	snprintf(error->field, sizeof(error->field), "%s", field);
	snprintf(error->detail, sizeof(error->detail), "%s", detail);
	return false;
}

/* The text of a field; empty for null or a missing field. */
static struct slice
text_of(const json_t *object, const char *field)
{
	const json_t *value = json_object_get(object, field);

	return (struct slice){json_string_value(value), json_string_length(value)};
}

/*
 * `minted` is kept only with the key that the values were minted with; with another key it has no
 * meaning.
 */
static bool
check_minted(const struct import *import, struct token *token, struct input_error *error)
{
	if (token->minted > token->version)
		return wrong(error, "minted", "one of the versions so far, or none");
	if (!import->is_ours)
		token->minted = 0;
	return true;
}

/* A grace counts only with the version before; the store would keep another one in vain. */
static bool
check_previous(const struct token *token, struct input_error *error)
{
	return token->previous_version == 0 || token->previous_version + 1 == token->version ||
	       wrong(error, "previous_version", "the version before, or none");
}

/* Make the line's mint key the store's, unless the store has it already. */
static bool
import_mint(struct import *import, struct input_error *error)
{
	const json_t *enforced = json_object_get(import->object, "enforced");
	unsigned char key[MINT_KEY_LEN];
	enum store_result result;

	if (!input_fields(import->object, mint_fields, error))
		return false;
	if (!json_is_boolean(enforced))
		return wrong(error, "enforced", "true or false");
	if (!jg_mint_key_parse(text_of(import->object, "key"), key))
		return wrong(error, "key", "a key is 64 hex digits");
	result = task_mint_change(
	    import->task, json_is_true(enforced) ? STORE_MINT_ADOPT : STORE_MINT_START, key);
	OPENSSL_cleanse(key, sizeof(key));
	import->is_ours = result == STORE_OK;
	import->refused = result == STORE_CONFLICT;
	import->lost = import->lost || (!import->is_ours && !import->refused);
	return !import->refused ||
	       wrong(error, "key",
		   "the store mints values with another key; import into an empty store");
}

/* Where the line says that it stood in the index, if it says so. */
static bool
check_created_ms(const struct import *import, struct input_error *error)
{
	const json_t *value = json_object_get(import->object, INPUT_CREATED_MS);
	json_int_t ms = json_integer_value(value);

	return value == NULL || (json_is_integer(value) && ms > 0 && ms <= TASK_CREATED_MS_MAX) ||
	       wrong(error, INPUT_CREATED_MS, "milliseconds since 1970, a whole number");
}

/* The host of a port must not be one of the gateway's own. */
static bool
check_hosts(const struct import *import, const struct job *job, struct input_error *error)
{
	char room[JOB_PORT_LABEL_MAX];

	for (size_t i = 0; i < job->ports.count; i++)
		if (task_is_taken(import->task, RECORD_JOB,
			jg_job_port_label(job->id, job->ports.items[i].number, room)))
			return wrong(error, "ports",
			    "the host of a port would be the gateway's own (control.host or "
			    "browser.host)");
	return true;
}

/* Read the line's object into import->input; false with what is wrong. */
static bool
read_record(struct import *import, struct input_error *error)
{
	struct record *record = &import->input.record;
	enum record_kind kind;

	if (!record_kind_of(text_of(import->object, INPUT_KIND), &kind))
		return wrong(error, INPUT_KIND, "neither token nor job");
	if (!input_record(import->object, kind, INPUT_IMPORT, &import->input, error))
		return false;
	if (task_is_taken(import->task, kind, record_id(record)))
		return wrong(error, "id",
		    "its host would be the gateway's own (control.host or browser.host)");
	if (kind == RECORD_JOB && !check_hosts(import, &record->job, error))
		return false;
	if (!check_created_ms(import, error))
		return false;
	return kind != RECORD_TOKEN || (check_minted(import, &record->token, error) &&
					   check_previous(&record->token, error));
}

/* A record that is being created. */
struct creation {
	struct import *import;
	char id[JOB_ID_ROOM];
};

static void
on_created(struct creation *creation, enum record_kind kind, enum store_result result)
{
	struct import *import = creation->import;

	import->under_way--;
	switch (result) {
	case STORE_OK:
		import->task->counts[kind]++;
		return;
	case STORE_CONFLICT:
		import->present++;
		return;
	case STORE_TOO_MANY_PUBLIC:
		import->task->problems++;
		fprintf(stderr,
		    "jobgate: public job %s was left out: the store already has %d public jobs; "
		    "make one of them private, then import again\n",
		    creation->id, JOBS_PUBLIC_MAX);
		return;
	case STORE_COLLIDES:
		import->task->problems++;
		fprintf(stderr,
		    "jobgate: job %s was left out: one of its ports, or its id, has the host "
		    "<id>-<port> of another job in the store\n",
		    creation->id);
		return;
	case STORE_BROKEN:
		import->task->problems++;
		fprintf(stderr, "jobgate: the key of the %ss' index holds something else\n",
		    record_types[kind].noun);
		return;
	default:
		import->lost = true;
	}
}

#define RECORD(KIND, type, labels, lapses)                                                         \
	static void type##_created(void *ctx, enum store_result result, const struct record *none) \
	{                                                                                          \
		(void)none;                                                                        \
		on_created(ctx, RECORD_##KIND, result);                                            \
		free(ctx);                                                                         \
	}
#include "jobgate/records.def"

/* The record's place in the index: as exported, else by its time of creation, else last. */
static uint64_t
created_ms(const json_t *object, struct slice created_at)
{
	json_int_t ms = json_integer_value(json_object_get(object, INPUT_CREATED_MS));
	char text[64];
	struct tm utc = {0};

	if (ms > 0)
		return (uint64_t)ms;
	snprintf(text, sizeof(text), "%.*s", (int)created_at.len, created_at.at);
	if (strptime(text, "%Y-%m-%dT%H:%M:%S", &utc) != NULL && timegm(&utc) > 0)
		return (uint64_t)timegm(&utc) * 1000;
	return (uint64_t)time(NULL) * 1000;
}

static void
import_record(struct import *import, const struct record *record)
{
	static store_record_done *const created[RECORD_KINDS] = {
#define RECORD(KIND, type, labels, lapses) [RECORD_##KIND] = type##_created,
#include "jobgate/records.def"
	};

	struct slice id = record_id(record);
	struct creation *creation = malloc(sizeof(*creation));

	if (creation == NULL) {
		import->lost = true;
		return;
	}
	creation->import = import;
	snprintf(creation->id, sizeof(creation->id), "%.*s", (int)id.len, id.at);
	if (task_is_unminted(record))
		import->task->unminted++;
	import->under_way++;
	store_create(import->task->store, record,
	    created_ms(import->object, record_created_at(record)), NULL, created[record->kind],
	    creation);
}

/* What the store has of such a token is as good, so a conflict is none. */
static void
gone_added(void *ctx, enum store_result result, const struct record *none)
{
	struct import *import = ctx;

	(void)none;
	import->under_way--;
	if (result == STORE_BROKEN) {
		import->task->problems++;
		fputs("jobgate: a key that should be a set of created tokens (made:...) holds "
		      "something else\n",
		    stderr);
	} else if (result == STORE_CIRCLE) {
		import->task->problems++;
		fputs("jobgate: left out a gone_token line: with it, a token would have created "
		      "its own creator\n",
		    stderr);
	} else if (result != STORE_OK && result != STORE_CONFLICT) {
		import->lost = true;
	}
}

/* A token that is gone, but has created tokens; false with what is wrong. */
static bool
import_gone(struct import *import, struct input_error *error)
{
	struct store_gone gone = {.id = text_of(import->object, "id"),
	    .created_by = text_of(import->object, "created_by"),
	    .selector = text_of(import->object, "label_selector")};
	struct label labels[SELECTOR_LABELS_MAX];
	const json_t *selector = json_object_get(import->object, "label_selector");
	size_t count, bad;

	if (!input_fields(import->object, gone_fields, error))
		return false;
	if (!jg_token_id_valid(gone.id))
		return wrong(error, "id", "16 characters a-z 0-9");
	if (gone.created_by.at == NULL ||
	    (gone.created_by.len > 0 && !record_maker_valid(gone.created_by)))
		return wrong(error, "created_by", "the id of an operator's token, local, or \"\"");
	if (selector == NULL || json_is_null(selector))
		gone.selector = SLICE("?");
	else if (gone.selector.at == NULL)
		return wrong(error, "label_selector", "a label selector, or null");
	else if (jg_selector_parse(gone.selector, labels, &count, &bad) != LABEL_OK)
		return wrong(error, "label_selector", "not a label selector");
	import->under_way++;
	store_token_gone(import->task->store, &gone, gone_added, import);
	return true;
}

/* Handle one line; false with what is wrong. The caller releases import->object either way. */
static bool
import_object(struct import *import, const char *text, size_t len, struct input_error *error)
{
	if (len > LINE_MAX_BYTES)
		return wrong(error, "", "the line is too long");
	import->object = input_object(text, len, NULL, error);
	if (import->object == NULL)
		return false;
	if (slice_equal(text_of(import->object, INPUT_KIND), SLICE("mint")))
		return import_mint(import, error);
	if (slice_equal(text_of(import->object, INPUT_KIND), SLICE(INPUT_GONE)))
		return import_gone(import, error);
	if (!read_record(import, error))
		return false;
	import_record(import, &import->input.record);
	return true;
}

static void
import_line(struct import *import, const char *text, size_t len)
{
	struct input_error error = {0};

	import->line++;
	if (!import_object(import, text, len, &error)) {
		import->task->problems++;
		if (import->task->progress.shown)
			fputs("\r\033[K", stderr);
		fprintf(stderr, "line %llu: %s%s%s\n", (unsigned long long)import->line,
		    error.field, error.field[0] != '\0' ? ": " : "", error.detail);
	}
	json_decref(import->object);
	import->object = NULL;
}

/*
 * The last free space of the disk is kept for revocations: redis-server ends when the disk is full.
 */
static bool
has_room(struct import *import)
{
	import->full = import->task->dir != NULL && !disk_has_room(import->task->dir);
	return !import->full;
}

/* Read all lines, with up to UNDER_WAY_MAX creations under way, and wait for all answers. */
static void
import_all(struct import *import)
{
	struct task *task = import->task;
	char *line = NULL;
	size_t cap = 0;
	ssize_t len = 0;

	while (!import->lost && !import->refused && has_room(import) &&
	       (len = getline(&line, &cap, task->in)) > 0) {
		import->bytes += (size_t)len;
		if (line[len - 1] == '\n')
			len--;
		if (len > 0)
			import_line(import, line, (size_t)len);
		progress_to(&task->progress, import->bytes, import->size);
		while (import->under_way >= UNDER_WAY_MAX)
			event_base_loop(task->base, EVLOOP_ONCE);
	}
	while (import->under_way > 0)
		event_base_loop(task->base, EVLOOP_ONCE);
	free(line);
}

/* Warn about imported tokens whose values were not minted with this store's key. */
static void
tell_minted(const struct task *task)
{
	if (task->unminted == 0)
		return;
	switch (store_mint(task->store)->state) {
	case MINT_UNKNOWN:
	case MINT_NONE:
		return;
	case MINT_STARTED:
	case MINT_ENFORCED:
		break;
	}
	fprintf(stderr,
	    "jobgate: values of %llu %s were not minted with this store's key; if only minted "
	    "values count, they are refused until renewed\n",
	    (unsigned long long)task->unminted, task_nouns(RECORD_TOKEN, task->unminted));
}

int
task_import(struct task *task)
{
	struct import import = {.task = task};
	char counts[TASK_COUNTS_MAX];
	struct stat status;

	if (fstat(fileno(task->in), &status) == 0 && S_ISREG(status.st_mode))
		import.size = (uint64_t)status.st_size;
	if (task_mint_know(task) != TASK_OK)
		return TASK_UNREACHABLE;
	progress_begin(&task->progress, "bytes");
	import_all(&import);
	progress_end(&task->progress);
	if (import.lost) {
		fputs("jobgate: the store does not answer; run the import again: it skips the "
		      "records that exist\n",
		    stderr);
		return TASK_UNREACHABLE;
	}
	if (import.full) {
		fprintf(stderr,
		    "jobgate: the disk of the store (%s) is full: free some space there, then "
		    "run the import again: it skips the records that exist\n",
		    task->dir);
		return TASK_WRONG;
	}
	task_counts_format(task, " and ", counts);
	fprintf(task->out, "imported %s; %llu existed already and were not changed\n", counts,
	    (unsigned long long)import.present);
	tell_minted(task);
	return task->problems == 0 ? TASK_OK : TASK_WRONG;
}
