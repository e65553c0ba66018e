/* options.h - parses the command line: one struct for all commands, one table of options for each.
 */
#ifndef JOBGATE_CLI_OPTIONS_H
#define JOBGATE_CLI_OPTIONS_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "auth/record_fields.h"

enum output { OUTPUT_DESCRIPTION, OUTPUT_JSON, OUTPUT_YAML };

/*
 * The parsed command line. Text points into argv or the environment; secrets are copies, which
 * options_wipe wipes.
 */
struct options {
	enum output output;
	bool no_color, yes, help, version, cascade;
	const char *control_url; /* NULL: the default Unix socket */
	char *token;		 /* the caller's own token; may be NULL */
	const char *role;
	const char *labels[JOB_LABELS_MAX]; /* name=value, in the order given */
	size_t label_count;
	const char *removed[JOB_LABELS_MAX]; /* names */
	size_t removed_count;
	enum record_kind kind;
	const char *fields[RECORD_FIELDS_MOST]; /* values of fields of this kind; NULL: not given */
	char urls[JOB_URL_MAX + 1];		/* several values of --url, joined */
	bool patches;				/* an empty value removes the field */
	const char *expires_at;			/* as given; NULL: not given */
	uint64_t expires_in_s;			/* 0: not given */
	uint64_t grace_s;			/* 0: not given */
	const char *job;
	const char *host; /* where the gateway reaches this machine */
	const char
	    *ports[JOB_PORTS_MAX + 1]; /* as given; `job run` has one that is the job's own */
	size_t port_count;
	const char *created_by;	    /* of the tokens to list */
	uint64_t unused_for_s;	    /* the same; 0: not given */
	uint64_t idle_for_s;	    /* the same */
	const char *expires_before; /* the same; NULL: not given */
	const char *name;	    /* the name of the tokens to list */
	const char *of_token;	    /* id or name of the token whose sessions are meant */
	const char *address;	    /* of clients */
	const char *state;	    /* of sessions */
	const char *sort;	    /* of the screen of top */
	uint64_t interval_s;	    /* between two looks; 0: not given */
	char **command;		    /* job run: what follows "--", NULL at the end; else NULL */
	char *value;		    /* the token to explain; NULL: read it from standard input */
	char **args;		    /* the arguments that are not options */
	size_t arg_count;
};

/* Keys of the options. A key below 0x100 is also the short option. */
enum option_key {
	KEY_HELP = 'h',
	KEY_VERSION = 'V',
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
	KEY_EXPIRES_AT,
	KEY_EXPIRES_IN,
	KEY_GRACE,
	KEY_CASCADE,
	KEY_CREATED_BY,
	KEY_UNUSED_FOR,
	KEY_IDLE_FOR,
	KEY_EXPIRES_BEFORE,
	KEY_OF_TOKEN,
	KEY_ADDRESS,
	KEY_STATE,
	KEY_SORT,
	KEY_INTERVAL,
	KEY_FIELD = 0x200, /* plus the index of a field of the command's kind of record */
};

#define UNUSED_MAX_S 315360000 /* ten years */
#define INTERVAL_MAX_S 86400

#define OPTIONS_MAX (24 + RECORD_FIELDS_MOST) /* of one command, with the common ones */

/* The syntax of one command. */
struct syntax {
	const char *words;    /* "jobgate token create" */
	const char *usage;    /* what follows on the usage line */
	const char *summary;  /* one line, without a full stop */
	const char *argument; /* "<NAME>", NULL: it takes none */
	const char *argument_doc;
	size_t args_min, args_max;
	bool command;			   /* "-- COMMAND..." follows */
	const struct argp_option *options; /* its own, ended by {0}; NULL: none */
	enum record_kind kind;		   /* of the record that it creates or changes */
	unsigned fields;		   /* fields with one of these uses have options, too */
};

/* Print on standard error where to find help. */
void options_advise(const struct syntax *syntax);

/*
 * Parse argv into *out; messages name syntax->words instead of argv[0]. What is missing comes from
 * the environment (JOBGATE_URL, JOBGATE_TOKEN). Secrets are wiped in argv and the environment.
 * False after printing an error. Call options_wipe in any case.
 */
bool options_parse(const struct syntax *syntax, int argc, char **argv, struct options *out);
void options_wipe(struct options *options);

/* Print usage, arguments and options in aligned columns. */
void options_help(const struct syntax *syntax, FILE *out);

/*
 * Read a secret of one line from the file, or from standard input for "-". If that is a terminal,
 * prompt is shown and echo is off. NULL after printing why. The caller passes it to secret_free,
 * which wipes and frees it.
 */
char *secret_read(const char *file, const char *prompt);
void secret_free(char *secret);

#endif
