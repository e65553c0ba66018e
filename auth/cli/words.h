/* words.h - brings the words of a command line into the order in which commands parse them. */
#ifndef JOBGATE_CLI_WORDS_H
#define JOBGATE_CLI_WORDS_H

#include <stdbool.h>

/* What the words of a command line mean, for words_arrange. */
struct words_meaning {
	int (*command_words)(const char *first); /* how many words a command has: 1 or 2 */
	bool (*takes_value)(const char *option); /* the next word is the value of this option */
};

/*
 * A new array of the same words, NULL-ended: the command first, then the options that came before
 * it, then the rest. "help" before or within the command becomes "--help" behind it. *argc changes
 * with it. The caller frees the array, not the words. NULL when memory is short.
 */
char **words_arrange(int *argc, char **argv, const struct words_meaning *meaning);

#endif
