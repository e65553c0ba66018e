/* cli.c - finds the command that argv names, and runs it. */
#include "auth/cli/cli.h"

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "auth/cli/command.h"
#include "auth/cli/option_table.h"
#include "auth/cli/words.h"
#include "auth/parse_memory.h"
#include "auth/suggest.h"

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
    {"console", "Serve the console on this machine, for a browser", &console_command, 1},
    {"authorize", "Explain what the gateway would decide", &authorize_command, 1},
};

#define GROUPS (sizeof(groups) / sizeof(groups[0]))
#define VERBS_MAX 16

/* The commands that are not this room's. */
static const char *const others[] = {"serve", "check", "store", "help"};
#define OTHERS (sizeof(others) / sizeof(others[0]))

static bool
is_help(const char *word)
{
	return strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0;
}

bool
cli_is_version(const char *word)
{
	return strcmp(word, "-V") == 0 || strcmp(word, "--version") == 0;
}

int
cli_print_version(void)
{
	puts("jobgate " JOBGATE_VERSION);
	return fflush(stdout) == 0 ? CLI_OK : CLI_REFUSED;
}

static const struct group *
find_group(const char *noun)
{
	for (size_t i = 0; i < GROUPS; i++)
		if (strcmp(groups[i].noun, noun) == 0)
			return &groups[i];
	return NULL;
}

static int
command_words_of(const char *first)
{
	const struct group *group = find_group(first);

	return group != NULL && group->commands[0].verb != NULL ? 2 : 1;
}

/* Of options before the command it is not known yet whose they are. */
static bool
takes_value(const char *word)
{
	static const char *const of_others[] = {
	    "-c", "--config", "--store", "--prefix", "--ca-file"};

	for (size_t i = 0; i < sizeof(of_others) / sizeof(of_others[0]); i++)
		if (strcmp(of_others[i], word) == 0)
			return true;
	for (size_t i = 0; i < GROUPS; i++)
		for (size_t j = 0; j < groups[i].count; j++)
			if (option_takes_value(&groups[i].commands[j].syntax, word))
				return true;
	return false;
}

char **
cli_words(int *argc, char **argv)
{
	static const struct words_meaning meaning = {command_words_of, takes_value};

	return words_arrange(argc, argv, &meaning);
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
	for (size_t i = 0; i < GROUPS; i++)
		fprintf(out, "  %-9s  %s\n", groups[i].noun, groups[i].summary);
	fputs(
	    "\nOptions:\n"
	    "  -h, --help     Print help\n"
	    "  -V, --version  Print the version\n\n"
	    "'jobgate help <COMMAND>' prints the help of a command.\n"
	    "Exit status: 0 done, 1 refused or not found, 2 wrong usage, 3 server out of reach.\n",
	    out);
}

static bool
has_verb(const struct group *group, const char *verb)
{
	for (size_t i = 0; i < group->count; i++)
		if (strcmp(group->commands[i].verb, verb) == 0)
			return true;
	return false;
}

static void
group_help(const struct group *group, FILE *out)
{
	fprintf(
	    out, "%s\n\nUsage: jobgate %s <COMMAND>\n\nCommands:\n", group->summary, group->noun);
	for (size_t i = 0; i < group->count; i++)
		fprintf(out, "  %-6s  %s\n", group->commands[i].verb,
		    group->commands[i].syntax.summary);
	fprintf(out,
	    "\nOptions:\n"
	    "  -h, --help     Print help\n"
	    "  -V, --version  Print the version\n\n"
	    "'ls' means 'list'%s.\n",
	    has_verb(group, "delete") ? ", 'rm' means 'delete'" : "");
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
	if (options.version) {
		result = cli_print_version();
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

/* Another word for a verb of this group; or the word itself. */
static const char *
verb_of(const char *word)
{
	if (strcmp(word, "ls") == 0)
		return "list";
	return strcmp(word, "rm") == 0 ? "delete" : word;
}

/* Say that there is no such command, and what it may mean. noun is "", or "token " and the like. */
static int
refuse_command(const char *noun, const char *word, const char *const *names, size_t count)
{
	const char *meant = suggest(word, names, count);

	fprintf(stderr, "jobgate: '%s%s' is not a command. ", noun, word);
	if (meant != NULL)
		fprintf(stderr, "Did you mean '%s%s'? ", noun, meant);
	fprintf(stderr, "Try 'jobgate %s--help'.\n", noun);
	return CLI_USAGE;
}

static int
refuse_verb(const struct group *group, const char *word)
{
	const char *names[VERBS_MAX];
	char noun[32];

	for (size_t i = 0; i < group->count; i++)
		names[i] = group->commands[i].verb;
	snprintf(noun, sizeof(noun), "%s ", group->noun);
	return refuse_command(noun, word, names, group->count);
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
	if (cli_is_version(argv[2]))
		return cli_print_version();
	for (size_t i = 0; i < group->count; i++)
		if (strcmp(group->commands[i].verb, verb_of(argv[2])) == 0)
			return run(&group->commands[i], argc - 2, argv + 2);
	if (argv[2][0] == '-') {
		fprintf(stderr, "jobgate: '%s' needs a command\n", group->noun);
		group_help(group, stderr);
		return CLI_USAGE;
	}
	return refuse_verb(group, argv[2]);
}

static int
refuse_noun(const char *word)
{
	const char *names[GROUPS + OTHERS];

	if (word[0] == '-') {
		fputs("jobgate: a command is missing\n", stderr);
		all_help(stderr);
		return CLI_USAGE;
	}
	memcpy(names, others, sizeof(others));
	for (size_t i = 0; i < GROUPS; i++)
		names[OTHERS + i] = groups[i].noun;
	return refuse_command("", word, names, GROUPS + OTHERS);
}

int
cli_main(int argc, char **argv)
{
	const struct group *group;

	json_set_alloc_funcs(parse_alloc, parse_free);
	if (argc < 2) {
		all_help(stderr);
		return CLI_USAGE;
	}
	if (is_help(argv[1])) {
		all_help(stdout);
		return CLI_OK;
	}
	if (cli_is_version(argv[1]))
		return cli_print_version();
	group = find_group(argv[1]);
	return group != NULL ? run_group(group, argc, argv) : refuse_noun(argv[1]);
}
