/* suspended_test.c - a request that waits does not depend on the memory in which it came. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "exchange/suspended.h"

static struct buffer_pool *buffers;
static const struct claim no_claim;

static int
set_up(void **state)
{
	(void)state;
	buffers = buffer_pool_new();
	return buffers != NULL ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	buffer_pool_free(buffers); /* asserts that every block was given back */
	return 0;
}

#define EXPECT(slice, text) assert_true(slice_equal((slice), SLICE(text)))

/* Both kinds of fields are kept: what rewriting reads is also in those that do not travel on. */
static void
the_original_may_go(void **state)
{
	char text[] = "POSThost/path?q=1foo";
	struct field items[] = {
	    {.name = {text, 4}, .value = {text + 4, 4}, .id = FIELD_AUTHORIZATION},
	    {.name = {text + 4, 4}, .value = {text, 0}, .id = FIELD_TE, .dropped = true}};
	const struct request request = {.method = {text, 4},
	    .method_id = METHOD_POST,
	    .authority = {text + 4, 4},
	    .path = {text + 8, 5},
	    .query = {text + 13, 4},
	    .fields = {items, 2},
	    .content = CONTENT_LENGTH,
	    .length = 7,
	    .expect_continue = true,
	    .upgrade = {text + 17, 3},
	    .path_resolved = true,
	    .version = HTTP_1_0};
	struct suspended *suspended = suspended_new(buffers, &request, &no_claim);
	const struct request *kept = &suspended->request;

	(void)state;
	assert_non_null(suspended);
	memset(text, 'x', sizeof(text));
	memset(items, 0, sizeof(items));
	EXPECT(kept->method, "POST");
	EXPECT(kept->authority, "host");
	EXPECT(kept->path, "/path");
	EXPECT(kept->query, "?q=1");
	EXPECT(kept->upgrade, "foo");
	assert_int_equal(kept->fields.count, 2);
	EXPECT(kept->fields.items[0].name, "POST");
	EXPECT(kept->fields.items[0].value, "host");
	assert_int_equal(kept->fields.items[0].id, FIELD_AUTHORIZATION);
	assert_false(kept->fields.items[0].dropped);
	EXPECT(kept->fields.items[1].name, "host");
	/* A field that is there has a value, though it is empty. */
	assert_int_equal(kept->fields.items[1].value.len, 0);
	assert_non_null(kept->fields.items[1].value.at);
	assert_int_equal(kept->fields.items[1].id, FIELD_TE);
	assert_true(kept->fields.items[1].dropped);
	assert_int_equal(kept->method_id, METHOD_POST);
	assert_int_equal(kept->content, CONTENT_LENGTH);
	assert_int_equal(kept->length, 7);
	assert_true(kept->expect_continue && kept->path_resolved);
	assert_int_equal(kept->version, HTTP_1_0);
	suspended_free(buffers, suspended);
}

/* The slot of the cache may be another request's by the time the store answers. */
static void
a_claim_has_its_own_digest(void **state)
{
	const struct request request = {.method = SLICE("GET"), .path = SLICE("/")};
	struct cached_digest slot = {.kept = true, .print = {1, 2}, .bearer = {.formed = true}};
	const struct claim claim = {
	    .credential = CREDENTIAL_BEARER, .mint_edition = 3, .digest = &slot};
	struct suspended *suspended = suspended_new(buffers, &request, &claim);
	struct claim again;

	(void)state;
	assert_non_null(suspended);
	memset(&slot, 0, sizeof(slot));
	claim_copy(&again, &suspended->claim);
	suspended_free(buffers, suspended);
	assert_int_equal(again.credential, CREDENTIAL_BEARER);
	assert_int_equal(again.mint_edition, 3);
	assert_ptr_equal(again.digest, &again.own);
	assert_true(again.own.bearer.formed);
	assert_int_equal(again.own.print[1], 2);
}

static void
a_request_of_nothing(void **state)
{
	const struct request none = {0};
	struct suspended *suspended = suspended_new(buffers, &none, &no_claim);

	(void)state;
	assert_non_null(suspended);
	assert_int_equal(suspended->request.fields.count, 0);
	assert_null(suspended->claim.digest);
	suspended_free(buffers, suspended);
	suspended_free(buffers, NULL);
}

static void
the_greatest_length(void **state)
{
	static char path[SUSPENDED_TEXT_MAX + 1];
	struct request request = {.path = {path, SUSPENDED_TEXT_MAX}};
	struct suspended *suspended;

	(void)state;
	memset(path, '/', sizeof(path));
	suspended = suspended_new(buffers, &request, &no_claim);
	assert_non_null(suspended);
	assert_true(slice_equal(suspended->request.path, request.path));
	suspended_free(buffers, suspended);
	request.path.len++;
	assert_null(suspended_new(buffers, &request, &no_claim));
}

/* A credential lies in the block, which the next request gets as it is. */
static void
what_was_kept_is_wiped(void **state)
{
	char secret[] = "a-secret-value-of-a-token";
	struct field item = {.name = SLICE("Authorization"), .value = {secret, sizeof(secret) - 1}};
	const struct request request = {.fields = {&item, 1}};
	struct suspended *suspended = suspended_new(buffers, &request, &no_claim);
	struct buffer *block = suspended->buffer, *next;

	(void)state;
	suspended_free(buffers, suspended);
	next = buffer_take(buffers, block->capacity);
	assert_ptr_equal(next, block);
	assert_null(memmem(next->bytes, next->capacity, secret, 8));
	buffer_give(buffers, next);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_original_may_go),
	    cmocka_unit_test(a_claim_has_its_own_digest),
	    cmocka_unit_test(a_request_of_nothing),
	    cmocka_unit_test(the_greatest_length),
	    cmocka_unit_test(what_was_kept_is_wiped),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
