/* container_of.h - finds the struct that contains a member. */
#ifndef JOBGATE_CONTAINER_OF_H
#define JOBGATE_CONTAINER_OF_H

#include <stddef.h>

/*
 * The struct of this type that contains the member at `pointer`. A pointer to another type than the
 * member's, const or not, does not compile.
 */
#define container_of(pointer, type, member) \
	((type *)(void *)((char *)_Generic((pointer),                                        \
			      __typeof__(((type *)(void *)(pointer))->member) *: (pointer), \
			      const __typeof__(((type *)(void *)(pointer))->member) *: (pointer)) - \
			  offsetof(type, member)))

#endif
