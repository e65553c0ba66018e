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
	const char *title; /* in capitals over a table */
	const char *key;   /* of the record */
	const char *empty; /* shown where the record has nothing */
};

/* Colour only on a terminal, and neither with --no-color nor with NO_COLOR (no-color.org) set. */
struct printer printer_for(FILE *out, const struct options *options);

/* One record; columns end with a NULL title. Those whose key a record lacks altogether are left
 * out. */
bool present_record(
    const struct printer *printer, const json_t *record, const struct column *columns);

/*
 * Prints many records as they come: a table, or one array in JSON and YAML. Begin, add any number
 * of arrays of records, end; none of them is kept. Each array can widen the columns, for itself and
 * all that follow.
 */
#define COLUMNS_MAX (RECORD_FIELDS_MOST + 1)
struct yaml_list;
struct present_list {
	const struct printer *printer;
	const struct column *columns;
	size_t widths[COLUMNS_MAX];
	size_t count; /* of records so far */
	struct yaml_list *yaml;
};
void present_list_begin(
    struct present_list *list, const struct printer *printer, const struct column *columns);
bool present_list_add(struct present_list *list, const json_t *records);

/*
 * Must always be called. Without `whole` the end is left out, so that an incomplete list does not
 * look complete.
 */
bool present_list_end(struct present_list *list, bool whole);

/*
 * A record's value as one line: text as it is, numbers in decimal, an object as
 * "a=b,c=d" by name, NULL for null or what is missing or empty. Control
 * characters are shown as '?'. To be wiped and freed by secret_free.
 */
char *present_text(const json_t *record, const char *key);

/* Write any JSON value as a YAML 1.1 document, such that every reader gets the same value back. */
bool yaml_write(FILE *out, const json_t *value);

/* A YAML array of at least one value, written value by value. NULL when memory is short. */
struct yaml_list *yaml_list_begin(FILE *out);
bool yaml_list_add(struct yaml_list *list, const json_t *value);

/* Free it (may be NULL); write its end if the list is whole. False when the write failed. */
bool yaml_list_end(struct yaml_list *list, bool whole);

#endif
