/* console_test.c - the page is whole, and its policy lets only its own style and script in. */
#define ZLIB_CONST 1 /* zlib does not change its input */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <zlib.h>

#include "jobgate/console.h"

static char text[512 * 1024];

static void
inflate_page(void)
{
	const struct console_page *page = console_page();
	z_stream stream = {0};

	assert_non_null(page);
	assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
	stream.next_in = (const Bytef *)page->gzip.at;
	stream.avail_in = (uInt)page->gzip.len;
	stream.next_out = (Bytef *)text;
	stream.avail_out = sizeof(text) - 1;
	assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
	text[stream.total_out] = '\0';
	inflateEnd(&stream);
}

static void
the_page_is_whole(void **state)
{
	(void)state;
	inflate_page();
	assert_memory_equal(text, "<!DOCTYPE html>\n", 16);
	assert_string_equal(text + strlen(text) - 8, "</html>\n");
	/* No file ends the element that it lies in. */
	assert_null(strstr(strstr(text, "</style>") + 1, "</style>"));
	assert_null(strstr(strstr(text, "</script>") + 1, "</script>"));
	assert_ptr_equal(console_page(), console_page());
}

/* The policy has this directive with the hash of the only element between these tags. */
static void
policy_admits(const char *directive, const char *begin, const char *end)
{
	const char *from = strstr(text, begin) + strlen(begin);
	unsigned char hash[32], base64[64];
	char wanted[128], policy[1024];
	struct slice value = console_page()->policy;

	assert_true(value.len < sizeof(policy));
	memcpy(policy, value.at, value.len);
	policy[value.len] = '\0';
	assert_int_equal(
	    EVP_Digest(from, (size_t)(strstr(from, end) - from), hash, NULL, EVP_sha256(), NULL),
	    1);
	EVP_EncodeBlock(base64, hash, sizeof(hash));
	snprintf(wanted, sizeof(wanted), "%s 'sha256-%s';", directive, base64);
	assert_non_null(strstr(policy, wanted));
}

static void
the_policy_has_the_hashes_of_style_and_script(void **state)
{
	(void)state;
	inflate_page();
	policy_admits("style-src", "<style>", "</style>");
	policy_admits("script-src", "<script type=\"module\">", "</script>");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_page_is_whole),
	    cmocka_unit_test(the_policy_has_the_hashes_of_style_and_script),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
