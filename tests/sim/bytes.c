/* bytes.c - a block that grows as needed. */
#include "bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
bytes_append(struct bytes *bytes, const void *from, size_t len)
{
	if (bytes->from + bytes->len + len > bytes->room && bytes->from > 0) {
		memmove(bytes->at, bytes->at + bytes->from, bytes->len);
		bytes->from = 0;
	}
	if (bytes->len + len > bytes->room) {
		bytes->room = 2 * (bytes->len + len);
		bytes->at = realloc(bytes->at, bytes->room);
		if (bytes->at == NULL)
			abort();
	}
	if (len > 0)
		memcpy(bytes->at + bytes->from + bytes->len, from, len);
	bytes->len += len;
}

void
bytes_print(struct bytes *bytes, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	bytes_append(bytes, text, (size_t)vsnprintf(text, sizeof(text), format, args));
	va_end(args);
}

void
bytes_drop(struct bytes *bytes, size_t len)
{
	bytes->from += len;
	bytes->len -= len;
	if (bytes->len == 0)
		bytes->from = 0;
}

void
bytes_free(struct bytes *bytes)
{
	free(bytes->at);
	*bytes = (struct bytes){0};
}
