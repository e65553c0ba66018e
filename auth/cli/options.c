/* options.c - parses the command line with argp. */
#include "auth/cli/options.h"
#include "auth/cli/duration.h"
#include "auth/cli/option_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

/*
 * Copy a secret and wipe the original: other users see argv in `ps`, and processes of our own user,
 * such as a command of `job run`, see our environment in /proc.
 */
static bool
take_secret(char **to, char *arg)
{
	secret_free(*to);
	*to = strdup(arg);
	OPENSSL_cleanse(arg, strlen(arg));
	return *to != NULL;
}

static bool
add_text(const char *list[JOB_LABELS_MAX], size_t *count, const char *text)
{
	if (*count == JOB_LABELS_MAX) {
		fprintf(stderr, "jobgate: more than %d labels\n", JOB_LABELS_MAX);
		return false;
	}
	list[(*count)++] = text;
	return true;
}

static bool
add_port(struct options *options, const char *text)
{
	if (options->port_count == JOB_PORTS_MAX + 1) {
		fprintf(stderr, "jobgate: more than %d ports\n", JOB_PORTS_MAX);
		return false;
	}
	options->ports[options->port_count++] = text;
	return true;
}

static bool
parse_output(const char *text, enum output *out)
{
	static const char *const names[] = {"description", "json", "yaml"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(text, names[i]) == 0) {
			*out = (enum output)i;
			return true;
		}
	fprintf(stderr,
	    "jobgate: invalid value '%s' for --output [possible values: json, yaml, description]\n",
	    text);
	return false;
}

static bool
parse_number(const char *option, const char *text, uint64_t max, uint64_t *out)
{
	uint64_t number;

	if (!slice_to_number(slice_of(text), max, &number) || number == 0) {
		fprintf(stderr, "jobgate: invalid value '%s' for --%s [a number, 1 to %llu]\n",
		    text, option, (unsigned long long)max);
		return false;
	}
	*out = number;
	return true;
}

static bool
parse_duration(const char *option, const char *text, uint64_t max_s, uint64_t *out)
{
	if (duration_parse(slice_of(text), out) && *out <= max_s)
		return true;
	fprintf(stderr,
	    "jobgate: invalid value '%s' for --%s [a duration such as 90s, 10m, 12h, 30d or 2w, at "
	    "most %llud]\n",
	    text, option, (unsigned long long)max_s / 86400);
	return false;
}

/* One more URL of the job. */
static bool
add_url(struct options *options, size_t index, const char *url)
{
	char urls[sizeof(options->urls)];
	int len = snprintf(urls, sizeof(urls), "%s %s", options->fields[index], url);

	if (len < 0 || (size_t)len >= sizeof(urls)) {
		fprintf(stderr, "jobgate: the URLs of a job have at most %d bytes\n", JOB_URL_MAX);
		return false;
	}
	memcpy(options->urls, urls, (size_t)len + 1);
	options->fields[index] = options->urls;
	return true;
}

/* Take the value of a field of the record; false after printing what is wrong. */
static bool
set_field(struct options *options, size_t index, const char *text)
{
	const struct record_field *field = &record_fields[options->kind].rows[index];
	uint64_t number;

	if (field->form == AS_URL && options->fields[index] != NULL)
		return add_url(options, index, text);
	options->fields[index] = text;
	if (options->patches && text[0] == '\0')
		return true; /* the field is removed */
	return field->form != AS_NUMBER || parse_number(field->name, text, field->max, &number);
}

/* Take one option with its value; false after printing what is wrong. */
static bool
set_option(struct options *options, int key, char *arg)
{
	switch ((enum option_key)key) {
	case KEY_HELP:
		options->help = true;
		return true;
	case KEY_VERSION:
		options->version = true;
		return true;
	case KEY_OUTPUT:
		return parse_output(arg, &options->output);
	case KEY_ROLE:
		options->role = arg;
		return true;
	case KEY_LABEL:
		return add_text(options->labels, &options->label_count, arg);
	case KEY_REMOVE_LABEL:
		return add_text(options->removed, &options->removed_count, arg);
	case KEY_YES:
		options->yes = true;
		return true;
	case KEY_CREATED_BY:
		options->created_by = arg;
		return true;
	case KEY_UNUSED_FOR:
		return parse_duration("unused-for", arg, UNUSED_MAX_S, &options->unused_for_s);
	case KEY_IDLE_FOR:
		return parse_duration("idle-for", arg, UNUSED_MAX_S, &options->idle_for_s);
	case KEY_EXPIRES_BEFORE:
		options->expires_before = arg;
		return true;
	case KEY_OF_TOKEN:
		options->of_token = arg;
		return true;
	case KEY_ADDRESS:
		options->address = arg;
		return true;
	case KEY_STATE:
		options->state = arg;
		return true;
	case KEY_SORT:
		options->sort = arg;
		return true;
	case KEY_INTERVAL:
		return parse_duration("interval", arg, INTERVAL_MAX_S, &options->interval_s);
	case KEY_CASCADE:
		options->cascade = true;
		return true;
	case KEY_TOKEN:
		return take_secret(&options->token, arg);
	case KEY_TOKEN_FILE:
		secret_free(options->token);
		options->token = secret_read(arg, "Token: ");
		return options->token != NULL;
	case KEY_NO_COLOR:
		options->no_color = true;
		return true;
	case KEY_CONTROL_URL:
		options->control_url = arg;
		return true;
	case KEY_JOB:
		options->job = arg;
		return true;
	case KEY_PORT:
		return add_port(options, arg);
	case KEY_HOST:
		options->host = arg;
		return true;
	case KEY_NAME:
		options->name = arg;
		return true;
	case KEY_EXPIRES_AT:
		options->expires_at = arg;
		return true;
	case KEY_EXPIRES_IN:
		return parse_duration("expires-in", arg, DURATION_MAX_S, &options->expires_in_s);
	case KEY_GRACE:
		return parse_duration("grace", arg, GRACE_MAX_S, &options->grace_s);
	case KEY_VALUE:
		if (strcmp(arg, "-") == 0)
			return true; /* read from standard input when it is needed */
		return take_secret(&options->value, arg);
	case KEY_FIELD:
		break;
	}
	return false;
}

static error_t
parse_key(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		/*
		 * getopt reports unknown options; argp's own advice names --usage, which does not
		 * exist here.
		 */
		state->err_stream = NULL;
		return 0;
	case ARGP_KEY_ARG:
		return ARGP_ERR_UNKNOWN; /* makes argp pass all of them at once */
	case ARGP_KEY_ARGS:
		options->args = state->argv + state->next;
		options->arg_count = (size_t)(state->argc - state->next);
		return 0;
	case ARGP_KEY_NO_ARGS:
	case ARGP_KEY_END:
	case ARGP_KEY_SUCCESS:
	case ARGP_KEY_ERROR:
	case ARGP_KEY_FINI:
		return 0;
	default:
		if (key >= KEY_FIELD)
			return set_field(options, (size_t)(key - KEY_FIELD), arg) ? 0 : EINVAL;
		return set_option(options, key, arg) ? 0 : EINVAL;
	}
}

/* Cut "-- COMMAND..." off the command line; NULL when it is missing. */
static char **
split_command(int *argc, char **argv)
{
	for (int i = 1; i + 1 < *argc; i++)
		if (strcmp(argv[i], "--") == 0) {
			*argc = i;
			argv[i] = NULL;
			return argv + i + 1;
		}
	return NULL;
}

void
options_advise(const struct syntax *syntax)
{
	fprintf(stderr, "Try '%s --help'.\n", syntax->words);
}

bool
options_parse(const struct syntax *syntax, int argc, char **argv, struct options *out)
{
	struct argp_option all[OPTIONS_MAX];
	const struct argp argp = {.options = all, .parser = parse_key};
	char words[64];
	char *first = argv[0];
	const char *url;
	char *token;
	bool ok = false;

	*out = (struct options){.kind = syntax->kind, .patches = syntax->fields == USE_PATCH};
	option_table(syntax, all);
	snprintf(words, sizeof(words), "%s", syntax->words);
	argv[0] = words;
	if (syntax->command)
		out->command = split_command(&argc, argv);
	if (argp_parse(&argp, argc, argv, ARGP_NO_HELP | ARGP_NO_EXIT, NULL, out) != 0) {
		option_advise(syntax, argc, argv);
		goto done;
	}
	if (out->help || out->version) {
		ok = true;
		goto done;
	}
	if (syntax->command && out->command == NULL) {
		fputs("jobgate: -- <COMMAND>... is missing\n", stderr);
		goto done;
	}
	if (out->arg_count < syntax->args_min) {
		fprintf(stderr, "jobgate: %s is missing\n", syntax->argument);
		goto done;
	}
	if (out->arg_count > syntax->args_max) {
		fprintf(stderr, "jobgate: unexpected argument '%s'\n", out->args[syntax->args_max]);
		goto done;
	}
	/* An empty variable counts as not set. */
	url = getenv("JOBGATE_URL");
	if (out->control_url == NULL && url != NULL && url[0] != '\0')
		out->control_url = url;
	token = getenv("JOBGATE_TOKEN");
	if (token != NULL && token[0] != '\0' && out->token == NULL)
		take_secret(&out->token, token);
	else if (token != NULL)
		OPENSSL_cleanse(token, strlen(token));
	ok = true;
done:
	argv[0] = first;
	if (!ok)
		options_advise(syntax);
	return ok;
}

void
options_wipe(struct options *options)
{
	secret_free(options->token);
	secret_free(options->value);
	options->token = options->value = NULL;
}
