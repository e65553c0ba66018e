/* json_text.c - JSON from text and back. */
#include "auth/cli/json_text.h"

#include <stdlib.h>

#include "auth/parse_memory.h"

struct parsing {
	const char *text;
	size_t len;
	json_t *value;
};

static void
parse(void *ctx)
{
	struct parsing *parsing = ctx;

	parsing->value = json_loadb(parsing->text, parsing->len, 0, NULL);
}

bool
json_text_read(const char *text, size_t len, json_t **out)
{
	struct parsing parsing = {.text = text, .len = len};
	bool good = len == 0 || parse_guarded(parse, &parsing);

	*out = good ? parsing.value : NULL;
	return good;
}

char *
json_text_write(const json_t *value, size_t flags)
{
	size_t len = value != NULL ? json_dumpb(value, NULL, 0, flags) : 0;
	char *text = len > 0 ? malloc(len + 1) : NULL;

	if (text == NULL || json_dumpb(value, text, len, flags) != len) {
		free(text);
		return NULL;
	}
	text[len] = '\0';
	return text;
}
