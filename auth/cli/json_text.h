/* json_text.h - JSON from text and back. jansson must use the memory of auth/parse_memory.h. */
#ifndef JOBGATE_CLI_JSON_TEXT_H
#define JOBGATE_CLI_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

/* Read text. *out is the caller's, NULL when it is not JSON. False when memory is short. */
bool json_text_read(const char *text, size_t len, json_t **out);

/* The text of a value, with jansson's flags; the caller frees it. NULL when memory is short. */
char *json_text_write(const json_t *value, size_t flags);

#endif
