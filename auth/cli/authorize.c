/* authorize.c - jobgate authorize: explains what the gateway would decide, and why. */
#include "auth/cli/command.h"
#include "auth/cli/ports.h"

static const struct argp_option authorize_options[] = {
    {"job", KEY_JOB, "ID", 0, "Job that the request is for", 0},
    {"port", KEY_PORT, "N", 0, "One of the ports that the job has besides its URL", 0},
    {"value", KEY_VALUE, "VALUE", 0,
	"Token to judge; without it, or with -, it is read from standard input", 0},
    {0},
};

static const struct column verdict_columns[] = {
    {"Verdict", "verdict", "-"},
    {"Status", "status", "-"},
    {"Reason", "reason", "-"},
    {0},
};

static bool
authorize_check(struct options *options)
{
	if (options->job == NULL) {
		fputs("jobgate: --job <ID> is missing\n", stderr);
		return false;
	}
	if (!ports_check(options, PORTS_ASKED))
		return false;
	if (options->value == NULL)
		options->value = secret_read("-", "Token to judge: ");
	return options->value != NULL;
}

static int
authorize_run(struct command_context *context)
{
	const struct options *options = context->options;
	json_t *body = json_pack("{s:s, s:s}", "token", options->value, "job", options->job);
	unsigned port = ports_own(options);
	struct answer answer = {0};
	int result = CLI_REFUSED;

	if (body == NULL)
		fputs("jobgate: token and job must be UTF-8 text\n", stderr);
	else if (port == 0 || json_object_set_new(body, "port", json_integer(port)) == 0)
		result = command_call(context, "POST", "/v1/authorize", body, &answer);
	if (result == CLI_OK)
		result = command_written(
		    present_record(&context->printer, answer.body, verdict_columns));
	if (result == CLI_OK && !json_is_true(json_object_get(answer.body, "allowed")))
		result = CLI_REFUSED;
	answer_clear(&answer);
	json_decref(body);
	return result;
}

const struct command authorize_command = {"authorize", NULL,
    {"jobgate authorize", "[OPTIONS] --job <ID>",
	"Explain what the gateway would decide about a token and a job", NULL, NULL, 0, 0, false,
	authorize_options},
    authorize_check, authorize_run};
