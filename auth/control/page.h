/* page.h - a page of a list as the text of its answer, growing record by record. */
#ifndef JOBGATE_CONTROL_PAGE_H
#define JOBGATE_CONTROL_PAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define PAGE_BYTES (2u << 20) /* of the whole answer; one record alone may have more */

/* Zeroed to begin with. */
struct page {
	char *text; /* malloc, the caller's to free; NULL: nothing yet */
	size_t len, cap;
};

enum page_result { PAGE_ADDED, PAGE_FULL, PAGE_FAILED };

/*
 * Add an item, unless the page would get too long by it: PAGE_FULL then. PAGE_FAILED when
 * memory is short, or item is NULL.
 */
enum page_result page_add(struct page *page, const json_t *item);

/*
 * No more items: text is a whole JSON object with a NUL behind it. cursor, which needs no
 * escapes in JSON, is where the next page begins; NULL: there is none. False when memory is short.
 */
bool page_end(struct page *page, const char *cursor);

#endif
