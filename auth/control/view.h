/* view.h - turns records into the JSON that the API shows. */
#ifndef JOBGATE_CONTROL_VIEW_H
#define JOBGATE_CONTROL_VIEW_H

#include <jansson.h>
#include <stdint.h>

#include "jobgate/directory.h"

/*
 * The fields that the API shows of a record (USE_SHOW of the table). A job's job_url is public_url
 * with each {job} replaced. NULL when memory is short.
 */
json_t *view_record(const struct record *record, const char *public_url);

/* All fields that the store has of a record, in the form that an import reads. */
json_t *view_export(const struct record *record);

/* "2024-01-31T12:00:00Z" for Unix milliseconds. */
#define VIEW_TIME_MAX 32
void view_time(uint64_t unix_ms, char out[VIEW_TIME_MAX]);

#endif
