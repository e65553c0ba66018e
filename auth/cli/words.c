/* words.c - options before the command, and "help" as a word. */
#include "auth/cli/words.h"

#include <stdlib.h>
#include <string.h>

static char help_option[] = "--help";

struct arranged {
	char **words;	 /* the result; its command grows from the front */
	size_t commands; /* words of the command so far */
	char **held;	 /* options that came before the command was complete */
	size_t held_count;
	bool help;
};

static bool
is_option(const char *word)
{
	return word[0] == '-' && word[1] != '\0' && strcmp(word, "--") != 0;
}

/* Take words until the command is complete; returns the index of the next one. */
static int
take_command(struct arranged *out, int argc, char **argv, const struct words_meaning *meaning)
{
	size_t wanted = 1;
	int i = 1;

	for (; i < argc && out->commands < wanted && strcmp(argv[i], "--") != 0; i++) {
		if (is_option(argv[i])) {
			out->held[out->held_count++] = argv[i];
			if (meaning->takes_value(argv[i]) && i + 1 < argc)
				out->held[out->held_count++] = argv[++i];
		} else if (strcmp(argv[i], "help") == 0) {
			out->help = true;
		} else {
			if (out->commands == 0)
				wanted = (size_t)meaning->command_words(argv[i]);
			out->words[++out->commands] = argv[i];
		}
	}
	return i;
}

char **
words_arrange(int *argc, char **argv, const struct words_meaning *meaning)
{
	size_t room = (size_t)*argc + 2; /* --help and the NULL */
	struct arranged out = {
	    .words = calloc(room, sizeof(char *)), .held = calloc(room, sizeof(char *))};
	size_t count;
	int next;

	if (out.words == NULL || out.held == NULL) {
		free(out.words);
		free(out.held);
		return NULL;
	}
	out.words[0] = argv[0];
	next = take_command(&out, *argc, argv, meaning);
	count = 1 + out.commands;
	if (out.help)
		out.words[count++] = help_option;
	for (size_t i = 0; i < out.held_count; i++)
		out.words[count++] = out.held[i];
	while (next < *argc)
		out.words[count++] = argv[next++];
	free(out.held);
	*argc = (int)count;
	return out.words;
}
