/*
 * parse_memory.h - memory for a parser that does not survive a failed allocation. jansson 2.14
 * ignores that the buffer of a string could not grow, and then reads and writes beyond it. So a
 * parser that runs guarded never sees an allocation fail: it is left, and all that it had allocated
 * is freed. Its memory may hold a token's value, so it is wiped when it is freed. One thread only.
 */
#ifndef JOBGATE_AUTH_PARSE_MEMORY_H
#define JOBGATE_AUTH_PARSE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/*
 * For json_set_alloc_funcs, before any other call of the library. parse_alloc returns NULL when
 * memory is short, unless a guarded parser runs: then it does not return.
 */
void *parse_alloc(size_t size);
void parse_free(void *memory); /* NULL: nothing is done */

/*
 * Call parse(ctx), in which each allocation is one of parse_alloc. False when memory was short:
 * parse was left in the middle, and what it had allocated is freed, so no result of it may be used.
 * parse must hold nothing else, and must not call parse_guarded.
 */
bool parse_guarded(void (*parse)(void *ctx), void *ctx);

#endif
