/* bytes.h - bytes that wait: appended at the end, taken from the front. */
#ifndef SIM_BYTES_H
#define SIM_BYTES_H

#include <stdbool.h>
#include <stddef.h>

/* All zero: empty. */
struct bytes {
	char *at; /* the memory; what waits begins at `from` */
	size_t from, len, room;
};

void bytes_append(struct bytes *bytes, const void *from, size_t len);
void bytes_print(struct bytes *bytes, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The first len of them are gone. */
void bytes_drop(struct bytes *bytes, size_t len);

/* Empty it and free its memory. */
void bytes_free(struct bytes *bytes);

static inline const char *
bytes_first(const struct bytes *bytes)
{
	return bytes->at + bytes->from;
}

#endif
