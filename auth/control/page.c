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
page_add(struct page *page, const json_t *item, struct page_item *placed)
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
	if (placed != NULL)
		*placed = (struct page_item){.begin = page->len, .end = page->len + len};
	page->len += json_dumpb(item, page->text + page->len, len, JSON_COMPACT);
	return PAGE_ADDED;
}

static void
append(struct page *page, const char *text, size_t len)
{
	memcpy(page->text + page->len, text, len);
	page->len += len;
}

#define NUMBER_MAX 24 /* bytes of a number and of the end of its object, with the NUL */

static void
append_item(struct page *page, const char *text, const struct page_item *item)
{
	static const char none[] = "null}";
	size_t len = item->end - item->begin, kept = len - strlen(none);
	char number[NUMBER_MAX];

	text += item->begin;
	if (!item->has_number || len < strlen(none) ||
	    memcmp(text + kept, none, strlen(none)) != 0) {
		append(page, text, len);
		return;
	}
	append(page, text, kept);
	append(page, number,
	    (size_t)snprintf(number, sizeof(number), "%llu}", (unsigned long long)item->number));
}

bool
page_replace(struct page *page, const struct page_item *items, size_t count)
{
	struct page made = {0};

	if (!begin(&made) || !grow(&made, page->len + count * NUMBER_MAX)) {
		free(made.text);
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		if (items[i].is_left_out)
			continue;
		if (made.len > sizeof(head) - 1)
			append(&made, ",", 1);
		append_item(&made, page->text, &items[i]);
	}
	free(page->text);
	*page = made;
	return true;
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
