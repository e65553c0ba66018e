/* job.c - jobgate job create, list, get, who, set, delete; run is in run.c. */
#include "auth/cli/command.h"
#include "auth/cli/fields.h"
#include "auth/cli/ports.h"

#include <stdlib.h>
#include <string.h>

#include "auth/moment.h"
#include "jobgate/clock.h"

static const struct argp_option create_options[] = {
    {"label", KEY_LABEL, "name=value", 0, "Label of the job; may be repeated", 0},
    {"port", KEY_PORT, "PORT=URL", 0,
	"A further port, and where it leads: 9000=grpc://127.0.0.1:9000; may be repeated", 0},
    {0},
};

static const struct argp_option list_options[] = {
    {"label", KEY_LABEL, "name=value", 0, "Only jobs with this label; may be repeated", 0},
    {"idle-for", KEY_IDLE_FOR, "DURATION", 0,
	"Only jobs older than this, such as 1h, with no request begun in it and none that runs now",
	0},
    {0},
};

static const struct argp_option set_options[] = {
    {"label", KEY_LABEL, "name=value", 0, "Add or change a label; may be repeated", 0},
    {"remove-label", KEY_REMOVE_LABEL, "name", 0, "Remove a label; may be repeated", 0},
    {"port", KEY_PORT, "PORT=URL", 0,
	"Add or change a further port; PORT= removes it; may be repeated", 0},
    {0},
};

static const struct argp_option delete_options[] = {
    {"yes", KEY_YES, NULL, 0, "Do not ask", 0},
    {0},
};

static bool
create_check(struct options *options)
{
	if (options->arg_count > 0) {
		if (options->fields[JOB_FIELD_ID] != NULL) {
			fputs("jobgate: <ID> and --id mean the same: give one of them\n", stderr);
			return false;
		}
		options->fields[JOB_FIELD_ID] = options->args[0];
	}
	return command_labels_check(options) && ports_check(options, PORTS_WITH_URL);
}

static int
create_run(struct command_context *context)
{
	const struct options *options = context->options;
	json_t *body = json_object();
	int result = CLI_REFUSED;

	json_object_set_new(body, "labels", command_labels(options));
	ports_body(options, NULL, body);
	if (fields_body(options, body))
		result = command_show(context, "POST", "/v1/jobs", body, RECORD_JOB);
	json_decref(body);
	return result;
}

static int
list_run(struct command_context *context)
{
	const struct options *options = context->options;
	char *path = strdup("/v1/jobs?limit=1000");
	char since[MOMENT_TEXT_MAX];
	int result;

	for (size_t i = 0; i < options->label_count; i++)
		path = command_query(path, "label", options->labels[i]);
	if (options->idle_for_s != 0) {
		moment_format(
		    (clock_ms(CLOCK_REALTIME) / 1000 - options->idle_for_s) * 1000, since);
		path = command_query(path, "idle_since", since);
	}
	result = command_list(context, path, RECORD_JOB);
	free(path);
	return result;
}

static int
get_run(struct command_context *context)
{
	return command_get(context, RECORD_JOB);
}

/* The tokens whose label selector reaches the job. */
static int
who_run(struct command_context *context)
{
	char *path = client_path("/v1/jobs/", context->options->args[0], "/tokens?limit=1000");
	int result = command_list(context, path, RECORD_TOKEN);

	free(path);
	return result;
}

static bool
set_check(struct options *options)
{
	if (options->label_count == 0 && options->removed_count == 0 && options->port_count == 0 &&
	    !fields_given(options)) {
		fputs("jobgate: nothing to change: give --url, --port, --label or --remove-label\n",
		    stderr);
		return false;
	}
	return command_labels_check(options) && ports_check(options, PORTS_CHANGED);
}

static int
set_run(struct command_context *context)
{
	const struct options *options = context->options;
	json_t *body = json_object(), *labels = command_labels(options);
	char *path = client_path("/v1/jobs/", options->args[0], "");
	int result = CLI_REFUSED;

	/*
	 * JSON merge patch (RFC 7396): null removes a member, and members that are not named stay.
	 */
	for (size_t i = 0; i < options->removed_count; i++)
		json_object_set_new(labels, options->removed[i], json_null());
	if (json_object_size(labels) > 0)
		json_object_set(body, "labels", labels);
	ports_body(options, NULL, body);
	if (fields_body(options, body))
		result = command_show(context, "PATCH", path, body, RECORD_JOB);
	json_decref(labels);
	json_decref(body);
	free(path);
	return result;
}

static int
delete_run(struct command_context *context)
{
	return command_delete(context, RECORD_JOB);
}

const struct command job_commands[JOB_COMMANDS] = {
    {"job", "create",
	{"jobgate job create", "[OPTIONS] [ID]", "Register a job", "<ID>",
	    "Job's id, the same as --id [default: a new UUID]", 0, 1, false, create_options,
	    RECORD_JOB, USE_CREATE},
	create_check, create_run},
    {"job", "list",
	{"jobgate job list", "[OPTIONS]", "List the jobs", NULL, NULL, 0, 0, false, list_options},
	command_labels_check, list_run},
    {"job", "get",
	{"jobgate job get", "[OPTIONS] <ID>", "Show a job", "<ID>", "Job's id", 1, 1, false, NULL},
	NULL, get_run},
    {"job", "who",
	{"jobgate job who", "[OPTIONS] <ID>", "List the tokens that reach a job", "<ID>",
	    "Job's id", 1, 1, false, NULL},
	NULL, who_run},
    {"job", "set",
	{"jobgate job set", "[OPTIONS] <ID>", "Change a job's URL, ports or labels", "<ID>",
	    "Job's id", 1, 1, false, set_options, RECORD_JOB, USE_PATCH},
	set_check, set_run},
    {"job", "delete",
	{"jobgate job delete", "[OPTIONS] <ID>...", "Delete jobs; their running requests are cut",
	    "<ID>...", "Ids of the jobs", 1, (size_t)-1, false, delete_options},
	NULL, delete_run},
    {"job", "run",
	{"jobgate job run", "[OPTIONS] [IMAGE] -- <COMMAND>...",
	    "Start a command on this machine as a job", "<COMMAND>...",
	    "What to run: PORT in its environment and {port} in its arguments are the port to "
	    "listen on; an IMAGE is not used",
	    0, 1, true, run_options, RECORD_JOB, 0},
	run_check, run_run},
};
