/* input_error.h - notes what is wrong with a body or a query. For the files that read input. */
#ifndef JOBGATE_CONTROL_INPUT_ERROR_H
#define JOBGATE_CONTROL_INPUT_ERROR_H

#include "auth/control/input.h"

/* Note an error; returns false, for `return input_wrong(...)`. */
bool input_wrong(struct input_error *error, const char *field, const char *detail, ...)
    __attribute__((format(printf, 3, 4)));

#endif
