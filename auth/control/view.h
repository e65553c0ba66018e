/* view.h - records as the API shows them. */
#ifndef JOBGATE_CONTROL_VIEW_H
#define JOBGATE_CONTROL_VIEW_H

#include <jansson.h>
#include <stdint.h>

#include "jobgate/directory.h"

/* {id, name, role, label_selector, version, created_at, updated_at}; NULL when memory is short. */
json_t *view_token(const struct token *token);

/* {id, url, labels, job_url, lease, created_at, updated_at}; url null without one; job_url is
 * public_url with each {job} replaced. */
json_t *view_job(const struct job *job, const char *public_url);

json_t *view_record(const struct record *record, const char *public_url);

/* "2024-01-31T12:00:00Z" for Unix milliseconds. */
#define VIEW_TIME_MAX 32
void view_time(uint64_t unix_ms, char out[VIEW_TIME_MAX]);

#endif
