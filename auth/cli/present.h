/* present.h - how records are shown: JSON, YAML, or a description for people. */
#ifndef JOBGATE_CLI_PRESENT_H
#define JOBGATE_CLI_PRESENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "auth/cli/options.h"

struct printer {
	FILE *out;
	enum output output;
	bool color;
	size_t width; /* of the terminal, which tables are to fit; 0: as wide as they get */
};

/* One line of a description, one column of a table. */
struct column {
	const char *title;
	const char *key;   /* of the record */
	const char *empty; /* shown where the record has nothing */
};

/* Colour only on a terminal, and neither with --no-color nor with NO_COLOR (no-color.org) set. */
struct printer printer_for(FILE *out, const struct options *options);

/* One record; columns end with a NULL title. Those whose key a record lacks altogether are left
 * out. */
bool present_record(
    const struct printer *printer, const json_t *record, const struct column *columns);

/* An array of records: a table, or an array in JSON and YAML. */
bool present_list(
    const struct printer *printer, const json_t *records, const struct column *columns);

/* Text that stands out where there is colour. */
void present_strong(const struct printer *printer, const char *text);

/*
 * A record's value as one line: text as it is, numbers in decimal, an object as
 * "a=b,c=d" by name, NULL for null or what is missing or empty. Control
 * characters are shown as '?'. To be wiped and freed by secret_free.
 */
char *present_text(const json_t *record, const char *key);

/* Write any JSON value as a YAML 1.1 document, such that every reader gets the same value back. */
bool yaml_write(FILE *out, const json_t *value);

#endif
