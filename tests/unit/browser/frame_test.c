/* frame_test.c - frames around jobs: who asks for one, and who may show one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "browser/frame.h"

static const char *const origins[] = {"https://portal.test", "https://p.test:8443", NULL};
static struct field fields[4];
static struct request request;

static int
setup(void **state)
{
	(void)state;
	fields[0] = (struct field){
	    .name = SLICE("Sec-Fetch-Dest"), .value = SLICE("iframe"), .id = FIELD_SEC_FETCH_DEST};
	fields[1] = (struct field){.name = SLICE("Sec-Fetch-Mode"),
	    .value = SLICE("navigate"),
	    .id = FIELD_SEC_FETCH_MODE};
	fields[2] = fields[3] =
	    (struct field){.name = SLICE("Referer"), .id = FIELD_REFERER, .value = SLICE("")};
	request = (struct request){.fields = {.items = fields, .count = 3}};
	return 0;
}

static void
ancestors_are_the_own_origin_and_those_listed(void **state)
{
	static const char *const none[] = {NULL};
	char text[FRAME_ANCESTORS_MAX];

	(void)state;
	assert_true(slice_equal(
	    (struct slice){text, frame_ancestors(NULL, text)}, SLICE("frame-ancestors 'self'")));
	assert_true(slice_equal(
	    (struct slice){text, frame_ancestors(none, text)}, SLICE("frame-ancestors 'self'")));
	assert_true(slice_equal((struct slice){text, frame_ancestors(origins, text)},
	    SLICE("frame-ancestors 'self' https://portal.test https://p.test:8443")));
}

static bool
is_from(const char *referer)
{
	fields[2].value = slice_of(referer);
	return frame_is_from(origins, &request);
}

static void
a_frame_is_from_a_listed_page(void **state)
{
	static const char *const others[] = {"", "https://portal.test", "https://portal.test.evil/",
	    "https://portal.test@evil/", "http://portal.test/", "https://evil/https://portal.test/",
	    "https://p.test/", "https://p.test:84433/", "https://x.portal.test/",
	    "https://portal.test:444/", "https://portal.test?/", "null", " https://portal.test/"};

	(void)state;
	assert_true(is_from("https://portal.test/"));
	assert_true(is_from("https://portal.test/a?b"));
	assert_true(is_from("https://p.test:8443/"));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (is_from(others[i]))
			fail_msg("%s", others[i]);
	assert_false(frame_is_from(NULL, &request));
	/* Two of them say nothing. */
	request.fields.count = 4;
	fields[3].value = SLICE("https://portal.test/");
	assert_false(is_from("https://portal.test/"));
}

static void
other_requests_are_for_no_frame(void **state)
{
	static const char *const dests[] = {
	    "document", "image", "object", "embed", "frame", "empty", ""};

	(void)state;
	assert_true(frame_is_asked(&request));
	for (size_t i = 0; i < sizeof(dests) / sizeof(dests[0]); i++) {
		fields[0].value = slice_of(dests[i]);
		assert_false(frame_is_asked(&request));
		assert_false(is_from("https://portal.test/"));
	}
	fields[0].value = SLICE("iframe");
	fields[1].value = SLICE("no-cors");
	assert_false(is_from("https://portal.test/"));
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(ancestors_are_the_own_origin_and_those_listed),
	    TEST(a_frame_is_from_a_listed_page),
	    TEST(other_requests_are_for_no_frame),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
