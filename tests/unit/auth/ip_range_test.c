/* ip_range_test.c - ranges of IP addresses, and lists of them, as text and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "jobgate/token.h"

static struct in6_addr
address_of(const char *text)
{
	struct in6_addr address;

	assert_true(jg_ip_parse(slice_of(text), &address));
	return address;
}

static void
written_as_they_are_read(void **state)
{
	static const char *const texts[] = {"10.0.0.0/8", "192.0.2.1", "0.0.0.0/0", "10.0.0.1/8",
	    "2001:db8::/32", "::/0", "::1", "::ffff:0.0.0.0/95",
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ff00/120"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char text[IP_RANGE_TEXT_MAX];
		struct ip_range range;

		assert_true(jg_ip_range_parse(slice_of(texts[i]), &range));
		jg_ip_range_format(&range, text);
		assert_string_equal(text, texts[i]);
	}
}

static void
what_is_no_range(void **state)
{
	static const char *const texts[] = {"", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "::/129",
	    "10.0.0.0/8/8", "10.0.0.0/-1", "10.0.0.0/8 ", " 10.0.0.0", "10.0.0/8", "example.org",
	    "::ffff:10.0.0.0/129", "10.0.0.0/0x8", "10.0.0.0,10.0.0.1"};
	struct ip_range range;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (jg_ip_range_parse(slice_of(texts[i]), &range))
			fail_msg("'%s' was taken", texts[i]);
}

/* IPv4 in both forms is the same, and 0.0.0.0/0 is not all of IPv6. */
static void
what_a_range_contains(void **state)
{
	struct in6_addr ipv4 = address_of("192.0.2.1"), ipv6 = address_of("2001:db8::1");
	struct ip_range range;

	(void)state;
	assert_true(jg_ip_range_parse(SLICE("::ffff:192.0.2.0/120"), &range));
	assert_true(jg_ip_range_contains(&range, &ipv4));
	assert_true(jg_ip_range_parse(SLICE("0.0.0.0/0"), &range));
	assert_true(jg_ip_range_contains(&range, &ipv4));
	assert_false(jg_ip_range_contains(&range, &ipv6));
	assert_true(jg_ip_range_parse(SLICE("::/0"), &range));
	assert_true(jg_ip_range_contains(&range, &ipv4));
	assert_true(jg_ip_range_contains(&range, &ipv6));
}

static void
lists(void **state)
{
	static const char *const bad[] = {"", ",", "10.0.0.0/8,", ",10.0.0.0/8", "10.0.0.0/8,,::1",
	    "10.0.0.0/8;::1", "10.0.0.0/8 ::1"};
	struct in6_addr inside = address_of("2001:db8::1"), outside = address_of("2001:db8::2");
	struct ip_range items[3];
	struct ip_ranges ranges = {.items = items};
	char text[3 * IP_RANGE_TEXT_MAX + 1];

	(void)state;
	assert_true(jg_ip_ranges_parse(SLICE(" 10.0.0.0/8 ,2001:db8::1"), items, 3, &ranges.count));
	jg_ip_ranges_format(&ranges, text, sizeof(text));
	assert_string_equal(text, "10.0.0.0/8,2001:db8::1");
	assert_true(jg_ip_ranges_contain(&ranges, &inside));
	assert_false(jg_ip_ranges_contain(&ranges, &outside));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (jg_ip_ranges_parse(slice_of(bad[i]), items, 3, &ranges.count))
			fail_msg("'%s' was taken", bad[i]);
	assert_true(jg_ip_ranges_parse(SLICE("::1,::2,::3"), items, 3, &ranges.count));
	assert_int_equal(ranges.count, 3);
	assert_false(jg_ip_ranges_parse(SLICE("::1,::2,::3,::4"), items, 3, &ranges.count));
}

static void
the_longest_list_has_room(void **state)
{
	static const char longest[] = "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.0/120";
	struct ip_range items[TOKEN_FROM_MAX];
	struct ip_ranges ranges = {TOKEN_FROM_MAX, items};
	char text[TOKEN_FROM_TEXT_MAX];
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < TOKEN_FROM_MAX; i++)
		assert_true(jg_ip_range_parse(slice_of(longest), &items[i]));
	jg_ip_ranges_format(&ranges, text, sizeof(text));
	assert_true(jg_ip_ranges_parse(slice_of(text), items, TOKEN_FROM_MAX, &count));
	assert_int_equal(count, TOKEN_FROM_MAX);
}

static void
ranges_within_others(void **state)
{
	static const struct {
		const char *inner;
		bool within;
	} cases[] = {{"10.1.0.0/16", true}, {"10.0.0.0/8", true}, {"10.0.0.0/7", false},
	    {"10.1.2.3,2001:db8::1", true}, {"10.1.2.3,2001:db8::2", false}, {"::/0", false}};
	struct ip_range inner_items[2], outer_items[2];
	struct ip_ranges inner = {.items = inner_items}, outer = {.items = outer_items};

	(void)state;
	assert_true(
	    jg_ip_ranges_parse(SLICE("10.0.0.0/8,2001:db8::1"), outer_items, 2, &outer.count));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(
		    jg_ip_ranges_parse(slice_of(cases[i].inner), inner_items, 2, &inner.count));
		assert_int_equal(jg_ip_ranges_within(&inner, &outer), cases[i].within);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(written_as_they_are_read),
	    cmocka_unit_test(what_is_no_range),
	    cmocka_unit_test(what_a_range_contains),
	    cmocka_unit_test(lists),
	    cmocka_unit_test(the_longest_list_has_room),
	    cmocka_unit_test(ranges_within_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
