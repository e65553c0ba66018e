/* suggest.c - the edit distance of words. */
#include "auth/suggest.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#define LETTERS_MAX 32 /* longer words are near to nothing */

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Optimal string alignment distance (restricted Damerau-Levenshtein). */
static size_t
distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t rows[3][LETTERS_MAX + 1]; /* of the letter before the last one, the last, this */

	for (size_t j = 0; j <= b_len; j++)
		rows[1][j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		rows[2][0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t cost = a[i - 1] != b[j - 1];

			rows[2][j] =
			    least(least(rows[1][j] + 1, rows[2][j - 1] + 1), rows[1][j - 1] + cost);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				rows[2][j] = least(rows[2][j], rows[0][j - 2] + 1);
		}
		memmove(rows[0], rows[1], 2 * sizeof(rows[0]));
	}
	return rows[1][b_len];
}

const char *
suggest(const char *word, const char *const *names, size_t count)
{
	size_t len = strlen(word), best = len <= 3 ? 2 : 3; /* nearer than this */
	const char *found = NULL;

	if (len == 0 || len > LETTERS_MAX)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		size_t name_len = strlen(names[i]), far;

		if (name_len > LETTERS_MAX)
			continue;
		far = len > 1 && strncmp(names[i], word, len) == 0
			  ? 0
			  : distance(word, len, names[i], name_len);
		if (far < best && far < len) {
			best = far;
			found = names[i];
		}
	}
	return found;
}

#define OPTIONS_MAX 32

void
suggest_option(const char *word, const struct option *options)
{
	const char *names[OPTIONS_MAX], *meant;
	char name[LETTERS_MAX + 1];
	size_t count = 0;

	if (strncmp(word, "--", 2) != 0 || strcspn(word + 2, "=") > LETTERS_MAX)
		return;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word + 2, "="), word + 2);
	for (; count < OPTIONS_MAX && options[count].name != NULL; count++)
		names[count] = options[count].name;
	meant = suggest(name, names, count);
	if (meant != NULL)
		fprintf(stderr, "Did you mean '--%s'?\n", meant);
}
