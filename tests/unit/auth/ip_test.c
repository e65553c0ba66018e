/* ip_test.c - classes of addresses, in every form in which they can be written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "jobgate/ip.h"

static enum ip_class
class_of(const char *text)
{
	struct in6_addr address;

	if (!jg_ip_parse(slice_of(text), &address))
		fail_msg("%s is no address", text);
	return jg_ip_class(&address);
}

static void
test_classes(void **state)
{
	static const struct {
		enum ip_class class;
		const char *texts[24];
	} cases[] = {
	    {IP_CLASS_ORDINARY,
		{"10.0.0.1", "192.168.1.1", "8.8.8.8", "223.255.255.255", "240.0.0.1",
		    "100.100.100.201", "2a00::1", "fd00:ec3::1", "::ffff:10.0.0.1",
		    "64:ff9b::808:808", "2002:808:808::1", "169.253.1.1", "128.0.0.1"}},
	    {IP_CLASS_LOOPBACK,
		{"127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "2002:7f00:1::"}},
	    {IP_CLASS_UNSPECIFIED, {"0.0.0.0", "0.1.2.3", "::", "::ffff:0.0.0.0"}},
	    {IP_CLASS_LINK_LOCAL,
		{"169.254.169.254", "169.254.0.1", "fe80::1", "febf::1", "::ffff:169.254.169.254",
		    "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "::ffff:0:169.254.169.254",
		    "fd00:ec2::254", "fd20:ce::254", "fd00:c1::a9fe:a9fe", "fd00:42::42",
		    "100.100.100.200", "168.63.129.16", "192.0.0.192", "64:ff9b:1::1", "2001::1",
		    "::169.254.169.254"}},
	    {IP_CLASS_MULTICAST, {"224.0.0.1", "239.255.255.250", "255.255.255.255", "ff02::1"}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t j = 0; cases[i].texts[j] != NULL; j++)
			if (class_of(cases[i].texts[j]) != cases[i].class)
				fail_msg("%s is %s", cases[i].texts[j],
				    jg_ip_class_text(class_of(cases[i].texts[j])));
}

static void
test_names_are_no_addresses(void **state)
{
	static const char *const names[] = {"localhost", "", "127.1", "0x7f.0.0.1", "2130706433",
	    "fe80::1%eth0", "1.2.3.4.example.org",
	    "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"};
	struct in6_addr address;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_false(jg_ip_parse(slice_of(names[i]), &address));
}

static void
test_ranges(void **state)
{
	static const struct {
		unsigned prefix;
		bool contains;
	} cases[] = {{96 + 17, true}, {96 + 18, false}, {128, false}, {0, true}};
	struct ip_range range, same;
	struct in6_addr address;

	(void)state;
	assert_true(jg_ip_parse(SLICE("10.1.128.0"), &range.address));
	assert_true(jg_ip_parse(SLICE("10.1.255.255"), &address));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		range.prefix = cases[i].prefix;
		assert_int_equal(jg_ip_range_contains(&range, &address), cases[i].contains);
	}
	assert_true(jg_ip_range_contains(&(struct ip_range){address, 128}, &address));

	same = range;
	assert_true(jg_ip_range_equal(&range, &same));
	same.prefix++;
	assert_false(jg_ip_range_equal(&range, &same));
	same = (struct ip_range){address, range.prefix};
	assert_false(jg_ip_range_equal(&range, &same));
}

static void
test_what_is_refused(void **state)
{
	(void)state;
	assert_false(jg_ip_class_refused(IP_CLASS_ORDINARY));
	assert_false(jg_ip_class_refused(IP_CLASS_LOOPBACK));
	assert_true(jg_ip_class_refused(IP_CLASS_UNSPECIFIED));
	assert_true(jg_ip_class_refused(IP_CLASS_LINK_LOCAL));
	assert_true(jg_ip_class_refused(IP_CLASS_MULTICAST));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_classes),
	    cmocka_unit_test(test_names_are_no_addresses),
	    cmocka_unit_test(test_ranges),
	    cmocka_unit_test(test_what_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
