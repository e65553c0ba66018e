/* option_table.h - all options of a command, for the parser, the help, and what a mistyped one may
 * mean.
 */
#ifndef JOBGATE_CLI_OPTION_TABLE_H
#define JOBGATE_CLI_OPTION_TABLE_H

#include "auth/cli/options.h"

/* All options of a command, in the order of the help, ended by {0}. */
void option_table(const struct syntax *syntax, struct argp_option all[OPTIONS_MAX]);

/* True when the command has this option ("-o", "--output"), and the next word is its value. */
bool option_takes_value(const struct syntax *syntax, const char *word);

/*
 * After the parser has refused a command line: print the option that the first unknown one may
 * mean, if there is one.
 */
void option_advise(const struct syntax *syntax, int argc, char **argv);

#endif
