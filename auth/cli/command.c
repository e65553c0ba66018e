/* command.c - what the commands share: calls, lists, questions, labels. */
#define _GNU_SOURCE 1 /* asprintf */
#include "auth/cli/command.h"
#include "auth/cli/fields.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ATTEMPTS_MAX 10 /* for each page, one per second */

int
command_written(bool ok)
{
	if (ok)
		return CLI_OK;
	fprintf(stderr, "jobgate: the result could not be written: %s\n", strerror(errno));
	return CLI_REFUSED;
}

int
command_call(struct command_context *context, const char *method, const char *path,
    const json_t *body, struct answer *answer)
{
	int result;

	*answer = (struct answer){0};
	if (path == NULL) {
		fputs("jobgate: out of memory\n", stderr);
		return CLI_REFUSED;
	}
	if (!client_call(context->client, method, path, body, answer))
		return CLI_UNREACHABLE;
	if (answer->status >= 200 && answer->status < 300)
		return CLI_OK;
	result = answer_refused(answer);
	answer_clear(answer);
	return result;
}

int
command_show(struct command_context *context, const char *method, const char *path,
    const json_t *body, enum record_kind kind)
{
	struct answer answer;
	int result = command_call(context, method, path, body, &answer);

	if (result == CLI_OK)
		result = command_written(fields_present(&context->printer, answer.body, kind));
	answer_clear(&answer);
	return result;
}

int
command_page(struct command_context *context, const char *path, struct answer *answer)
{
	for (int attempt = 1;; attempt++) {
		int result;

		*answer = (struct answer){0};
		if (!client_call(context->client, "GET", path, NULL, answer))
			return CLI_UNREACHABLE;
		if (answer->status == 200)
			return CLI_OK;
		if (answer->status != 429 || attempt == ATTEMPTS_MAX) {
			result = answer_refused(answer);
			answer_clear(answer);
			return result;
		}
		answer_clear(answer);
		sleep(1);
	}
}

/* Sessions of workers that do not answer are missing in a list. */
static void
tell_silent(const json_t *page)
{
	json_int_t silent = json_integer_value(json_object_get(page, "silent_workers"));

	if (silent > 0)
		fprintf(stderr,
		    "jobgate: %" JSON_INTEGER_FORMAT
		    " worker%s did not answer: what runs there is missing\n",
		    silent, silent == 1 ? "" : "s");
}

/* Show one page. *next is the cursor of the next one, or NULL. */
static int
show_page(struct command_context *context, const char *path, void (*adapt)(json_t *item),
    struct present_list *list, char **next)
{
	struct answer answer;
	const char *cursor;
	const json_t *items;
	int result = command_page(context, path, &answer);

	*next = NULL;
	if (result != CLI_OK)
		return result;
	cursor = json_string_value(json_object_get(answer.body, "next_cursor"));
	items = json_object_get(answer.body, "items");
	if (!json_is_array(items)) {
		fputs("jobgate: the server's answer is not a list\n", stderr);
		result = CLI_REFUSED;
	} else {
		for (size_t i = 0; adapt != NULL && i < json_array_size(items); i++)
			adapt(json_array_get(items, i));
		result = command_written(present_list_add(list, items));
		tell_silent(answer.body);
	}
	if (cursor != NULL)
		*next = strdup(cursor);
	answer_clear(&answer);
	return result;
}

int
command_list_as(struct command_context *context, const char *path, const struct column *columns,
    void (*adapt)(json_t *item))
{
	struct present_list list;
	char *cursor = NULL;
	int result;
	bool ok;

	if (path == NULL)
		return CLI_REFUSED;
	if (context->printer.output != OUTPUT_DESCRIPTION)
		adapt = NULL;
	present_list_begin(&list, &context->printer, columns);
	result = show_page(context, path, adapt, &list, &cursor);
	while (result == CLI_OK && cursor != NULL) {
		char *page = command_query(strdup(path), "cursor", cursor);

		free(cursor);
		cursor = NULL;
		result =
		    page != NULL ? show_page(context, page, adapt, &list, &cursor) : CLI_REFUSED;
		free(page);
	}
	free(cursor);
	ok = present_list_end(&list, result == CLI_OK);
	return result == CLI_OK ? command_written(ok) : result;
}

int
command_list(struct command_context *context, const char *path, enum record_kind kind)
{
	struct column columns[COLUMNS_MAX];

	fields_columns(kind, USE_LIST, columns);
	return command_list_as(context, path, columns, NULL);
}

char *
command_query(char *path, const char *name, const char *value)
{
	char *prefix = NULL, *longer;
	bool first = path != NULL && path[0] != '\0' && path[strlen(path) - 1] == '?';

	if (path == NULL || asprintf(&prefix, "%s%s%s=", path, first ? "" : "&", name) < 0)
		prefix = NULL;
	longer = prefix != NULL ? client_path(prefix, value, "") : NULL;
	free(prefix);
	free(path);
	return longer;
}

static bool
asks(const struct command_context *context)
{
	return !context->options->yes && isatty(STDIN_FILENO);
}

bool
command_confirm(
    const struct command_context *context, const char *question, const char *word, const char *id)
{
	char *line = NULL;
	size_t cap = 0;
	bool yes;

	if (!asks(context))
		return true;
	if (strcmp(word, id) == 0)
		fprintf(stderr, "%s %s? [y/N] ", question, id);
	else
		fprintf(stderr, "%s %s (%s)? [y/N] ", question, word, id);
	yes = getline(&line, &cap, stdin) > 0 && (line[0] == 'y' || line[0] == 'Y');
	free(line);
	if (!yes)
		fputs("jobgate: nothing was changed\n", stderr);
	return yes;
}

/* NULL when it cannot be read: the call that follows says why. */
static char *
name_of_token(struct command_context *context, const char *id)
{
	char *path = client_path("/v1/tokens/", id, ""), *name = NULL;
	struct answer answer = {0};

	if (path != NULL && client_call(context->client, "GET", path, NULL, &answer) &&
	    answer.status == 200)
		name = present_text(answer.body, "name");
	answer_clear(&answer);
	free(path);
	return name;
}

bool
command_confirm_token(
    struct command_context *context, const char *question, const char *word, const char *id)
{
	bool reads = asks(context) && strcmp(word, id) == 0 && jg_token_id_valid(slice_of(id));
	char *name = reads ? name_of_token(context, id) : NULL;
	bool yes = command_confirm(context, question, name != NULL ? name : word, id);

	secret_free(name);
	return yes;
}

json_t *
command_labels(const struct options *options)
{
	json_t *labels = json_object();

	for (size_t i = 0; i < options->label_count; i++) {
		struct slice text = slice_of(options->labels[i]);
		struct label label;
		size_t bad = 0;
		enum label_error error = jg_label_parse(text, &label, &bad);
		char name[LABEL_NAME_MAX + 1];

		if (error == LABEL_OK) {
			snprintf(name, sizeof(name), "%.*s", (int)label.name.len, label.name.at);
			if (json_object_get(labels, name) != NULL)
				error = LABEL_DUPLICATE;
		}
		if (error != LABEL_OK) {
			fprintf(stderr, "jobgate: invalid label '%s': %s\n", options->labels[i],
			    jg_label_error_text(error));
			json_decref(labels);
			return NULL;
		}
		json_object_set_new(labels, name, json_stringn(label.value.at, label.value.len));
	}
	return labels;
}

bool
command_labels_check(struct options *options)
{
	json_t *labels = command_labels(options);
	bool ok = labels != NULL;

	json_decref(labels);
	return ok;
}
