/* options_test.c - command lines, and the help made from the same tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "auth/cli/command.h"

#define ARGS_MAX 16

/* argv as main gets it: writable. */
static char text[1024];
static char *argv[ARGS_MAX];

static int
arguments(const char *line)
{
	int count = 0;

	snprintf(text, sizeof(text), "%s", line);
	for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " "))
		argv[count++] = word;
	argv[count] = NULL;
	return count;
}

static bool
parse(const struct command *command, const char *line, struct options *out)
{
	return options_parse(&command->syntax, arguments(line), argv, out);
}

/* The seed's own line: the name first, options after it. */
static void
seed_line(void **state)
{
	struct options options;

	(void)state;
	assert_true(parse(&token_commands[0],
	    "create basetoken --label-selector model=base --role operator", &options));
	assert_int_equal(options.arg_count, 1);
	assert_string_equal(options.args[0], "basetoken");
	assert_string_equal(options.role, "operator");
	assert_int_equal(options.label_count, 1);
	assert_string_equal(options.labels[0], "model=base");
	assert_true(token_commands[0].check(&options));
	options_wipe(&options);
}

static void
common_options(void **state)
{
	struct options options;

	(void)state;
	assert_true(parse(
	    &token_commands[1], "list -o yaml --no-color --url=unix:/x --app-token=abc", &options));
	assert_int_equal(options.output, OUTPUT_YAML);
	assert_true(options.no_color);
	assert_string_equal(options.control_url, "unix:/x");
	assert_string_equal(options.token, "abc");
	options_wipe(&options);
	/* In a job's commands --url is the job's. */
	assert_true(
	    parse(&job_commands[0], "create --url http://a --control-url http://b", &options));
	assert_string_equal(options.fields[JOB_FIELD_URL], "http://a");
	assert_string_equal(options.control_url, "http://b");
	options_wipe(&options);
	assert_true(parse(&job_commands[4], "set -l a=b -l c=d --remove-label e -- -j", &options));
	assert_int_equal(options.label_count, 2);
	assert_int_equal(options.removed_count, 1);
	assert_string_equal(options.args[0], "-j");
	options_wipe(&options);
}

/* "" removes a field, but only where a record is changed. */
static void
empty_fields(void **state)
{
	static const struct argp_option own[] = {
	    {"lease", KEY_FIELD + JOB_FIELD_LEASE, "SECONDS", 0, "Lease", 0}, {0}};
	struct command command = {
	    .syntax = {.words = "jobgate job", .options = own, .kind = RECORD_JOB}};
	struct options options;

	(void)state;
	command.syntax.fields = USE_PATCH;
	assert_true(parse(&command, "set --lease=", &options));
	assert_string_equal(options.fields[JOB_FIELD_LEASE], "");
	assert_true(options.patches);
	assert_false(parse(&command, "set --lease=86401", &options));
	command.syntax.fields = USE_CREATE;
	assert_false(parse(&command, "create --lease=", &options));
	assert_true(parse(&command, "create --lease=86400", &options));
}

static void
environment(void **state)
{
	struct options options;

	(void)state;
	setenv("JOBGATE_URL", "unix:/env", 1);
	setenv("JOBGATE_TOKEN", "envtoken", 1);
	assert_true(parse(&token_commands[1], "list", &options));
	assert_string_equal(options.control_url, "unix:/env");
	assert_string_equal(options.token, "envtoken");
	options_wipe(&options);
	assert_string_equal(getenv("JOBGATE_TOKEN"), ""); /* wiped where /proc shows it */
	setenv("JOBGATE_TOKEN", "envtoken", 1);
	assert_true(parse(&token_commands[1], "list --url unix:/line --token linetoken", &options));
	assert_string_equal(options.control_url, "unix:/line");
	assert_string_equal(options.token, "linetoken");
	options_wipe(&options);
	assert_string_equal(getenv("JOBGATE_TOKEN"), "");
	unsetenv("JOBGATE_URL");
	unsetenv("JOBGATE_TOKEN");
}

/* What `ps` would show afterwards. */
static void
secrets_leave_argv(void **state)
{
	struct options options;
	int count = arguments("authorize --job j --value jgt_secret --token=jgt_other");

	(void)state;
	assert_true(options_parse(&authorize_command.syntax, count, argv, &options));
	assert_string_equal(options.value, "jgt_secret");
	assert_string_equal(options.token, "jgt_other");
	for (int i = 0; i < count; i++) {
		assert_null(strstr(argv[i], "jgt_"));
	}
	options_wipe(&options);
}

static void
mistakes(void **state)
{
	static const struct {
		const struct command *command;
		const char *line;
	} cases[] = {
	    {&token_commands[0], "create --role read"},
	    {&token_commands[0], "create --role read a b"},
	    {&token_commands[0], "create --rolle read a"},
	    {&token_commands[0], "create a --role"},
	    {&token_commands[1], "list -o xml"},
	    {&token_commands[1], "list --yes"},
	    {&token_commands[1], "list extra"},
	    {&token_commands[3], "delete"},
	    {&job_commands[0], "create --role read"},
	};
	struct options options;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_false(parse(cases[i].command, cases[i].line, &options));
		options_wipe(&options);
	}
}

static void
checks(void **state)
{
	static const struct {
		const struct command *command;
		const char *line;
	} cases[] = {
	    {&token_commands[0], "create a"},
	    {&token_commands[0], "create a --role admin"},
	    {&token_commands[0], "create a --role read -l model"},
	    {&token_commands[0], "create a --role read -l a=b -l a=c"},
	    {&job_commands[0], "create -l =b"},
	    {&job_commands[0], "create -l a=b -l a=b"},
	    {&job_commands[4], "set j"},
	    {&authorize_command, "authorize"},
	};
	struct options options;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(parse(cases[i].command, cases[i].line, &options));
		assert_false(cases[i].command->check(&options));
		options_wipe(&options);
	}
}

static void
help(void **state)
{
	static const char *const lines[] = {
	    "\nUsage: jobgate token create [OPTIONS] --role <ROLE> <NAME>\n",
	    "\nArguments:\n  <NAME>  Token's name\n",
	    "\nOptions:\n  -r, --role <ROLE>                  Operator role gives all access",
	    "\n      --token <TOKEN>                Authentication using",
	    "\n  -l, --label-selector <name=value>  Only jobs with this label's name and value",
	    "\n  -o, --output <OUTPUT>              Command output format [possible values: json, "
	    "yaml, "
	    "description]\n",
	    "\n      --no-color                     Remove colors from output\n",
	    "\n  -h, --help                         Print help\n",
	};
	struct options options;
	char *shown = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&shown, &len);

	(void)state;
	assert_true(
	    parse(&token_commands[0], "create --help", &options)); /* no name is needed for it */
	assert_true(options.help);
	options_help(&token_commands[0].syntax, out);
	fclose(out);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_non_null(strstr(shown, lines[i]));
	free(shown);
	options_wipe(&options);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(seed_line),
	    cmocka_unit_test(common_options),
	    cmocka_unit_test(empty_fields),
	    cmocka_unit_test(environment),
	    cmocka_unit_test(secrets_leave_argv),
	    cmocka_unit_test(mistakes),
	    cmocka_unit_test(checks),
	    cmocka_unit_test(help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
