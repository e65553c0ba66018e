/* client_address_test.c - finds the address of the client behind trusted proxies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exchange/client_address.h"

static const unsigned char peer_ipv4[4] = {192, 0, 2, 1};

static struct exchange_peer
make_peer(void)
{
	struct exchange_peer peer = {.purpose = FOR_JOBS};
	struct in6_addr address = jg_ip_mapped(peer_ipv4);

	memcpy(peer.address, &address, sizeof(peer.address));
	return peer;
}

/* The address that is found, as text; "" when none is. Trusted are 10/8 and 2001:db8::/32. */
static const char *
find(const struct exchange_peer *peer, size_t count, const char *const lists[])
{
	static char text[IP_RANGE_TEXT_MAX];
	struct ip_range ranges[2];
	struct ip_ranges trusted = {.items = ranges};
	struct field items[4] = {{.name = SLICE("Accept"), .value = SLICE("192.0.2.99")}};
	struct in6_addr address;

	assert_true(
	    jg_ip_ranges_parse(SLICE("10.0.0.0/8,2001:db8::/32"), ranges, 2, &trusted.count));
	for (size_t i = 0; i < count; i++)
		items[i + 1] = (struct field){.name = SLICE("X-Forwarded-For"),
		    .value = slice_of(lists[i]),
		    .id = FIELD_X_FORWARDED_FOR};
	if (!client_address_find(peer, &(struct fields){items, count + 1}, &trusted, &address))
		return "";
	jg_ip_range_format(&(struct ip_range){address, 128}, text);
	return text;
}

static void
the_peer_is_the_client(void **state)
{
	const char *const lists[] = {"192.0.2.2"};
	struct exchange_peer peer = make_peer();

	(void)state;
	assert_string_equal(find(&peer, 0, NULL), "192.0.2.1");
	assert_string_equal(find(&peer, 1, lists), "192.0.2.1"); /* the client's own invention */
	peer.unnamed = true;
	assert_string_equal(find(&peer, 1, lists), "");
	peer = (struct exchange_peer){.local = true};
	assert_string_equal(find(&peer, 1, lists), "");
}

static void
a_trusted_proxy_names_it(void **state)
{
	static const struct {
		const char *list, *address;
	} cases[] = {
	    {"192.0.2.2", "192.0.2.2"},
	    {" 192.0.2.2 ", "192.0.2.2"},
	    {"192.0.2.2:4711", "192.0.2.2"},
	    {"[2001:db9::1]:4711", "2001:db9::1"},
	    {"[2001:db9::1]", "2001:db9::1"},
	    {"2001:db9::1", "2001:db9::1"},
	    {"::ffff:192.0.2.2", "192.0.2.2"},
	    {"1.1.1.1, 192.0.2.2", "192.0.2.2"}, /* the first may be the client's invention */
	    {"nonsense, 192.0.2.2", "192.0.2.2"},
	    {"1.1.1.1, 192.0.2.2, 10.1.2.3", "192.0.2.2"},
	    {"192.0.2.2,10.1.2.3,2001:db8::7", "192.0.2.2"},
	    {"10.9.9.9, 10.1.2.3", "10.9.9.9"}, /* the client is a proxy itself */
	    {"", ""},
	    {"unknown", ""},
	    {"unix", ""},
	    {"192.0.2.2, unknown", ""},
	    {"192.0.2.2,", ""},
	    {",", ""},
	    {"192.0.2.2:", ""},
	    {"192.0.2.2:http", ""},
	    {"192.0.2.2:1:2", ""},
	    {"[2001:db9::1", ""},
	    {"[2001:db9::1]x", ""},
	    {"[]", ""},
	    {"192.0.2", ""},
	    {"192.0.2.2/32", ""},
	    {"192.0.2.2 10.1.2.3", ""},
	    {"nonsense, 10.1.2.3", ""},
	};
	struct exchange_peer peer = make_peer();

	(void)state;
	peer.trusted = true;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(find(&peer, 1, &cases[i].list), cases[i].address);
	assert_string_equal(find(&peer, 0, NULL), "");
}

static void
several_fields_are_one_list(void **state)
{
	struct exchange_peer peer = make_peer();

	(void)state;
	peer.trusted = true;
	assert_string_equal(
	    find(&peer, 2, (const char *const[]){"1.1.1.1, 192.0.2.2", "10.1.2.3"}), "192.0.2.2");
	assert_string_equal(
	    find(&peer, 2, (const char *const[]){"1.1.1.1", "192.0.2.2, 10.1.2.3"}), "192.0.2.2");
	assert_string_equal(
	    find(&peer, 2, (const char *const[]){"10.1.1.1", "10.1.2.3"}), "10.1.1.1");
	assert_string_equal(find(&peer, 2, (const char *const[]){"x", "10.1.2.3"}), "");
	assert_string_equal(find(&peer, 2, (const char *const[]){"192.0.2.2", ""}), "");
}

/* The other proxy is not the client, even if it asks through a Unix socket. */
static void
forward_auth_needs_the_field(void **state)
{
	struct exchange_peer peer = {.local = true, .forward_auth = true};

	(void)state;
	assert_string_equal(find(&peer, 0, NULL), "");
	assert_string_equal(find(&peer, 1, (const char *const[]){"192.0.2.2"}), "192.0.2.2");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_peer_is_the_client),
	    cmocka_unit_test(a_trusted_proxy_names_it),
	    cmocka_unit_test(several_fields_are_one_list),
	    cmocka_unit_test(forward_auth_needs_the_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
