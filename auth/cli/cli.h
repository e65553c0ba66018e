/* cli.h - the client of the control API: `jobgate token ...`, `jobgate job ...`, `jobgate
 * authorize`. */
#ifndef JOBGATE_CLI_H
#define JOBGATE_CLI_H

/* What a command ends with; documented for scripts, so the numbers never change. */
enum cli_exit {
	CLI_OK = 0,
	CLI_REFUSED = 1,     /* the server said no, or knows no such thing */
	CLI_USAGE = 2,	     /* the command line is wrong; nothing was sent */
	CLI_UNREACHABLE = 3, /* no answer, or the server cannot reach its store (503) */
};

/*
 * Run one command; argv is the whole command line ("jobgate", "token", "create",
 * ...). Results go to standard output, everything else to standard error.
 * Without a command, or with -h, it prints what there is, `serve`, `check` and
 * `store` included. Values of --token, --app-token and --value are wiped from argv, so that they do
 * not stay in `ps`. Returns an enum cli_exit.
 */
int cli_main(int argc, char **argv);

#endif
