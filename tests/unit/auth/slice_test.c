/* slice_test.c - numbers, parts and tokens in text. */
#include "jobgate/slice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
test_numbers(void **state)
{
	static const struct {
		const char *text;
		uint64_t max, number;
	} cases[] = {
	    {"0", 0, 0},
	    {"007", 7, 7},
	    {"65535", 65535, 65535},
	    {"00000000000000000000000065535", 65535, 65535},
	    {"18446744073709551615", UINT64_MAX, UINT64_MAX},
	};
	uint64_t number;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		number = 99;
		assert_true(slice_to_number(slice_of(cases[i].text), cases[i].max, &number));
		assert_true(number == cases[i].number);
	}
}

static void
test_no_numbers(void **state)
{
	static const struct {
		const char *text;
		uint64_t max;
	} cases[] = {
	    {"", 9},
	    {"1", 0},
	    {"5", 4},
	    {"65536", 65535},
	    {"655350", 65535},
	    {"18446744073709551616", UINT64_MAX}, /* 2^64 */
	    {"18446744073709551620", UINT64_MAX},
	    {"184467440737095516150", UINT64_MAX},
	    {"36893488147419103233", UINT64_MAX}, /* 2^65 + 1 */
	    {"-1", 9},
	    {"+1", 9},
	    {" 1", 9},
	    {"1 ", 9},
	    {"0x1", 9},
	    {"1.0", 99},
	    {"/", 99},
	    {":", 99},
	    {"\xb1", UINT64_MAX},
	};
	uint64_t number = 77;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_false(slice_to_number(slice_of(cases[i].text), cases[i].max, &number));
	assert_false(slice_to_number((struct slice){"1\0", 2}, 99, &number));
	assert_true(number == 77);
}

static void
test_capped_numbers(void **state)
{
	uint64_t number = 77;

	(void)state;
	assert_true(slice_to_capped_number(SLICE("12"), 12, &number) && number == 12);
	assert_true(slice_to_capped_number(SLICE("13"), 12, &number) && number == 12);
	assert_true(slice_to_capped_number(SLICE("99999999999999999999999"), UINT64_MAX, &number));
	assert_true(number == UINT64_MAX);
	assert_false(slice_to_capped_number(SLICE(""), 12, &number));
	assert_false(slice_to_capped_number(SLICE("99x"), 12, &number));
	assert_false(slice_to_capped_number(SLICE("-1"), 12, &number));
	assert_true(number == UINT64_MAX);
}

static void
test_digits(void **state)
{
	(void)state;
	assert_true(slice_equal(slice_digits(SLICE("0129:")), SLICE("0129")));
	assert_true(slice_equal(slice_digits(SLICE("9")), SLICE("9")));
	assert_int_equal(slice_digits(SLICE("/9")).len, 0);
	assert_int_equal(slice_digits(SLICE("")).len, 0);
	assert_int_equal(slice_digits((struct slice){NULL, 0}).len, 0);
}

static void
test_cut(void **state)
{
	struct slice rest = SLICE("a;;b");

	(void)state;
	assert_true(slice_equal(slice_cut(&rest, ';'), SLICE("a")));
	assert_true(slice_equal(slice_cut(&rest, ';'), SLICE("")));
	assert_true(slice_equal(rest, SLICE("b")));
	assert_true(slice_equal(slice_cut(&rest, ';'), SLICE("b")));
	assert_int_equal(rest.len, 0);
	assert_int_equal(slice_cut(&rest, ';').len, 0);
	rest = (struct slice){NULL, 0};
	assert_int_equal(slice_cut(&rest, ';').len, 0);
}

static void
test_tokens(void **state)
{
	(void)state;
	assert_true(slice_is_token(SLICE("X-Mark_1.~")));
	assert_true(slice_is_token(SLICE("!#$%&'*+-.^_`|~azAZ09")));
	assert_false(slice_is_token(SLICE("")));
	for (int c = 0; c < 256; c++)
		if (c <= ' ' || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c) != NULL)
			assert_false(slice_is_token((struct slice){&(char){(char)c}, 1}));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_no_numbers),
	    cmocka_unit_test(test_capped_numbers),
	    cmocka_unit_test(test_digits),
	    cmocka_unit_test(test_cut),
	    cmocka_unit_test(test_tokens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
