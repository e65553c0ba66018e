/* input_job.h - checks what only jobs have: labels, URLs and ports. For input.c. */
#ifndef JOBGATE_CONTROL_INPUT_JOB_H
#define JOBGATE_CONTROL_INPUT_JOB_H

#include "auth/control/input.h"

/*
 * Read the members "labels" and "ports" of a job, or of a patch, in which null removes one. False
 * with *error set.
 */
bool input_labels(json_t *labels, bool patch, struct record_input *out, struct input_error *error);
bool input_ports(json_t *ports, bool patch, struct record_input *out, struct input_error *error);

/* Check the URLs of a job: one, or several, separated by single spaces. False with *error set. */
bool input_urls(const char *field, struct slice text, struct input_error *error);

#endif
