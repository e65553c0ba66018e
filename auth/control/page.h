/* page.h - builds the JSON text of a page of a list, record by record. */
#ifndef JOBGATE_CONTROL_PAGE_H
#define JOBGATE_CONTROL_PAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define PAGE_BYTES (2u << 20) /* of the whole answer; only a single record may be larger */

/* Zero it first. */
struct page {
	char *text; /* malloc; the caller frees it; NULL: nothing yet */
	size_t len, cap;
};

enum page_result { PAGE_ADDED, PAGE_FULL, PAGE_FAILED };

/*
 * Add an item; PAGE_FULL when the page would become too long. PAGE_FAILED when memory is short, or
 * item is NULL.
 */
enum page_result page_add(struct page *page, const json_t *item);

/*
 * End the page: text becomes a complete JSON object with a NUL at its end. cursor is where the next
 * page begins, without characters that JSON escapes; NULL: there is none. False when memory is
 * short.
 */
bool page_end(struct page *page, const char *cursor);

#endif
