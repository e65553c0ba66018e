/* suggest.h - which name a mistyped word may mean. */
#ifndef JOBGATE_SUGGEST_H
#define JOBGATE_SUGGEST_H

#include <stddef.h>

/*
 * The name that is nearest to the word: the one that begins with it, or differs from it in at most
 * two letters (one, for words of up to three) that are missing, added, wrong or exchanged with
 * their neighbour. A word of one letter is no beginning. NULL when none is near. The result is one
 * of names.
 */
const char *suggest(const char *word, const char *const *names, size_t count);

/*
 * After getopt_long has refused a word: print on standard error which of the options ("--config")
 * it may mean, if there is one. options is getopt_long's table.
 */
struct option;
void suggest_option(const char *word, const struct option *options);

#endif
