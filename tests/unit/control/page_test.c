/* page_test.c - pages as text: complete JSON, within the limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "auth/control/page.h"

/* An item of about this many bytes. */
static json_t *
item(size_t len)
{
	char *text = calloc(1, len + 1);
	json_t *made;

	memset(text, 'x', len);
	made = json_pack("{s:s}", "text", text);
	free(text);
	return made;
}

static enum page_result
add_placed(struct page *page, size_t len, struct page_item *placed)
{
	json_t *made = item(len);
	enum page_result result = page_add(page, made, placed);

	json_decref(made);
	return result;
}

static enum page_result
add(struct page *page, size_t len)
{
	return add_placed(page, len, NULL);
}

/* The number of items, and the cursor as *cursor ("" for none); frees the page. */
static size_t
end(struct page *page, const char *cursor, char out[64])
{
	json_t *whole;
	size_t count;
	const char *next;

	assert_true(page_end(page, cursor));
	assert_int_equal(strlen(page->text), page->len);
	whole = json_loads(page->text, 0, NULL);
	assert_non_null(whole);
	count = json_array_size(json_object_get(whole, "items"));
	next = json_string_value(json_object_get(whole, "next_cursor"));
	assert_true(next != NULL || json_is_null(json_object_get(whole, "next_cursor")));
	strcpy(out, next != NULL ? next : "");
	json_decref(whole);
	free(page->text);
	return count;
}

static void
empty(void **state)
{
	struct page page = {0};
	char cursor[64];

	(void)state;
	assert_int_equal(end(&page, NULL, cursor), 0);
	assert_string_equal(cursor, "");
}

static void
within_its_bound(void **state)
{
	struct page page = {0};
	size_t added = 0;
	char cursor[64];

	(void)state;
	while (add(&page, 1000) == PAGE_ADDED)
		added++;
	assert_int_equal(add(&page, 1000), PAGE_FULL); /* and stays so */
	assert_int_equal(end(&page, "12~a", cursor), added);
	assert_string_equal(cursor, "12~a");
	assert_in_range(page.len, PAGE_BYTES - 2000, PAGE_BYTES);
}

/* It could never be listed otherwise. */
static void
one_alone_may_be_larger(void **state)
{
	struct page page = {0};
	char cursor[64];

	(void)state;
	assert_int_equal(add(&page, PAGE_BYTES + 10), PAGE_ADDED);
	assert_int_equal(add(&page, 1), PAGE_FULL);
	assert_int_equal(end(&page, NULL, cursor), 1);
}

static void
no_item(void **state)
{
	struct page page = {0};

	(void)state;
	assert_int_equal(page_add(&page, NULL, NULL), PAGE_FAILED);
	free(page.text);
}

/* Numbers that are known only when the page is complete. */
static void
numbers_are_written_later(void **state)
{
	struct page page = {0};
	struct page_item items[4];
	json_t *made;

	(void)state;
	for (int i = 0; i < 4; i++) {
		made = json_pack("{s:i, s:o}", "id", i, i == 3 ? "other" : "sessions",
		    i == 3 ? json_true() : json_null());
		assert_int_equal(page_add(&page, made, &items[i]), PAGE_ADDED);
		json_decref(made);
	}
	items[0].is_left_out = true;
	items[1].has_number = items[3].has_number = true;
	items[1].number = UINT64_MAX;
	assert_true(page_replace(&page, items, 4));
	assert_true(page_end(&page, "x"));
	assert_string_equal(page.text, "{\"items\":[{\"id\":1,\"sessions\":18446744073709551615},{"
				       "\"id\":2,\"sessions\":null},{"
				       "\"id\":3,\"other\":true}],\"next_cursor\":\"x\"}");
	free(page.text);
}

static void
all_items_may_be_left_out(void **state)
{
	struct page page = {0};
	struct page_item item;

	(void)state;
	assert_int_equal(add_placed(&page, 100, &item), PAGE_ADDED);
	item.is_left_out = true;
	assert_true(page_replace(&page, &item, 1) && page_end(&page, NULL));
	assert_string_equal(page.text, "{\"items\":[],\"next_cursor\":null}");
	free(page.text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(empty),
	    cmocka_unit_test(within_its_bound),
	    cmocka_unit_test(one_alone_may_be_larger),
	    cmocka_unit_test(no_item),
	    cmocka_unit_test(numbers_are_written_later),
	    cmocka_unit_test(all_items_may_be_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
