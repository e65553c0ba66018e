/* command.h - what every command is made of. */
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
	/* Options that cannot work, before anything is sent; may be NULL. False after telling why.
	 */
	bool (*check)(struct options *options);
	int (*run)(struct command_context *context); /* returns an enum cli_exit */
};

#define TOKEN_COMMANDS 5
#define JOB_COMMANDS 6
extern const struct command token_commands[TOKEN_COMMANDS];
extern const struct command job_commands[JOB_COMMANDS];
extern const struct command authorize_command;

/* Send and expect success: CLI_OK with *answer, else the exit status, told on standard error. */
int command_call(struct command_context *context, const char *method, const char *path,
    const json_t *body, struct answer *answer);

/* As command_call, then present the answer's record. */
int command_show(struct command_context *context, const char *method, const char *path,
    const json_t *body, enum record_kind kind);

/* Get all pages of a list, path being the first page's with its query, and present them as one. */
int command_list(struct command_context *context, const char *path, enum record_kind kind);

/*
 * Ask "<question> [y/N] " when standard input is a terminal; yes without asking
 * with --yes or without a terminal.
 */
bool command_confirm(const struct command_context *context, const char *question, const char *id);

/* DELETE each of the arguments, asking first. */
int command_delete(struct command_context *context, enum record_kind kind);

/* The labels of -l as a JSON object, or NULL after telling which one is wrong. */
json_t *command_labels(const struct options *options);

/* True when each -l is name=value, and none twice; else tells which one is wrong. */
bool command_labels_check(struct options *options);

/* job run (run.c): start a command as a job. */
int run_run(struct command_context *context);
bool run_check(struct options *options);
extern const struct argp_option run_options[];

/* path (malloc, which it takes) with "&name=value" behind it, encoded; NULL when memory is short.
 */
char *command_query(char *path, const char *name, const char *value);

/* Report output that could not be written: CLI_OK or CLI_REFUSED. */
int command_written(bool ok);

#endif
