/* address_test.c - addresses as bytes and as text. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/address.h"

static void
check(const char *text, const char *shown)
{
	struct address address;
	unsigned char bytes[16];
	char out[ADDRESS_TEXT_MAX];

	assert_true(address_parse(slice_of(text), 80, &address));
	assert_true(address_bytes((struct sockaddr *)&address.storage, bytes));
	assert_int_equal(address_bytes_format(bytes, out), strlen(shown));
	assert_string_equal(out, shown);
	address_format_host((struct sockaddr *)&address.storage, out);
	assert_string_equal(out, shown);
}

static void
each_form_has_one_text(void **state)
{
	(void)state;
	check("0.0.0.0", "0.0.0.0");
	check("127.0.0.1", "127.0.0.1");
	check("10.20.99.100", "10.20.99.100");
	check("255.255.255.255", "255.255.255.255");
	check("2001:DB8::0:1", "2001:db8::1");
	check("::", "::");
	check("::1.2.3.4", "::1.2.3.4");
	check("::ffff:192.0.2.1", "192.0.2.1");
}

/* What is written by hand is what inet_ntop writes. */
static void
each_byte_is_written(void **state)
{
	unsigned char bytes[16] = {[10] = 0xff, [11] = 0xff};
	char out[ADDRESS_TEXT_MAX], expected[INET_ADDRSTRLEN];

	(void)state;
	for (size_t at = 12; at < 16; at++) {
		for (unsigned byte = 0; byte < 256; byte++) {
			bytes[at] = (unsigned char)byte;
			address_bytes_format(bytes, out);
			inet_ntop(AF_INET, bytes + 12, expected, sizeof(expected));
			assert_string_equal(out, expected);
		}
	}
}

static void
a_unix_socket_has_no_address(void **state)
{
	const struct sockaddr unix_address = {.sa_family = AF_UNIX};
	unsigned char bytes[16];
	char out[ADDRESS_TEXT_MAX];

	(void)state;
	assert_false(address_bytes(&unix_address, bytes));
	address_format_host(&unix_address, out);
	assert_string_equal(out, "unix");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_form_has_one_text),
	    cmocka_unit_test(each_byte_is_written),
	    cmocka_unit_test(a_unix_socket_has_no_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
