/* options.h - the command line, parsed: one struct for all commands, one table of options for each.
 */
#ifndef JOBGATE_CLI_OPTIONS_H
#define JOBGATE_CLI_OPTIONS_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "auth/record_fields.h"

enum output { OUTPUT_DESCRIPTION, OUTPUT_JSON, OUTPUT_YAML };

/* What was asked for. Text points into argv or the environment; secrets are copies, wiped by
 * options_wipe. */
struct options {
	enum output output;
	bool no_color, yes, help;
	const char *control_url; /* NULL: the default Unix socket */
	char *token;		 /* to authenticate with; may be NULL */
	const char *role;
	const char *labels[JOB_LABELS_MAX]; /* name=value, in the order given */
	size_t label_count;
	const char *removed[JOB_LABELS_MAX]; /* names */
	size_t removed_count;
	enum record_kind kind;
	const char *fields[RECORD_FIELDS_MOST]; /* of a record of this kind; NULL: not given */
	bool patches;				/* an empty one removes the field */
	const char *job;
	const char *host; /* under which the gateway reaches this machine */
	uint64_t port;	  /* 0: not given */
	const char *name; /* of tokens to list */
	char **command;	  /* job run: what follows "--", NULL at the end; else NULL */
	char *value;	  /* of the token to explain; may be NULL: read it from standard input */
	char **args;	  /* what is no option */
	size_t arg_count;
};

/* Keys of the options; those of one letter are the letter. */
enum option_key {
	KEY_HELP = 'h',
	KEY_OUTPUT = 'o',
	KEY_ROLE = 'r',
	KEY_LABEL = 'l',
	KEY_YES = 'y',
	KEY_TOKEN = 0x100,
	KEY_TOKEN_FILE,
	KEY_NO_COLOR,
	KEY_CONTROL_URL,
	KEY_JOB,
	KEY_VALUE,
	KEY_REMOVE_LABEL,
	KEY_PORT,
	KEY_HOST,
	KEY_NAME,
	KEY_FIELD = 0x200, /* and the index of a field of records of the command's kind */
};

#define OPTIONS_MAX (24 + RECORD_FIELDS_MOST) /* of one command, the common ones included */

/* How one command's line looks. */
struct syntax {
	const char *words;    /* "jobgate token create" */
	const char *usage;    /* what follows on the usage line */
	const char *summary;  /* one line, without a full stop */
	const char *argument; /* "<NAME>", or NULL when it takes none */
	const char *argument_doc;
	size_t args_min, args_max;
	bool command;			   /* "-- COMMAND..." follows */
	const struct argp_option *options; /* its own, ended by {0}; NULL: none */
	enum record_kind kind;		   /* of the record that it makes or changes, */
	unsigned fields;		   /* whose fields of these uses have options, too */
};

/* Say on standard error where help is. */
void options_advise(const struct syntax *syntax);

/*
 * Parse argv, of which argv[0] is replaced by syntax->words, into *out, taking
 * what is missing from the environment (JOBGATE_URL, JOBGATE_TOKEN). Secrets are wiped
 * in both. False on an error, which standard error then shows. Call options_wipe
 * either way.
 */
bool options_parse(const struct syntax *syntax, int argc, char **argv, struct options *out);
void options_wipe(struct options *options);

/* Print usage, arguments and options in aligned columns. */
void options_help(const struct syntax *syntax, FILE *out);

/*
 * Read a secret of one line: from the file, or from standard input for "-"
 * (asked for without echo when that is a terminal). NULL after telling why on
 * standard error. The caller wipes and frees it (secret_free).
 */
char *secret_read(const char *file, const char *prompt);
void secret_free(char *secret);

#endif
