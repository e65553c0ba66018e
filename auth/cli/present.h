/* present.h - shows records as JSON, YAML, or a description for people. */
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
	size_t width; /* of the terminal; tables must fit into it; 0: no limit */
};

/* A line of a description, or a column of a table. */
struct column {
	const char *title; /* shown in capitals in a table */
	const char *key;   /* of the record */
	const char *empty; /* shown when the value is empty; "": the line is left out then */
	bool whole;	   /* never cut in a table: other columns give way */
};

/* Colour is used only on a terminal, and not with --no-color or NO_COLOR (no-color.org). */
struct printer printer_for(FILE *out, const struct options *options);

/*
 * Present one record; columns end with a NULL title. Columns whose key the record lacks are left
 * out. False when the output could not be written.
 */
bool present_record(
    const struct printer *printer, const json_t *record, const struct column *columns);

/*
 * Prints many records as they come, as a table, or as one array of JSON or YAML. Begin, add any
 * number of arrays of records, then end; records are not kept. An array may widen the columns, for
 * itself and all later ones.
 */
#define COLUMNS_MAX (RECORD_FIELDS_MOST + 1)
struct yaml_list;
struct present_list {
	const struct printer *printer;
	const struct column *columns;
	size_t widths[COLUMNS_MAX];
	size_t count; /* records so far */
	struct yaml_list *yaml;
};
void present_list_begin(
    struct present_list *list, const struct printer *printer, const struct column *columns);
bool present_list_add(struct present_list *list, const json_t *records);

/*
 * Must always be called. If not whole, the end of the array is left out, so that an incomplete list
 * does not look complete.
 */
bool present_list_end(struct present_list *list, bool whole);

/*
 * A record's value as one line: text unchanged, numbers in decimal, an object as "a=b,c=d" sorted
 * by name; NULL for null, or a missing or empty value. Control characters become '?'. The caller
 * passes it to secret_free.
 */
char *present_text(const json_t *record, const char *key);

/* Write a JSON value as a YAML 1.1 document, so that each reader gets the same value back. */
bool yaml_write(FILE *out, const json_t *value);

/*
 * Begin a YAML array of at least one value, which is written value by value. NULL when memory is
 * short.
 */
struct yaml_list *yaml_list_begin(FILE *out);
bool yaml_list_add(struct yaml_list *list, const json_t *value);

/*
 * Free the list (may be NULL); write its end if it is whole. False when writing failed, or it is
 * not whole.
 */
bool yaml_list_end(struct yaml_list *list, bool whole);

#endif
