/* sign_in_test.c - the texts of sign-ins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "jobgate/sign_in.h"

#define MARK "00112233445566778899aabb"

static void
an_id_has_one_text(void **state)
{
	const unsigned char id[SIGN_IN_ID_LEN] = {0x00, 0xff, 0x1a};
	char text[SIGN_IN_TEXT_LEN + 1];

	(void)state;
	jg_sign_in_id_format(id, text);
	assert_string_equal(text, "00ff1a00000000000000000000000000");
	assert_true(jg_sign_in_id_valid(slice_of(text)));
	assert_false(jg_sign_in_id_valid(SLICE("00FF1a00000000000000000000000000")));
	assert_false(jg_sign_in_id_valid(SLICE("00ff1a0000000000000000000000000")));
	assert_false(jg_sign_in_id_valid(SLICE("00ff1a000000000000000000000000000")));
	assert_false(jg_sign_in_id_valid(SLICE("00ff1a0000000000000000000000000g")));
	assert_false(jg_sign_in_code_valid(slice_of(text)));
	assert_true(jg_sign_in_code_valid(
	    SLICE("00ff1a0000000000000000000000000000ff1a00000000000000000000000000")));
}

static void
a_record_is_whole(void **state)
{
	const struct slice id = SLICE("aaaaaaaaaaaaaaaa");
	char mark[SIGN_IN_MARK_TEXT_LEN + 1];
	struct sign_in sign_in;

	(void)state;
	assert_true(jg_sign_in_parse(id, SLICE("12"), SLICE(MARK), &sign_in));
	assert_memory_equal(sign_in.token_id, id.at, TOKEN_ID_LEN);
	assert_int_equal(sign_in.version, 12);
	jg_sign_in_mark_format(sign_in.mark, mark);
	assert_string_equal(mark, MARK);
	assert_false(jg_sign_in_parse((struct slice){0}, SLICE("12"), SLICE(MARK), &sign_in));
	assert_false(jg_sign_in_parse(SLICE("A"), SLICE("12"), SLICE(MARK), &sign_in));
	assert_false(jg_sign_in_parse(id, (struct slice){0}, SLICE(MARK), &sign_in));
	assert_false(jg_sign_in_parse(id, SLICE("0"), SLICE(MARK), &sign_in));
	assert_false(jg_sign_in_parse(id, SLICE("012"), SLICE(MARK), &sign_in));
	assert_false(jg_sign_in_parse(id, SLICE("1000000000000000000"), SLICE(MARK), &sign_in));
	assert_false(jg_sign_in_parse(id, SLICE("12"), (struct slice){0}, &sign_in));
	assert_false(jg_sign_in_parse(id, SLICE("12"), SLICE("0011"), &sign_in));
	assert_false(
	    jg_sign_in_parse(id, SLICE("12"), SLICE("00112233445566778899AABB"), &sign_in));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_id_has_one_text),
	    cmocka_unit_test(a_record_is_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
