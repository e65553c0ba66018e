/* command.h - what a command consists of, and functions that commands share. */
#ifndef JOBGATE_CLI_COMMAND_H
#define JOBGATE_CLI_COMMAND_H

#include "auth/cli/cli.h"
#include "auth/cli/client.h"
#include "auth/cli/options.h"
#include "auth/cli/present.h"
#include "auth/record.h"

/* What a running command is given. */
struct command_context {
	struct client *client;
	const struct options *options;
	struct printer printer;
};

struct command {
	const char *noun, *verb; /* "token", "create"; verb NULL where there is only one */
	struct syntax syntax;
	/*
	 * Checks options before anything is sent; may be NULL. False after printing what is wrong.
	 */
	bool (*check)(struct options *options);
	int (*run)(struct command_context *context); /* returns an enum cli_exit */
};

#define TOKEN_COMMANDS 7
#define JOB_COMMANDS 7
extern const struct command token_commands[TOKEN_COMMANDS];
extern const struct command job_commands[JOB_COMMANDS];
#define SESSION_COMMANDS 2
extern const struct command session_commands[SESSION_COMMANDS];
extern const struct command authorize_command, console_command, top_command;

/*
 * Send a request that should succeed: CLI_OK with *answer, else the exit status after printing why.
 */
int command_call(struct command_context *context, const char *method, const char *path,
    const json_t *body, struct answer *answer);

/* The same, then present the answer's record. */
int command_show(struct command_context *context, const char *method, const char *path,
    const json_t *body, enum record_kind kind);

/*
 * Get all pages of a list and present them as one list. path is that of the first page, with its
 * query.
 */
int command_list(struct command_context *context, const char *path, enum record_kind kind);

/*
 * The same with these columns. adapt (may be NULL) adds to each item what the columns show; it is
 * not called for JSON and YAML.
 */
int command_list_as(struct command_context *context, const char *path, const struct column *columns,
    void (*adapt)(json_t *item));

/*
 * Ask "<question> <word> (<id>)? [y/N] ", without the parentheses where both are the same. True for
 * yes; also, without asking, with --yes or when standard input is not a terminal.
 */
bool command_confirm(
    const struct command_context *context, const char *question, const char *word, const char *id);

/*
 * The same for a token, whose name is read if the word is its id: a question shows both.
 */
bool command_confirm_token(
    struct command_context *context, const char *question, const char *word, const char *id);

/*
 * The id of the record that an argument of a command names: by its id or, for a token, by a name
 * that only one token has. The caller frees it. NULL after printing why there is none; then *result
 * is the exit status.
 */
char *command_id(
    struct command_context *context, enum record_kind kind, const char *word, int *result);

/*
 * If a call with this id has failed, print the id that the word, a name, stood for: the name may
 * find another token later, or none. Returns result.
 */
int command_tell_id(const char *word, const char *id, int result);

/* Get one page of a list; it is tried again while the server makes too many lists (429). */
int command_page(struct command_context *context, const char *path, struct answer *answer);

/* Show the record that the first argument names. */
int command_get(struct command_context *context, enum record_kind kind);

/* Delete each record named by the arguments, after asking. */
int command_delete(struct command_context *context, enum record_kind kind);

/* The labels of -l as a JSON object, or NULL after printing which one is wrong. */
json_t *command_labels(const struct options *options);

/* True when each -l is name=value and no name comes twice; else prints which one is wrong. */
bool command_labels_check(struct options *options);

/* job run (run.c): start a command as a job. */
int run_run(struct command_context *context);
bool run_check(struct options *options);
extern const struct argp_option run_options[];

/*
 * Append "&name=value" (after a "?", "name=value"), encoded, to path, which it frees. The caller
 * frees the result; NULL when memory is short.
 */
char *command_query(char *path, const char *name, const char *value);

/* CLI_OK, or CLI_REFUSED after printing that the output could not be written. */
int command_written(bool ok);

#endif
