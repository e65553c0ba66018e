/* token.c - jobgate token create, list, get, set, delete, renew, revoke. */
#include "auth/cli/command.h"
#include "auth/cli/fields.h"

#include <stdlib.h>
#include <string.h>

#include "auth/moment.h"
#include "jobgate/clock.h"
#include "jobgate/token.h"

static const struct argp_option create_options[] = {
    {"role", KEY_ROLE, "ROLE", 0,
	"Operator role gives all access, read role only allows access to the services of jobs "
	"[possible values: read, operator]",
	0},
    {"label-selector", KEY_LABEL, "name=value", 0,
	"Only jobs with this label's name and value will be accessible using this token "
	"(several: all must match)",
	0},
    {"expires-in", KEY_EXPIRES_IN, "DURATION", 0,
	"Refuse the token after this time, such as 12h or 30d [default: it does not expire]", 0},
    {"expires-at", KEY_EXPIRES_AT, "TIME", 0,
	"Refuse the token from this time on, such as 2026-01-31T12:00:00Z", 0},
    {0},
};

static const struct argp_option list_options[] = {
    {"name", KEY_NAME, "NAME", 0, "Only tokens of exactly this name", 0},
    {"role", KEY_ROLE, "ROLE", 0, "Only tokens of this role [possible values: read, operator]", 0},
    {"created-by", KEY_CREATED_BY, "ID", 0,
	"Only tokens that this operator's token created; local: made at the gateway's socket", 0},
    {"unused-for", KEY_UNUSED_FOR, "DURATION", 0,
	"Only tokens that exist for this time, such as 90d, and were not used in it", 0},
    {"expires-before", KEY_EXPIRES_BEFORE, "TIME", 0,
	"Only tokens that expire before this time, such as 2026-01-31T12:00:00Z", 0},
    {0},
};

static const struct argp_option delete_options[] = {
    {"cascade", KEY_CASCADE, NULL, 0,
	"Also delete the tokens that it created, and all that these created; never jobs", 0},
    {"yes", KEY_YES, NULL, 0, "Do not ask", 0},
    {0},
};

static const struct argp_option renew_options[] = {
    {"grace", KEY_GRACE, "DURATION", 0,
	"Accept the old value, too, for this time, such as 10m [default: it stops working at once]",
	0},
    {"expires-in", KEY_EXPIRES_IN, "DURATION", 0,
	"Refuse the token after this time, such as 12h or 30d [default: as before]", 0},
    {"expires-at", KEY_EXPIRES_AT, "TIME", 0,
	"Refuse the token from this time on, such as 2026-01-31T12:00:00Z; never: it does not "
	"expire",
	0},
    {"yes", KEY_YES, NULL, 0, "Do not ask", 0},
    {0},
};

static const struct argp_option set_options[] = {
    {"expires-in", KEY_EXPIRES_IN, "DURATION", 0,
	"Refuse the token after this time, such as 12h or 30d [default: as before]", 0},
    {"expires-at", KEY_EXPIRES_AT, "TIME", 0,
	"Refuse the token from this time on, such as 2026-01-31T12:00:00Z; never: it does not "
	"expire",
	0},
    {0},
};

static const struct argp_option revoke_options[] = {
    {"value", KEY_VALUE, "VALUE", 0,
	"Value of the token; without it, or with -, it is read from standard input", 0},
    {0},
};

/* The public URL of a job that the selector matches, for the example; NULL when there is none. */
static char *
example_url(struct command_context *context, const char *selector)
{
	char path[2048] = "/v1/jobs?limit=1";
	char *query = NULL, *url = NULL;
	struct answer answer = {0};
	struct label labels[SELECTOR_LABELS_MAX];
	size_t count = 0, bad, len = strlen(path);

	if (selector != NULL)
		jg_selector_parse(slice_of(selector), labels, &count, &bad);
	for (size_t i = 0; i < count && len < sizeof(path); i++) {
		char text[LABEL_NAME_MAX + LABEL_VALUE_MAX + 2];

		snprintf(text, sizeof(text), "%.*s=%.*s", (int)labels[i].name.len,
		    labels[i].name.at, (int)labels[i].value.len, labels[i].value.at);
		query = client_path("&label=", text, "");
		if (query != NULL)
			len += (size_t)snprintf(path + len, sizeof(path) - len, "%s", query);
		free(query);
	}
	if (len < sizeof(path) && client_call(context->client, "GET", path, NULL, &answer))
		url = present_text(
		    json_array_get(json_object_get(answer.body, "items"), 0), "job_url");
	answer_clear(&answer);
	return url;
}

/* Show a token with its value, which the server sends only this once, and how to use it. */
static int
show_value(struct command_context *context, const char *method, const char *path,
    const json_t *body, bool is_new)
{
	const struct printer *printer = &context->printer;
	struct answer answer;
	const char *value, *selector;
	char *url;
	int result = command_call(context, method, path, body, &answer);

	if (result != CLI_OK)
		return result;
	result = command_written(fields_present(printer, answer.body, RECORD_TOKEN));
	value = json_string_value(json_object_get(answer.body, "value"));
	selector = json_string_value(json_object_get(answer.body, "label_selector"));
	if (is_new && selector != NULL && selector[0] == '\0')
		fputs("jobgate: the token has no label selector, so it reaches all jobs; to limit "
		      "a token, create it with --label-selector name=value\n",
		    stderr);
	if (result == CLI_OK && printer->output == OUTPUT_DESCRIPTION && value != NULL) {
		url = example_url(context, selector);
		fprintf(printer->out,
		    "\nKeep the token now: it is shown only this once. Use it with\n\n");
		fprintf(printer->out, "  curl -H 'Authorization: Bearer %s' %s\n", value,
		    url != NULL ? url : "\"$JOB_URL\"");
		result = command_written(fflush(printer->out) == 0);
		free(url);
	}
	answer_clear(&answer);
	return result;
}

/*
 * Join the label selectors, each of which may have several labels, into one. NULL when memory is
 * short.
 */
static char *
joined_selector(const struct options *options)
{
	size_t len = 1;
	char *text;

	for (size_t i = 0; i < options->label_count; i++)
		len += strlen(options->labels[i]) + 1;
	text = calloc(1, len);
	for (size_t i = 0; text != NULL && i < options->label_count; i++) {
		if (i > 0)
			strcat(text, ",");
		strcat(text, options->labels[i]);
	}
	return text;
}

/* Check --expires-in and --expires-at; false after printing what is wrong. */
static bool
expiry_check(struct options *options)
{
	uint64_t ms;

	if (options->expires_at == NULL)
		return true;
	if (options->expires_in_s != 0) {
		fputs("jobgate: --expires-in and --expires-at exclude each other\n", stderr);
		return false;
	}
	if (strcmp(options->expires_at, "never") == 0 ||
	    moment_parse(slice_of(options->expires_at), &ms))
		return true;
	fprintf(stderr,
	    "jobgate: invalid value '%s' for --expires-at [a time in UTC such as "
	    "2026-01-31T12:00:00Z, or never]\n",
	    options->expires_at);
	return false;
}

/* Put the expiry into a body, if one is given. */
static bool
expiry_add(const struct options *options, json_t *body)
{
	char moment[MOMENT_TEXT_MAX];

	if (options->expires_in_s != 0) {
		moment_format(
		    (clock_ms(CLOCK_REALTIME) / 1000 + options->expires_in_s) * 1000, moment);
		return json_object_set_new(body, "expires_at", json_string(moment)) == 0;
	}
	if (options->expires_at == NULL)
		return true;
	return json_object_set_new(body, "expires_at",
		   strcmp(options->expires_at, "never") == 0
		       ? json_null()
		       : json_string(options->expires_at)) == 0;
}

static bool
create_check(struct options *options)
{
	struct label labels[SELECTOR_LABELS_MAX];
	enum token_role role;
	enum label_error error;
	size_t count, bad;
	char *selector;

	if (!expiry_check(options))
		return false;
	if (options->role == NULL) {
		fputs("jobgate: --role <ROLE> is missing\n", stderr);
		return false;
	}
	if (!jg_role_parse(slice_of(options->role), &role)) {
		fprintf(stderr,
		    "jobgate: invalid value '%s' for --role [possible values: read, operator]\n",
		    options->role);
		return false;
	}
	selector = joined_selector(options);
	if (selector == NULL)
		return false;
	error = jg_selector_parse(slice_of(selector), labels, &count, &bad);
	if (error != LABEL_OK)
		fprintf(stderr, "jobgate: invalid label selector '%s': %s\n", selector,
		    jg_label_error_text(error));
	free(selector);
	return error == LABEL_OK;
}

static int
create_run(struct command_context *context)
{
	const struct options *options = context->options;
	char *selector = joined_selector(options);
	json_t *body = json_pack("{s:s, s:s, s:s}", "name", options->args[0], "role", options->role,
	    "label_selector", selector != NULL ? selector : "");
	int result = CLI_REFUSED;

	if (selector == NULL || body == NULL)
		fputs("jobgate: the name is not UTF-8 text\n", stderr);
	else if (fields_body(options, body) && expiry_add(options, body))
		result = show_value(context, "POST", "/v1/tokens", body, true);
	json_decref(body);
	free(selector);
	return result;
}

static bool
list_check(struct options *options)
{
	uint64_t ms;

	if (options->expires_before == NULL || moment_parse(slice_of(options->expires_before), &ms))
		return true;
	fprintf(stderr,
	    "jobgate: invalid value '%s' for --expires-before [a time in UTC such as "
	    "2026-01-31T12:00:00Z]\n",
	    options->expires_before);
	return false;
}

static int
list_run(struct command_context *context)
{
	const struct options *options = context->options;
	char *path = strdup("/v1/tokens?limit=1000");
	char since[MOMENT_TEXT_MAX];
	int result;

	if (options->name != NULL)
		path = command_query(path, "name", options->name);
	if (options->role != NULL)
		path = command_query(path, "role", options->role);
	if (options->created_by != NULL)
		path = command_query(path, "created_by", options->created_by);
	if (options->unused_for_s != 0) {
		moment_format(
		    (clock_ms(CLOCK_REALTIME) / 1000 - options->unused_for_s) * 1000, since);
		path = command_query(path, "unused_since", since);
	}
	if (options->expires_before != NULL)
		path = command_query(path, "expires_before", options->expires_before);
	result = command_list(context, path, RECORD_TOKEN);
	free(path);
	return result;
}

static int
get_run(struct command_context *context)
{
	return command_get(context, RECORD_TOKEN);
}

static int
delete_run(struct command_context *context)
{
	return command_delete(context, RECORD_TOKEN);
}

/* The body of a renewal; NULL when memory is short. */
static json_t *
renewal(const struct options *options)
{
	json_t *body = json_object();
	bool ok = body != NULL && fields_body(options, body) && expiry_add(options, body);

	if (ok && options->grace_s != 0)
		ok = json_object_set_new(
			 body, "grace", json_integer((json_int_t)options->grace_s)) == 0;
	if (ok)
		return body;
	json_decref(body);
	return NULL;
}

static int
renew_token(struct command_context *context, const char *id)
{
	const struct options *options = context->options;
	const char *question = options->grace_s != 0
				   ? "The current value stops working after the grace. Renew token"
				   : "The current value stops working at once. Renew token";
	json_t *body;
	char *path;
	int result = CLI_REFUSED;

	if (!command_confirm_token(context, question, options->args[0], id))
		return CLI_REFUSED;
	body = renewal(options);
	path = client_path("/v1/tokens/", id, "/renew");
	if (body != NULL) /* an older gateway takes no body */
		result = show_value(
		    context, "POST", path, json_object_size(body) > 0 ? body : NULL, false);
	json_decref(body);
	free(path);
	return command_tell_id(options->args[0], id, result);
}

static int
renew_run(struct command_context *context)
{
	int result;
	char *id = command_id(context, RECORD_TOKEN, context->options->args[0], &result);

	if (id != NULL)
		result = renew_token(context, id);
	free(id);
	return result;
}

static bool
set_check(struct options *options)
{
	if (options->expires_at != NULL || options->expires_in_s != 0 || fields_given(options))
		return expiry_check(options);
	fputs("jobgate: nothing to change: give --expires-in, --expires-at, --from, --rate, "
	      "--burst or --concurrency\n",
	    stderr);
	return false;
}

static int
set_run(struct command_context *context)
{
	const struct options *options = context->options;
	const char *word = options->args[0];
	int result;
	char *id = command_id(context, RECORD_TOKEN, word, &result);
	json_t *body = id != NULL ? renewal(options) : NULL;
	char *path = id != NULL ? client_path("/v1/tokens/", id, "") : NULL;

	if (id != NULL)
		result = body != NULL ? command_show(context, "PATCH", path, body, RECORD_TOKEN)
				      : CLI_REFUSED;
	if (id != NULL)
		command_tell_id(word, id, result);
	free(path);
	json_decref(body);
	free(id);
	return result;
}

/* Possession of the value is the permission, so no other token is sent. */
static bool
revoke_check(struct options *options)
{
	secret_free(options->token);
	options->token = NULL;
	if (options->value == NULL)
		options->value = secret_read("-", "Token to revoke: ");
	return options->value != NULL;
}

static int
revoke_run(struct command_context *context)
{
	json_t *body = json_pack("{s:s}", "value", context->options->value);
	struct answer answer = {0};
	int result = CLI_REFUSED;

	if (body == NULL)
		fputs("jobgate: the value must be UTF-8 text\n", stderr);
	else
		result = command_call(context, "POST", "/v1/tokens/revoke", body, &answer);
	answer_clear(&answer);
	json_decref(body);
	return result;
}

const struct command token_commands[TOKEN_COMMANDS] = {
    {"token", "create",
	{"jobgate token create", "[OPTIONS] --role <ROLE> <NAME>", "Create an application token",
	    "<NAME>", "Token's name", 1, 1, false, create_options, RECORD_TOKEN, USE_CREATE},
	create_check, create_run},
    {"token", "list",
	{"jobgate token list", "[OPTIONS]", "List the tokens", NULL, NULL, 0, 0, false,
	    list_options},
	list_check, list_run},
    {"token", "get",
	{"jobgate token get", "[OPTIONS] <ID>", "Show a token", "<ID>",
	    "Id of the token, or a name that only one has", 1, 1, false, NULL},
	NULL, get_run},
    {"token", "set",
	{"jobgate token set", "[OPTIONS] <ID>",
	    "Change what limits a token; its value, name, role and label selector stay", "<ID>",
	    "Id of the token, or a name that only one has", 1, 1, false, set_options, RECORD_TOKEN,
	    USE_PATCH},
	set_check, set_run},
    {"token", "delete",
	{"jobgate token delete", "[OPTIONS] <ID>...", "Delete tokens: they stop working at once",
	    "<ID>...", "Ids of the tokens, or names that only one has", 1, (size_t)-1, false,
	    delete_options},
	NULL, delete_run},
    {"token", "renew",
	{"jobgate token renew", "[OPTIONS] <ID>",
	    "Give a token a new value, keeping its name, role and label selector", "<ID>",
	    "Id of the token, or a name that only one has", 1, 1, false, renew_options,
	    RECORD_TOKEN, USE_PATCH},
	expiry_check, renew_run},
    {"token", "revoke",
	{"jobgate token revoke", "[OPTIONS]",
	    "Delete the token that has a value, such as one that leaked: it needs no other token",
	    NULL, NULL, 0, 0, false, revoke_options},
	revoke_check, revoke_run},
};
