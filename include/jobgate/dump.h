/* dump.h - writes the present state of an object as short text for the log. */
#ifndef JOBGATE_DUMP_H
#define JOBGATE_DUMP_H

#include <stdbool.h>
#include <stdint.h>

#include "jobgate/log.h"
#include "jobgate/slice.h"

/*
 * Each struct with its own lifetime has `xxx_dump(const struct xxx *, struct dump *)` next to it,
 * which writes one object: `kind{key=value key=value part{key=value}}`. Failed CHECKs (check.h) and
 * the live dump show it. It runs when something is wrong, so it allocates nothing, takes no lock,
 * calls only the C library's string functions, and changes no object.
 *
 * A dump goes to the log: it never contains bytes of a message (methods, paths, field values,
 * content), credentials, cookies or keys. It may contain ids of tokens and jobs, addresses and
 * hosts.
 */
struct dump {
	char *text;   /* NUL-terminated */
	size_t cap;   /* bytes of text, the NUL included */
	size_t len;   /* without the NUL */
	size_t depth; /* objects that were begun and not ended yet */
	bool cut;     /* something did not fit; the text shows "..." in its place */
};

/* Enough for each of our objects, and small enough for a line of the log with its head. */
#define DUMP_TEXT_MAX 900

/* Begin an empty dump in `text`, which has at least 16 bytes and outlives the dump. */
void jg_dump_init(struct dump *dump, char *text, size_t cap);

/* Begin an object, or a part of the object that was begun last; kind: its struct's name. */
void jg_dump_begin(struct dump *dump, const char *kind);

/* End the object or part that was begun last. */
void jg_dump_end(struct dump *dump);

/* Write a key and its value. A value that does not fit is left out completely. */
void jg_dump_number(struct dump *dump, const char *key, uint64_t value);

/* The same for a word of the program, such as the name of a state; NULL is written as "?". */
void jg_dump_word(struct dump *dump, const char *key, const char *word);

/* Write only the key, if the value is true. */
void jg_dump_flag(struct dump *dump, const char *key, bool value);

/*
 * Write text from a record or the configuration in quotation marks, at most 64 bytes of it.
 * Characters that could break the format or the line become '?'. Never pass a credential, or what a
 * peer sent.
 */
void jg_dump_text(struct dump *dump, const char *key, struct slice text);

/* Write the milliseconds from now until then; "-" when `then` is 0; negative when it is past. */
void jg_dump_until(struct dump *dump, const char *key, uint64_t then_ms, uint64_t now_ms);

#endif
