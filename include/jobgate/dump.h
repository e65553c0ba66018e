/* dump.h - what an object is at this moment, written as short text for the log. */
#ifndef JOBGATE_DUMP_H
#define JOBGATE_DUMP_H

#include <stdbool.h>
#include <stdint.h>

#include "jobgate/log.h"
#include "jobgate/slice.h"

/*
 * Each struct with a life of its own has `xxx_dump(const struct xxx *, struct dump *)` beside it,
 * which writes one object: `kind{key=value key=value part{key=value}}`. A failed CHECK (check.h)
 * and the live dump show it. It is written while something is wrong, so it allocates
 * nothing, takes no lock, calls nothing but the C library's string functions, and changes no
 * object.
 *
 * A dump goes to the log: it never contains bytes of a message (methods, paths, field values,
 * content), credentials, cookies or keys. Ids of tokens and jobs, addresses and hosts may stand in
 * it.
 */
struct dump {
	char *text;   /* NUL-terminated */
	size_t cap;   /* bytes of text, the NUL included */
	size_t len;   /* without the NUL */
	size_t depth; /* objects that have been begun and not ended */
	bool cut;     /* something found no room; the text says so with "..." */
};

/* Room that is enough for any object of ours, and leaves a line of the log room for its head. */
#define DUMP_TEXT_MAX 900

/* Begin an empty dump in `text`, of at least 16 bytes, which outlives it. */
void jg_dump_init(struct dump *dump, char *text, size_t cap);

/* Begin an object, or a part of the object that was begun last; kind: its struct's name. */
void jg_dump_begin(struct dump *dump, const char *kind);

/* End what was begun last. */
void jg_dump_end(struct dump *dump);

/* Write a key and its value. A value that finds no room is left out whole. */
void jg_dump_number(struct dump *dump, const char *key, uint64_t value);

/* The same for a name that the program itself knows, such as a state's; NULL is written as "?". */
void jg_dump_word(struct dump *dump, const char *key, const char *word);

/* The key alone, if the value is true. */
void jg_dump_flag(struct dump *dump, const char *key, bool value);

/*
 * Text from a record or the configuration, in quotation marks: at most 64 bytes of it. Whatever
 * could break the form or the line is written as '?'. Never a credential, never what a peer sent.
 */
void jg_dump_text(struct dump *dump, const char *key, struct slice text);

/* Milliseconds from now until then; "-" when `then` is 0, a moment that is past is negative. */
void jg_dump_until(struct dump *dump, const char *key, uint64_t then_ms, uint64_t now_ms);

#endif
