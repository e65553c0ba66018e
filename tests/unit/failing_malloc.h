/* failing_malloc.h - malloc that fails at one call, for programs that are linked with
 * --wrap=malloc.
 */
#ifndef JOBGATE_TESTS_FAILING_MALLOC_H
#define JOBGATE_TESTS_FAILING_MALLOC_H

#include <stddef.h>

static unsigned failing_malloc_at; /* this call from now on fails, only that one; 0: none */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *
__wrap_malloc(size_t size)
{
	if (failing_malloc_at > 0 && --failing_malloc_at == 0)
		return NULL;
	return __real_malloc(size);
}

#endif
