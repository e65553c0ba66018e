/* cli.h - the client of the control API: `jobgate token ...`, `jobgate job ...`, `jobgate
 * session ...`, `jobgate top`, `jobgate authorize`.
 */
#ifndef JOBGATE_CLI_H
#define JOBGATE_CLI_H

#include <stdbool.h>

/* Exit statuses. They are documented for scripts, so the numbers never change. */
enum cli_exit {
	CLI_OK = 0,
	CLI_REFUSED = 1,     /* the server refused, or does not know the id */
	CLI_USAGE = 2,	     /* the command line is wrong; nothing was sent */
	CLI_UNREACHABLE = 3, /* no answer, or the server cannot reach its store (503) */
};

/*
 * The words of a command line in the order that cli_main, `serve`, `check` and `store` take: the
 * command first, although options or "help" may come before it. The caller frees the new array, not
 * the words. NULL when memory is short.
 */
char **cli_words(int *argc, char **argv);

/* True for -V and --version. */
bool cli_is_version(const char *word);

/* Print the version on standard output; returns an enum cli_exit. */
int cli_print_version(void);

/*
 * Run one command; argv is what cli_words returned ("jobgate", "token", "create", ...). Results go
 * to standard output, everything else to standard error. Without a command, or with -h, it prints
 * all commands, also `serve`, `check` and `store`. Values of --token, --app-token and --value are
 * wiped from argv, so that `ps` does not show them. Returns an enum cli_exit.
 */
int cli_main(int argc, char **argv);

#endif
