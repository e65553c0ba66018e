/* replace.h - replaces a mark in text, such as {job} in a URL. */
#ifndef JOBGATE_AUTH_REPLACE_H
#define JOBGATE_AUTH_REPLACE_H

#include "jobgate/slice.h"

/*
 * Copy text with each mark (which is not empty) replaced; the caller frees it. NULL when memory is
 * short.
 */
char *jg_replace(const char *text, const char *mark, struct slice with);

#endif
