/*
 * seams_json.c - the parser of jansson 2.14 ignores that the buffer of a string could not grow: the
 * closing quote is not in it then, and the parser copies what lies behind (seed 192). So no
 * allocation fails while it parses.
 */
#include <dlfcn.h>

#include <jansson.h>

#include "heap.h"

json_t *
json_loadb(const char *text, size_t len, size_t flags, json_error_t *error)
{
	json_t *(*load)(const char *, size_t, size_t, json_error_t *);
	struct heap *heap = heap_current();
	unsigned fails = heap != NULL ? heap->fail_per_million : 0;
	json_t *result;

	*(void **)&load = dlsym(RTLD_NEXT, "json_loadb");
	if (heap != NULL)
		heap->fail_per_million = 0;
	result = load(text, len, flags, error);
	if (heap != NULL)
		heap->fail_per_million = fails;
	return result;
}
