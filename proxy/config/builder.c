/* builder.c - errors with their place in the file, and memory that a configuration owns. */
#include "config/builder.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

bool
builder_error(struct builder *builder, const yaml_mark_t *mark, const char *format, ...)
{
	struct config_error *error = builder->error;
	va_list args;

	error->line = mark != NULL ? mark->line + 1 : 0;
	error->column = mark != NULL ? mark->column + 1 : 0;
	va_start(args, format);
	vsnprintf(error->message, sizeof(error->message), format, args);
	va_end(args);
	return false;
}

bool
builder_out_of_memory(struct builder *builder)
{
	return builder_error(builder, NULL, "out of memory");
}

void *
builder_own(struct builder *builder, size_t bytes)
{
	struct owned *owned = calloc(1, sizeof(*owned) + bytes);

	if (owned == NULL)
		return NULL;
	owned->next = builder->owned;
	builder->owned = owned;
	return owned->bytes;
}

char *
builder_own_text(struct builder *builder, const char *text)
{
	char *copy = builder_own(builder, strlen(text) + 1);

	return copy != NULL ? strcpy(copy, text) : NULL;
}

bool
builder_key_error(struct builder *builder, const char *name, const char *text)
{
	return builder_error(builder, builder_mark(builder, name), "%s: %s", name, text);
}

const yaml_mark_t *
builder_mark(const struct builder *builder, const char *name)
{
	size_t index = config_key_find(name);

	return index < config_key_count && builder->is_given[index] ? &builder->given_at[index]
								    : NULL;
}
