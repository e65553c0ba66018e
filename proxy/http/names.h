/* names.h - maps names of fields to their ids: the one list of all names that matter. */
#ifndef JOBGATE_HTTP_NAMES_H
#define JOBGATE_HTTP_NAMES_H

#include "jobgate/message.h"

/* As field_identify, for a non-empty name of only letters, digits and '-'. */
enum field_id name_identify_plain(struct slice name);

/* The same for a name with other characters: FIELD_DISGUISED when a backend could take it for one
 * that matters. */
enum field_id name_identify_disguised(struct slice name);

/*
 * Turn a field name into a pattern, in place: lower case, '-' for every other character. A '*' at
 * its end matches any rest. False when it is not a field name.
 */
bool name_pattern_make(char *text);

/*
 * True when one of these patterns matches the name, in which every character other than a letter or
 * digit counts as '-'. patterns ends with NULL; it may be NULL itself.
 */
bool name_is_listed(struct slice name, const char *const *patterns);

#endif
