/* input_error.h - notes what is wrong with a body. For input.c and input_job.c. */
#ifndef JOBGATE_CONTROL_INPUT_ERROR_H
#define JOBGATE_CONTROL_INPUT_ERROR_H

#include "auth/control/input.h"

/* Note an error; returns false, for `return input_wrong(...)`. */
bool input_wrong(struct input_error *error, const char *field, const char *detail, ...)
    __attribute__((format(printf, 3, 4)));

#endif
