/* session.c - jobgate session list, kill. */
#include "auth/cli/session.h"
#include "auth/cli/amount.h"

#include <stdlib.h>
#include <string.h>

#include "jobgate/ip.h"
#include "jobgate/session.h"

static const struct argp_option list_options[] = {
    {"job", KEY_JOB, "ID", 0, "Only sessions at this job", 0},
    {"of-token", KEY_OF_TOKEN, "ID", 0,
	"Only sessions of this token: its id, or a name that only one has", 0},
    {"address", KEY_ADDRESS, "RANGE", 0,
	"Only sessions of clients there, such as 192.0.2.1 or 10.0.0.0/8", 0},
    {"state", KEY_STATE, "STATE", 0,
	"Only sessions in this state [possible values: waiting, connecting, awaiting, relaying, "
	"tunnel]",
	0},
    {0},
};

static const struct argp_option kill_options[] = {
    {"job", KEY_JOB, "ID", 0, "End all sessions at this job", 0},
    {"of-token", KEY_OF_TOKEN, "ID", 0,
	"End all sessions of this token: its id, or a name that only one has", 0},
    {"address", KEY_ADDRESS, "RANGE", 0,
	"End all sessions of clients there, such as 192.0.2.1 or 10.0.0.0/8", 0},
    {"yes", KEY_YES, NULL, 0, "Do not ask", 0},
    {0},
};

static const struct column columns[] = {
    {"Id", "id", "-"},
    {"Job", "job", "-"},
    {"Token", "shown_token", "-"},
    {"Client", "client", "-"},
    {"State", "state", "-"},
    {"Age", "shown_age", "-"},
    {"In", "shown_in", "-"},
    {"Out", "shown_out", "-"},
    {"Request", "shown_request", "-"},
    {0},
};

static bool
address_check(const struct options *options)
{
	struct ip_range range;

	if (options->address == NULL || jg_ip_range_parse(slice_of(options->address), &range))
		return true;
	fprintf(stderr,
	    "jobgate: invalid value '%s' for --address [an address such as 192.0.2.1, or a range "
	    "such as 10.0.0.0/8]\n",
	    options->address);
	return false;
}

bool
session_filters_check(const struct options *options)
{
	bool known = options->state == NULL;

	for (enum session_state state = 0; state < SESSION_STATE_COUNT && !known; state++)
		known = strcmp(options->state, jg_session_state_name(state)) == 0;
	if (!known)
		fprintf(stderr,
		    "jobgate: invalid value '%s' for --state [possible values: waiting, "
		    "connecting, awaiting, relaying, tunnel]\n",
		    options->state);
	return known && address_check(options);
}

static bool
list_check(struct options *options)
{
	return session_filters_check(options);
}

/* Add what the columns show. */
static void
adapt(json_t *item)
{
	const char *name = json_string_value(json_object_get(item, "token_name"));
	const char *id = json_string_value(json_object_get(item, "token_id"));
	const char *method = json_string_value(json_object_get(item, "method"));
	const char *path = json_string_value(json_object_get(item, "path"));
	char text[AMOUNT_MAX];

	amount_duration(json_number_value(json_object_get(item, "age_s")), text);
	json_object_set_new(item, "shown_age", json_string(text));
	amount_bytes(json_number_value(json_object_get(item, "bytes_in")), text);
	json_object_set_new(item, "shown_in", json_string(text));
	amount_bytes(json_number_value(json_object_get(item, "bytes_out")), text);
	json_object_set_new(item, "shown_out", json_string(text));
	json_object_set_new(item, "shown_token",
	    json_string(name != NULL ? name
			: id != NULL ? id
				     : ""));
	json_object_set_new(item, "shown_request",
	    json_sprintf("%s %s", method != NULL ? method : "", path != NULL ? path : ""));
}

char *
session_filters_add(struct command_context *context, char *path, int *result)
{
	const struct options *options = context->options;
	char *id;

	*result = CLI_OK;
	if (options->job != NULL)
		path = command_query(path, "job", options->job);
	if (options->address != NULL)
		path = command_query(path, "address", options->address);
	if (options->state != NULL)
		path = command_query(path, "state", options->state);
	if (options->of_token == NULL || path == NULL)
		return path;
	id = command_id(context, RECORD_TOKEN, options->of_token, result);
	if (id == NULL) {
		free(path);
		return NULL;
	}
	path = command_query(path, "token", id);
	free(id);
	return path;
}

static int
list_run(struct command_context *context)
{
	int result;
	char *path = session_filters_add(context, strdup("/v1/sessions?limit=1000"), &result);

	if (result == CLI_OK)
		result = command_list_as(context, path, columns, adapt);
	free(path);
	return result;
}

static bool
kill_check(struct options *options)
{
	int filters =
	    (options->job != NULL) + (options->of_token != NULL) + (options->address != NULL);

	if (filters + (options->arg_count > 0) != 1) {
		fputs("jobgate: give ids of sessions, or one of --job, --of-token and --address\n",
		    stderr);
		return false;
	}
	return address_check(options);
}

static int
kill_one(struct command_context *context, const char *id)
{
	char *path = client_path("/v1/sessions/", id, "");
	struct answer answer;
	int result = CLI_REFUSED;

	if (command_confirm(context, "End session", id, id))
		result = command_call(context, "DELETE", path, NULL, &answer);
	else
		answer = (struct answer){0};
	if (result == CLI_OK && context->printer.output == OUTPUT_DESCRIPTION)
		result =
		    command_written(fprintf(context->printer.out, "Ended session %s\n", id) > 0);
	answer_clear(&answer);
	free(path);
	return result;
}

static int
kill_filtered(struct command_context *context)
{
	const struct options *options = context->options;
	const char *what = options->job != NULL	       ? "End all sessions at job"
			   : options->of_token != NULL ? "End all sessions of token"
						       : "End all sessions of clients at";
	const char *word = options->job != NULL	       ? options->job
			   : options->of_token != NULL ? options->of_token
						       : options->address;
	struct answer answer = {0};
	json_int_t count;
	char *path;
	int result;

	if (!command_confirm(context, what, word, word))
		return CLI_REFUSED;
	path = session_filters_add(context, strdup("/v1/sessions?"), &result);
	if (result == CLI_OK)
		result = command_call(context, "DELETE", path, NULL, &answer);
	count = json_integer_value(json_object_get(answer.body, "cut_sessions"));
	if (result == CLI_OK && context->printer.output == OUTPUT_DESCRIPTION)
		result = command_written(
		    fprintf(context->printer.out, "Ended %" JSON_INTEGER_FORMAT " session%s\n",
			count, count == 1 ? "" : "s") > 0);
	else if (result == CLI_OK)
		result = command_written(present_record(&context->printer, answer.body, columns));
	answer_clear(&answer);
	free(path);
	return result;
}

static int
kill_run(struct command_context *context)
{
	const struct options *options = context->options;
	int worst = CLI_OK;

	if (options->arg_count == 0)
		return kill_filtered(context);
	for (size_t i = 0; i < options->arg_count; i++) {
		int result = kill_one(context, options->args[i]);

		if (result > worst)
			worst = result;
	}
	return worst;
}

const struct command session_commands[SESSION_COMMANDS] = {
    {"session", "list",
	{"jobgate session list", "[OPTIONS]",
	    "List the requests and tunnels that run now, the youngest first", NULL, NULL, 0, 0,
	    false, list_options},
	list_check, list_run},
    {"session", "kill",
	{"jobgate session kill", "[OPTIONS] [<ID>...]",
	    "End sessions at once; access is not revoked, so clients may come again", "<ID>...",
	    "Ids of the sessions", 0, (size_t)-1, false, kill_options},
	kill_check, kill_run},
};
