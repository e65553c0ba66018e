/* input_error.c - what is wrong with a body or a query, in plain ASCII. */
#include "auth/control/input_error.h"

#include <stdarg.h>
#include <stdio.h>

/* Keep only plain ASCII: a letter in UTF-8 may have been cut, and JSON could not hold it. */
static void
make_plain(char *text)
{
	for (; *text != '\0'; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

bool
input_wrong(struct input_error *error, const char *field, const char *detail, ...)
{
	va_list args;

	error->memory_short = false;
	snprintf(error->field, sizeof(error->field), "%s", field);
	make_plain(error->field);
	va_start(args, detail);
	vsnprintf(error->detail, sizeof(error->detail), detail, args);
	make_plain(error->detail);
	va_end(args);
	return false;
}
