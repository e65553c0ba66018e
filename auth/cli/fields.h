/* fields.h - makes bodies of requests and columns from the table of record fields. options.c makes
 * the options.
 */
#ifndef JOBGATE_CLI_FIELDS_H
#define JOBGATE_CLI_FIELDS_H

#include "auth/cli/options.h"
#include "auth/cli/present.h"

/* True when any field was given. */
bool fields_given(const struct options *options);

/* Put the given fields into a request's body. False after printing that a value is not UTF-8. */
bool fields_body(const struct options *options, json_t *body);

/*
 * The columns for records of this kind, ended by a NULL title. uses says whether for a description
 * or a list.
 */
void fields_columns(enum record_kind kind, unsigned uses, struct column out[COLUMNS_MAX]);

/* Present one record of this kind. */
bool fields_present(const struct printer *printer, const json_t *record, enum record_kind kind);

#endif
