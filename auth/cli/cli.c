/* cli.c - finds the command that argv names, and runs it. */
#include "auth/cli/cli.h"

#include <string.h>

#include "auth/cli/command.h"

/* All commands that begin with one noun. */
struct group {
	const char *noun, *summary;
	const struct command *commands;
	size_t count;
};

static const struct group groups[] = {
    {"token", "Create, list, change, renew and delete application tokens", token_commands,
	TOKEN_COMMANDS},
    {"job", "Register jobs, their labels and URLs", job_commands, JOB_COMMANDS},
    {"session", "List what runs now, and end it", session_commands, SESSION_COMMANDS},
    {"top", "Show what runs now, live", &top_command, 1},
    {"authorize", "Explain what the gateway would decide", &authorize_command, 1},
};

static bool
is_help(const char *word)
{
	return strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "help") == 0;
}

static void
all_help(FILE *out)
{
	fputs("An authorizing reverse proxy in front of the URLs of machine-learning jobs\n\n"
	      "Usage: jobgate <COMMAND>\n\n"
	      "Commands:\n"
	      "  serve      Run the gateway\n"
	      "  check      Validate a configuration\n"
	      "  store      Check, export and import a whole store: verify, export, import, mint\n",
	    out);
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		fprintf(out, "  %-9s  %s\n", groups[i].noun, groups[i].summary);
	fputs(
	    "\nOptions:\n"
	    "  -h, --help     Print help\n"
	    "      --version  Print the version\n\n"
	    "Exit status: 0 done, 1 refused or not found, 2 wrong usage, 3 server out of reach.\n",
	    out);
}

static void
group_help(const struct group *group, FILE *out)
{
	fprintf(
	    out, "%s\n\nUsage: jobgate %s <COMMAND>\n\nCommands:\n", group->summary, group->noun);
	for (size_t i = 0; i < group->count; i++)
		fprintf(out, "  %-6s  %s\n", group->commands[i].verb,
		    group->commands[i].syntax.summary);
	fputs("\nOptions:\n  -h, --help  Print help\n", out);
}

static int
run(const struct command *command, int argc, char **argv)
{
	struct command_context context = {0};
	struct options options;
	int result = CLI_USAGE;

	if (!options_parse(&command->syntax, argc, argv, &options))
		goto done;
	if (options.help) {
		options_help(&command->syntax, stdout);
		result = CLI_OK;
		goto done;
	}
	if (command->check != NULL && !command->check(&options)) {
		options_advise(&command->syntax);
		goto done;
	}
	context.options = &options;
	context.printer = printer_for(stdout, &options);
	context.client = client_new(options.control_url, options.token);
	if (context.client != NULL)
		result = command->run(&context);
done:
	client_free(context.client);
	options_wipe(&options);
	return result;
}

static int
run_group(const struct group *group, int argc, char **argv)
{
	if (group->commands[0].verb == NULL)
		return run(group->commands, argc - 1, argv + 1);
	if (argc < 3) {
		group_help(group, stderr);
		return CLI_USAGE;
	}
	if (is_help(argv[2])) {
		group_help(group, stdout);
		return CLI_OK;
	}
	for (size_t i = 0; i < group->count; i++)
		if (strcmp(group->commands[i].verb, argv[2]) == 0)
			return run(&group->commands[i], argc - 2, argv + 2);
	fprintf(stderr, "jobgate: '%s %s' is not a command. Try 'jobgate %s --help'.\n", argv[1],
	    argv[2], argv[1]);
	return CLI_USAGE;
}

int
cli_main(int argc, char **argv)
{
	if (argc < 2) {
		all_help(stderr);
		return CLI_USAGE;
	}
	if (is_help(argv[1])) {
		all_help(stdout);
		return CLI_OK;
	}
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (strcmp(groups[i].noun, argv[1]) == 0)
			return run_group(&groups[i], argc, argv);
	fprintf(stderr, "jobgate: '%s' is not a command. Try 'jobgate --help'.\n", argv[1]);
	return CLI_USAGE;
}
