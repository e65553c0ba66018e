/* option_table.c - the options of each command in one table, and its help. */
#include "auth/cli/option_table.h"

#include <assert.h>
#include <string.h>

#include "auth/suggest.h"

/* Each command has these options after its own. */
static const struct argp_option common_options[] = {
    {"token", KEY_TOKEN, "TOKEN", 0, "Authentication using an operator token [env: JOBGATE_TOKEN]",
	0},
    {"app-token", KEY_TOKEN, "TOKEN", 0, "The same as --token", 0},
    {"token-file", KEY_TOKEN_FILE, "FILE", 0,
	"Read the token from a file, or from standard input with -", 0},
    {"control-url", KEY_CONTROL_URL, "URL", 0,
	"Control API, unix:/path or http(s)://host[:port] [env: JOBGATE_URL]", 0},
    {"output", KEY_OUTPUT, "OUTPUT", 0,
	"Command output format [possible values: json, yaml, description]", 0},
    {"no-color", KEY_NO_COLOR, NULL, 0, "Remove colors from output", 0},
    {"help", KEY_HELP, NULL, 0, "Print help", 0},
    {"version", KEY_VERSION, NULL, 0, "Print the version", 0},
    {0},
};

/* If a command has no --url of a job, --url is the control API. */
static const struct argp_option url_option = {
    "url", KEY_CONTROL_URL, "URL", 0, "The same as --control-url", 0};

static bool
has_option(const struct argp_option *all, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(all[i].name, name) == 0)
			return true;
	return false;
}

static const char *
help_of(const struct record_field *field, unsigned uses)
{
	if (field->option == NULL || (field->uses & uses) == 0)
		return NULL;
	return uses == USE_PATCH ? field->change_help : field->help;
}

/*
 * Add the options for fields of the command's record, except those that the command's own table
 * has.
 */
static size_t
collect_fields(const struct syntax *syntax, struct argp_option all[OPTIONS_MAX], size_t count)
{
	const struct record_fields *fields = &record_fields[syntax->kind];

	for (size_t i = 0; i < fields->count; i++) {
		const struct record_field *field = &fields->rows[i];
		const char *help = help_of(field, syntax->fields);

		if (help != NULL && !has_option(all, count, field->name))
			all[count++] = (struct argp_option){
			    field->name, KEY_FIELD + (int)i, field->option, 0, help, 0};
	}
	return count;
}

void
option_table(const struct syntax *syntax, struct argp_option all[OPTIONS_MAX])
{
	size_t count = 0;
	bool has_url;

	for (const struct argp_option *own = syntax->options; own != NULL && own->name != NULL;
	     own++)
		all[count++] = *own;
	count = collect_fields(syntax, all, count);
	has_url = has_option(all, count, "url");
	for (const struct argp_option *common = common_options; common->name != NULL; common++) {
		all[count++] = *common;
		if (common->key == KEY_CONTROL_URL && !has_url)
			all[count++] = url_option;
	}
	assert(count < OPTIONS_MAX);
	all[count] = (struct argp_option){0};
}

/*
 * The option that a word names, such as "--url=x", "-o" or "-ojson"; NULL when there is none. The
 * parser also takes the beginning of a name.
 */
static const struct argp_option *
find(const struct argp_option *all, const char *word)
{
	const struct argp_option *beginning = NULL;
	size_t len = strcspn(word + 2, "=");

	for (const struct argp_option *option = all; option->name != NULL; option++) {
		if (word[1] != '-') {
			if (option->key == word[1])
				return option;
		} else if (len > 0 && strncmp(option->name, word + 2, len) == 0) {
			if (option->name[len] == '\0')
				return option;
			beginning = option;
		}
	}
	return beginning;
}

bool
option_takes_value(const struct syntax *syntax, const char *word)
{
	struct argp_option all[OPTIONS_MAX];
	const struct argp_option *option;

	if (strlen(word) < 2 || (word[1] == '-' && strchr(word, '=') != NULL) ||
	    (word[1] != '-' && word[2] != '\0'))
		return false; /* the value is in the same word */
	option_table(syntax, all);
	option = find(all, word);
	return option != NULL && option->arg != NULL;
}

void
option_advise(const struct syntax *syntax, int argc, char **argv)
{
	struct argp_option all[OPTIONS_MAX];
	const char *names[OPTIONS_MAX];
	size_t count = 0;

	option_table(syntax, all);
	for (; all[count].name != NULL; count++)
		names[count] = all[count].name;
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		const char *word = argv[i], *meant;
		char name[64];

		if (strncmp(word, "--", 2) != 0 || find(all, word) != NULL)
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(word + 2, "="), word + 2);
		meant = suggest(name, names, count);
		if (meant != NULL)
			fprintf(stderr, "Did you mean '--%s'?\n", meant);
		return;
	}
}

/* Write "-r, --role <ROLE>" to line; returns its length. */
static int
option_left(const struct argp_option *option, char *line, size_t cap)
{
	bool letter = option->key > ' ' && option->key < 0x7f;
	char first[5] = "    ";

	if (letter)
		snprintf(first, sizeof(first), "-%c, ", option->key);
	if (option->arg != NULL)
		return snprintf(line, cap, "%s--%s <%s>", first, option->name, option->arg);
	return snprintf(line, cap, "%s--%s", first, option->name);
}

void
options_help(const struct syntax *syntax, FILE *out)
{
	struct argp_option all[OPTIONS_MAX];
	char line[128];
	int width = 0;

	option_table(syntax, all);
	fprintf(out, "%s\n\nUsage: %s %s\n", syntax->summary, syntax->words, syntax->usage);
	if (syntax->argument != NULL)
		fprintf(out, "\nArguments:\n  %s  %s\n", syntax->argument, syntax->argument_doc);
	for (const struct argp_option *option = all; option->name != NULL; option++) {
		int len = option_left(option, line, sizeof(line));
		if (len > width)
			width = len;
	}
	fprintf(out, "\nOptions:\n");
	for (const struct argp_option *option = all; option->name != NULL; option++) {
		option_left(option, line, sizeof(line));
		fprintf(out, "  %-*s  %s\n", width, line, option->doc);
	}
}
