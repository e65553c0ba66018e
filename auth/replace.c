/* replace.c - replaces a mark in text. */
#include "auth/replace.h"

#include <stdlib.h>

char *
jg_replace(const char *text, const char *mark, struct slice with)
{
	size_t mark_len = strlen(mark), text_len = strlen(text);
	char *made = malloc(text_len / mark_len * with.len + text_len + 1), *to = made;

	while (made != NULL && *text != '\0') {
		if (strncmp(text, mark, mark_len) != 0) {
			*to++ = *text++;
			continue;
		}
		memcpy(to, with.at, with.len);
		to += with.len;
		text += mark_len;
	}
	if (made != NULL)
		*to = '\0';
	return made;
}
