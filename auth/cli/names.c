/* names.c - commands on records that are named by their id, or by the name of a token. */
#include "auth/cli/command.h"

#include <stdlib.h>
#include <string.h>

#define NAMESAKES_SHOWN 10

/* The tokens of one name that were found so far: how many, and the id of the first. */
struct namesakes {
	size_t count;
	char id[TOKEN_ID_LEN + 1];
	char ids[NAMESAKES_SHOWN * (TOKEN_ID_LEN + 2)]; /* the first ids, for a message */
};

/* Add the items of a page. */
static void
add(struct namesakes *found, const json_t *items)
{
	for (size_t i = 0; i < json_array_size(items); i++) {
		const char *id = json_string_value(json_object_get(json_array_get(items, i), "id"));

		if (id == NULL || strlen(id) != TOKEN_ID_LEN)
			continue;
		if (found->count == 0)
			strcpy(found->id, id);
		if (found->count < NAMESAKES_SHOWN) {
			strcat(found->ids, found->count > 0 ? ", " : "");
			strcat(found->ids, id);
		}
		found->count++;
	}
}

/* Find all tokens of this name; a page may be empty although others follow. */
static int
find(struct command_context *context, const char *name, struct namesakes *found)
{
	char *cursor = NULL;
	int result;

	do {
		char *path = command_query(strdup("/v1/tokens?limit=1000"), "name", name);
		struct answer answer;

		if (cursor != NULL)
			path = command_query(path, "cursor", cursor);
		free(cursor);
		cursor = NULL;
		result = command_page(context, path, &answer);
		free(path);
		if (result != CLI_OK)
			break;
		add(found, json_object_get(answer.body, "items"));
		cursor = present_text(answer.body, "next_cursor");
		answer_clear(&answer);
	} while (cursor != NULL);
	free(cursor);
	return result;
}

/* A word may be an id and a name; an id comes first. Finds out whether a token has this id. */
static int
look_up(struct command_context *context, const char *word, bool *found)
{
	char *path = client_path("/v1/tokens/", word, "");
	struct answer answer = {0};
	bool reached = path != NULL && client_call(context->client, "GET", path, NULL, &answer);

	*found = answer.status != 404; /* the call that follows reports any other refusal */
	answer_clear(&answer);
	free(path);
	return reached ? CLI_OK : CLI_UNREACHABLE;
}

/* Print why the name does not stand for one token. */
static int
refuse(const struct namesakes *found, const char *word)
{
	if (found->count == 0)
		fprintf(stderr, "jobgate: there is no token %s\n", word);
	else
		fprintf(stderr, "jobgate: %zu tokens are named %s; give an id: %s%s\n",
		    found->count, word, found->ids, found->count > NAMESAKES_SHOWN ? ", ..." : "");
	return CLI_REFUSED;
}

char *
command_id(struct command_context *context, enum record_kind kind, const char *word, int *result)
{
	struct namesakes found = {0};
	bool is_id = kind != RECORD_TOKEN || !jg_token_name_valid(slice_of(word));

	*result = CLI_OK;
	/* A cascade is repeated by its id, also when the token itself is gone. */
	if (context->options->cascade && jg_token_id_valid(slice_of(word)))
		is_id = true;
	if (!is_id && jg_token_id_valid(slice_of(word)))
		*result = look_up(context, word, &is_id);
	if (*result == CLI_OK && is_id)
		return strdup(word);
	if (*result == CLI_OK)
		*result = find(context, word, &found);
	if (*result == CLI_OK && found.count == 1)
		return strdup(found.id);
	if (*result == CLI_OK)
		*result = refuse(&found, word);
	return NULL;
}

int
command_tell_id(const char *word, const char *id, int result)
{
	if (result != CLI_OK && strcmp(word, id) != 0)
		fprintf(stderr,
		    "jobgate: the token %s has the id %s: if you repeat the command, give the id, "
		    "not the name\n",
		    word, id);
	return result;
}

/* The path of a record in the API; the caller frees it. NULL when memory is short. */
static char *
record_path(enum record_kind kind, const char *id, const char *suffix)
{
	char prefix[32];

	snprintf(prefix, sizeof(prefix), "/v1/%s/", record_types[kind].nouns);
	return client_path(prefix, id, suffix);
}

int
command_get(struct command_context *context, enum record_kind kind)
{
	int result;
	char *id = command_id(context, kind, context->options->args[0], &result);
	char *path = id != NULL ? record_path(kind, id, "") : NULL;

	if (id != NULL)
		result = command_tell_id(
		    context->options->args[0], id, command_show(context, "GET", path, NULL, kind));
	free(path);
	free(id);
	return result;
}

/* Say what was deleted, and what remains. */
static void
tell_deleted(
    struct command_context *context, enum record_kind kind, const char *id, const json_t *answer)
{
	const struct printer *printer = &context->printer;
	json_int_t deleted = json_integer_value(json_object_get(answer, "deleted_tokens"));
	json_int_t remaining = json_integer_value(json_object_get(answer, "remaining_tokens"));
	bool more = json_is_true(json_object_get(answer, "more"));

	if (printer->output == OUTPUT_DESCRIPTION && context->options->cascade)
		fprintf(printer->out,
		    "Deleted token %s and what it created: %" JSON_INTEGER_FORMAT " token%s\n", id,
		    deleted, deleted == 1 ? "" : "s");
	else if (printer->output == OUTPUT_DESCRIPTION)
		fprintf(printer->out, "Deleted %s %s\n", record_types[kind].noun, id);
	if (remaining == 0 && more)
		fprintf(stderr,
		    "jobgate: tokens that it created may remain valid; to delete them, too: "
		    "jobgate token delete --cascade %s\n",
		    id);
	else if (remaining > 0)
		fprintf(stderr,
		    "jobgate: %s%" JSON_INTEGER_FORMAT
		    " token%s that it created, or that these created, remain%s valid; to delete "
		    "them, too: jobgate token delete --cascade %s\n",
		    more ? "at least " : "", remaining, remaining == 1 ? "" : "s",
		    remaining == 1 ? "s" : "", id);
}

/* Delete one record, after asking; the question shows the word that named it, and its id. */
static int
delete_one(struct command_context *context, enum record_kind kind, const char *word, const char *id)
{
	const char *noun = record_types[kind].noun;
	char question[64];
	struct answer answer;
	char *path;
	int result;

	snprintf(question, sizeof(question),
	    context->options->cascade ? "With all tokens that it created, delete %s" : "Delete %s",
	    noun);
	if (kind == RECORD_TOKEN ? !command_confirm_token(context, question, word, id)
				 : !command_confirm(context, question, word, id))
		return CLI_REFUSED;
	if (context->options->cascade && strcmp(word, id) != 0)
		fprintf(stderr, "jobgate: deleting the token %s, its id is %s\n", word, id);
	path = record_path(kind, id, context->options->cascade ? "?cascade=true" : "");
	result = command_call(context, "DELETE", path, NULL, &answer);
	if (result == CLI_OK)
		tell_deleted(context, kind, id, answer.body);
	answer_clear(&answer);
	free(path);
	return command_tell_id(word, id, result);
}

int
command_delete(struct command_context *context, enum record_kind kind)
{
	const struct options *options = context->options;
	int worst = CLI_OK;

	for (size_t i = 0; i < options->arg_count; i++) {
		int result;
		char *id = command_id(context, kind, options->args[i], &result);

		if (id != NULL)
			result = delete_one(context, kind, options->args[i], id);
		free(id);
		if (result > worst)
			worst = result;
		if (result == CLI_UNREACHABLE)
			break;
	}
	return worst;
}
