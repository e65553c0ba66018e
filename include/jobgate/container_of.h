/* container_of.h - from a member to the struct that holds it. */
#ifndef JOBGATE_CONTAINER_OF_H
#define JOBGATE_CONTAINER_OF_H

#include <stddef.h>

/*
 * The struct of this type whose member `pointer` points to. A pointer to anything but the type of
 * that member, const or not, does not compile.
 */
#define container_of(pointer, type, member) \
	((type *)(void *)((char *)_Generic((pointer),                                        \
			      __typeof__(((type *)(void *)(pointer))->member) *: (pointer), \
			      const __typeof__(((type *)(void *)(pointer))->member) *: (pointer)) - \
			  offsetof(type, member)))

#endif
