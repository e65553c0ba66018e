/* cli.h - the client of the control API: `jobgate token ...`, `jobgate job ...`, `jobgate
 * session ...`, `jobgate top`, `jobgate authorize`.
 */
#ifndef JOBGATE_CLI_H
#define JOBGATE_CLI_H

/* Exit statuses. They are documented for scripts, so the numbers never change. */
enum cli_exit {
	CLI_OK = 0,
	CLI_REFUSED = 1,     /* the server refused, or does not know the id */
	CLI_USAGE = 2,	     /* the command line is wrong; nothing was sent */
	CLI_UNREACHABLE = 3, /* no answer, or the server cannot reach its store (503) */
};

/*
 * Run one command; argv is the whole command line ("jobgate", "token", "create", ...). Results go
 * to standard output, everything else to standard error. Without a command, or with -h, it prints
 * all commands, also `serve`, `check` and `store`. Values of --token, --app-token and --value are
 * wiped from argv, so that `ps` does not show them. Returns an enum cli_exit.
 */
int cli_main(int argc, char **argv);

#endif
