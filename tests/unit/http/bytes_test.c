/* bytes_test.c - the table of bytes against the grammar from which it was made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "http/bytes.h"

static bool
is_alnum(int c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool
among(int c, const char *set)
{
	return c != 0 && strchr(set, c) != NULL;
}

/* Every byte of a class, and no other, whether the grammar says so. */
static void
expect_class(enum byte_class class, bool (*rule)(int c))
{
	for (int c = 0; c < 256; c++)
		if (byte_is((unsigned char)c, class) != rule(c))
			fail_msg("byte 0x%02x, class %d", (unsigned)c, (int)class);
}

/* RFC 9110 section 5.6.2. */
static bool
is_tchar(int c)
{
	return is_alnum(c) || among(c, "!#$%&'*+-.^_`|~");
}

/* RFC 9110 section 5.5: VCHAR, obs-text, SP and HTAB. */
static bool
is_field_byte(int c)
{
	return c == '\t' || (c >= ' ' && c <= '~') || c >= 0x80;
}

/* RFC 3986 sections 3.3 and 3.4: pchar, '/', '?'; the '%' of an escape. */
static bool
is_target_byte(int c)
{
	return is_alnum(c) || among(c, "-._~"	     /* unreserved */
				       "!$&'()*+,;=" /* sub-delims */
				       ":@/?%");
}

/* What browsers and tools send in targets, whatever RFC 3986 says: visible ASCII, no fragment. */
static bool
is_raw_byte(int c)
{
	return c > ' ' && c <= '~' && c != '#';
}

/* RFC 3986 section 3.2.2 without escapes and sub-delims; '_' is met in names of services. */
static bool
is_host_byte(int c)
{
	return is_alnum(c) || among(c, "-._");
}

static bool
is_hex_byte(int c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
}

static bool
is_name_byte(int c)
{
	return is_alnum(c) || c == '-';
}

/* RFC 9113 section 8.2.1. */
static bool
is_lower_tchar(int c)
{
	return is_tchar(c) && !(c >= 'A' && c <= 'Z');
}

static void
classes_follow_the_grammar(void **state)
{
	(void)state;
	expect_class(BYTE_TOKEN, is_tchar);
	expect_class(BYTE_VALUE, is_field_byte);
	expect_class(BYTE_TARGET, is_target_byte);
	expect_class(BYTE_HOST, is_host_byte);
	expect_class(BYTE_HEX, is_hex_byte);
	expect_class(BYTE_NAME, is_name_byte);
	expect_class(BYTE_RAW, is_raw_byte);
	expect_class(BYTE_LOWER, is_lower_tchar);
}

static void
no_class_holds_what_could_end_a_line(void **state)
{
	(void)state;
	for (const char *at = "\r\n\f\v\x7f"; *at != '\0'; at++)
		assert_int_equal(byte_classes[(unsigned char)*at], 0);
	assert_int_equal(byte_classes[0], 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(classes_follow_the_grammar),
	    cmocka_unit_test(no_class_holds_what_could_end_a_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
