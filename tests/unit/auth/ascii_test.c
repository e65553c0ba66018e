/* ascii_test.c - each class against what ctype.h says of ASCII. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "auth/ascii.h"

static void
test_classes(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		bool ascii = c < 128;

		assert_int_equal(is_digit((char)c), ascii && isdigit(c) != 0);
		assert_int_equal(is_lower((char)c), ascii && islower(c) != 0);
		assert_int_equal(is_alpha((char)c), ascii && isalpha(c) != 0);
		assert_int_equal(is_alnum((char)c), ascii && isalnum(c) != 0);
		assert_int_equal(is_hex((char)c), ascii && isxdigit(c) != 0);
		assert_int_equal(ascii_is((char)c, ASCII_B64TOKEN),
		    ascii && c != 0 && (isalnum(c) || strchr("-._~+/", c) != NULL));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_classes)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
