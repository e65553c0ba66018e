/* columns.h - which members of a record people see: tables for present.h. */
#ifndef JOBGATE_CLI_COLUMNS_H
#define JOBGATE_CLI_COLUMNS_H

#include "auth/cli/present.h"

/* Of the description of one record. */
extern const struct column token_columns[];
extern const struct column job_columns[];

/* Of a list: fewer, for each record is one line. */
extern const struct column token_list_columns[];
extern const struct column job_list_columns[];

#endif
