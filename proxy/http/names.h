/* names.h - which field a name means: the one list of all names that matter. */
#ifndef JOBGATE_HTTP_NAMES_H
#define JOBGATE_HTTP_NAMES_H

#include "jobgate/message.h"

/* As field_identify, for a name of at least one byte that has letters, digits and '-' alone. */
enum field_id name_identify_plain(struct slice name);

/* The same for one that has other marks: FIELD_DISGUISED when it could pass for one that matters.
 */
enum field_id name_identify_disguised(struct slice name);

/*
 * Make a pattern of the name of a field, in place: lower case, '-' for every mark. A '*' at its end
 * stands for anything. False when it is no name.
 */
bool name_pattern_make(char *text);

/*
 * Does one of these patterns, NULL at the end, match the name, its marks read as '-' too? False
 * when patterns is NULL.
 */
bool name_is_listed(struct slice name, const char *const *patterns);

#endif
