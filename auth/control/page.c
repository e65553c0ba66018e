/* page.c - builds {"items":[...],"next_cursor":...}. */
#include "auth/control/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char head[] = "{\"items\":[";
#define TAIL_MAX 256 /* bytes after the items, with the NUL */

/*
 * Make room for `more` bytes and the tail. Lists hold no secrets, so realloc may leave copies
 * behind.
 */
static bool
grow(struct page *page, size_t more)
{
	size_t need = page->len + more + TAIL_MAX, cap = page->cap > 0 ? page->cap : 4096;
	char *longer;

	while (cap < need)
		cap *= 2;
	if (cap == page->cap)
		return true;
	longer = realloc(page->text, cap);
	if (longer == NULL)
		return false;
	page->text = longer;
	page->cap = cap;
	return true;
}

static bool
begin(struct page *page)
{
	if (page->len > 0)
		return true;
	if (!grow(page, sizeof(head)))
		return false;
	memcpy(page->text, head, sizeof(head) - 1);
	page->len = sizeof(head) - 1;
	return true;
}

enum page_result
page_add(struct page *page, const json_t *item)
{
	size_t len = item != NULL ? json_dumpb(item, NULL, 0, JSON_COMPACT) : 0;
	bool first = page->len <= sizeof(head) - 1;

	if (len == 0 || !begin(page))
		return PAGE_FAILED;
	if (!first && page->len + 1 + len + TAIL_MAX > PAGE_BYTES)
		return PAGE_FULL;
	if (!grow(page, 1 + len))
		return PAGE_FAILED;
	if (!first)
		page->text[page->len++] = ',';
	page->len += json_dumpb(item, page->text + page->len, len, JSON_COMPACT);
	return PAGE_ADDED;
}

bool
page_end(struct page *page, const char *cursor)
{
	const char *quote = cursor != NULL ? "\"" : "";

	if (!begin(page))
		return false;
	page->len += (size_t)snprintf(page->text + page->len, TAIL_MAX, "],\"next_cursor\":%s%s%s}",
	    quote, cursor != NULL ? cursor : "null", quote);
	return true;
}
