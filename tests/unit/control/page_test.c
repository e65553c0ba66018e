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
add(struct page *page, size_t len)
{
	json_t *made = item(len);
	enum page_result result = page_add(page, made);

	json_decref(made);
	return result;
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
	assert_int_equal(page_add(&page, NULL), PAGE_FAILED);
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
