/* fields.h - bodies and columns from the table of record fields; options.c has its options. */
#ifndef JOBGATE_CLI_FIELDS_H
#define JOBGATE_CLI_FIELDS_H

#include "auth/cli/options.h"
#include "auth/cli/present.h"

/* True when any field was given. */
bool fields_given(const struct options *options);

/* Put the fields that were given into a request's body. False after telling that one is no text. */
bool fields_body(const struct options *options, json_t *body);

/* The columns of a description of such a record, or of a list of them, ended by a NULL title. */
void fields_columns(enum record_kind kind, unsigned uses, struct column out[COLUMNS_MAX]);

/* present_record, as a description of such a record. */
bool fields_present(const struct printer *printer, const json_t *record, enum record_kind kind);

#endif
