/* keep_test.c - a copy that shares nothing with what it was copied from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/control/keep.h"

static void
copies(void **state)
{
	char text[] = "abcdefgh12345678 name 2024-01-31T12:00:00Z a b c";
	struct label labels[2] = {
	    {{text + 43, 1}, {text + 45, 1}}, {{text + 47, 1}, {text + 47, 0}}};
	struct token token = {
	    .id = {text, 16},
	    .name = {text + 17, 4},
	    .role = ROLE_OPERATOR,
	    .selector = {2, labels},
	    .hash = {1, 2, 3},
	    .version = 7,
	    .created_at = {text + 22, 20},
	};
	struct kept_token *kept = token_keep(&token);

	(void)state;
	assert_non_null(kept);
	memset(text, 'x', sizeof(text));
	memset(labels, 0, sizeof(labels));
	memset(&token, 0, sizeof(token));
	assert_true(slice_equal(kept->token.id, SLICE("abcdefgh12345678")));
	assert_true(slice_equal(kept->token.name, SLICE("name")));
	assert_true(slice_equal(kept->token.created_at, SLICE("2024-01-31T12:00:00Z")));
	assert_int_equal(kept->token.updated_at.len, 0);
	assert_int_equal(kept->token.role, ROLE_OPERATOR);
	assert_int_equal(kept->token.version, 7);
	assert_int_equal(kept->token.hash[2], 3);
	assert_int_equal(kept->token.selector.count, 2);
	assert_true(slice_equal(kept->token.selector.items[0].name, SLICE("a")));
	assert_true(slice_equal(kept->token.selector.items[0].value, SLICE("b")));
	assert_true(slice_equal(kept->token.selector.items[1].name, SLICE("c")));
	assert_int_equal(kept->token.selector.items[1].value.len, 0);
	free(kept);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(copies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
