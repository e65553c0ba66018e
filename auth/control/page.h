/* page.h - builds the JSON text of a page of a list, record by record. */
#ifndef JOBGATE_CONTROL_PAGE_H
#define JOBGATE_CONTROL_PAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_BYTES (2u << 20) /* of the whole answer; only a single record may be larger */

/* Zero it first. */
struct page {
	char *text; /* malloc; the caller frees it; NULL: nothing yet */
	size_t len, cap;
};

enum page_result { PAGE_ADDED, PAGE_FULL, PAGE_FAILED };

/* Where the text of an item is in its page, and what is to become of it (page_replace). */
struct page_item {
	size_t begin, end;
	bool has_number; /* its last member is null: `number` takes its place */
	bool is_left_out;
	uint64_t number;
};

/*
 * Add an item, and say in *placed (may be NULL) where it is; PAGE_FULL when the page would become
 * too long. PAGE_FAILED when memory is short, or item is NULL.
 */
enum page_result page_add(struct page *page, const json_t *item, struct page_item *placed);

/*
 * Write the numbers of the items, and leave some items out. `items` has all of the page, in their
 * order. Before page_end; the digits may make the page longer than PAGE_BYTES. False when memory is
 * short; the page stays as it is.
 */
bool page_replace(struct page *page, const struct page_item *items, size_t count);

/*
 * End the page: text becomes a complete JSON object with a NUL at its end. cursor is where the next
 * page begins, without characters that JSON escapes; NULL: there is none. False when memory is
 * short.
 */
bool page_end(struct page *page, const char *cursor);

#endif
