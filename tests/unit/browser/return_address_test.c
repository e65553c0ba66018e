/* return_address_test.c - addresses to return to: none leads a browser to another site than the
 * one that was checked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/form.h"
#include "browser/return_address.h"

static struct return_address address;

static bool
parses(const char *text)
{
	return return_address_parse(slice_of(text), true, &address);
}

static void
an_address_has_a_site_and_a_path(void **state)
{
	(void)state;
	assert_true(parses("https://demo.x:8443/lab?a=b/c\\d"));
	assert_true(slice_equal(address.site, SLICE("https://demo.x:8443")));
	assert_true(slice_equal(address.authority.host, SLICE("demo.x")));
	assert_int_equal(address.authority.port, 8443);
	assert_true(slice_equal(address.to, SLICE("/lab?a=b/c\\d")));
	assert_true(parses("https://[::1]/"));
	assert_true(parses("https://demo.x/?to=https://other.x/"));
	assert_true(parses("https://demo.x/a//b?../c"));
}

static void
what_could_lead_elsewhere_is_none(void **state)
{
	static const char *const texts[] = {"", "/", "/lab", "//demo.x/", "https://", "https:///",
	    "https:///x", "https:/demo.x/", "https:demo.x/", "https:\\\\demo.x/", "http://demo.x/",
	    "HTTPS://demo.x/", " https://demo.x/", "https://demo.x", "https://demo.x?/",
	    "https://demo.x#/", "https://demo.x\\@evil/", "https://evil\\.demo.x/",
	    "https://demo.x@evil/", "https://demo.x:443@evil/", "https://demo.x:/\\evil",
	    "https://demo.x:0/", "https://demo.x:65536/", "https://demo.x//evil/",
	    "https://demo.x/\\evil", "https://demo.x/a\\b", "https://demo.x/\tb",
	    "https://demo.x/a b", "https://demo.x/a\r\nSet-Cookie:b", "https://demo.x/\xc3\xa4",
	    "https://demo%2ex/", "https://d\xc3\xa9mo.x/", "https://demo.x/a#b",
	    "https://demo.x/?a#b", "https://demo.x/.jobgate/sign-out",
	    "https://demo.x/./.jobgate/sign-in", "https://demo.x/a/%2E./.jobgate/sign-in",
	    "javascript:alert(1)//x/", "data:text/html,/"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (parses(texts[i]))
			fail_msg("%s was taken", texts[i]);
	assert_false(return_address_parse(SLICE("https://demo.localhost/"), false, &address));
	assert_true(return_address_parse(SLICE("http://demo.localhost/"), false, &address));
	/* A NUL ends the text of careless readers. */
	assert_false(return_address_parse(SLICE("https://demo.x\0.evil/"), true, &address));
	assert_false(return_address_parse((struct slice){0}, true, &address));
}

static void
long_ones_are_none(void **state)
{
	static char text[RETURN_ADDRESS_MAX + 1], out[RETURN_ADDRESS_ENCODED_MAX];
	const struct slice site = SLICE("https://demo.x/");

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text, site.at, site.len);
	assert_true(
	    return_address_parse((struct slice){text, site.len - 1 + PAGE_TO_MAX}, true, &address));
	assert_false(
	    return_address_parse((struct slice){text, site.len + PAGE_TO_MAX}, true, &address));
	assert_false(return_address_parse((struct slice){text, sizeof(text)}, true, &address));
	text[0] = '/';
	assert_int_equal(return_address_write(SLICE("demo.x"), (struct slice){text, sizeof(text)},
			     true, out, sizeof(out)),
	    0);
}

static void
a_written_one_is_read_again(void **state)
{
	char out[RETURN_ADDRESS_ENCODED_MAX], back[sizeof(out)];
	const struct slice expected =
	    SLICE("https%3A%2F%2FDemo.x%3A8443%2Fa~b%3Fc%3D%2541%2Bd%26e");
	struct slice rest;
	size_t len = return_address_write(
	    SLICE("Demo.x:8443"), SLICE("/a~b?c=%41+d&e"), true, out, sizeof(out));
	size_t n = 0;

	(void)state;
	assert_true(slice_equal((struct slice){out, len}, expected));
	for (rest = (struct slice){out, len}; rest.len > 0; n++)
		back[n] = form_next(&rest);
	assert_true(return_address_parse((struct slice){back, n}, true, &address));
	assert_true(slice_equal(address.to, SLICE("/a~b?c=%41+d&e")));
	assert_int_equal(
	    return_address_write(SLICE("Demo.x:8443"), SLICE("/a~b?c=%41+d&e"), true, out, len),
	    len);
	assert_int_equal(
	    return_address_write(SLICE("Demo.x:8443"), SLICE("/a~b?c=%41+d&e"), true, out, len - 1),
	    0);
}

static void
what_would_not_be_read_is_not_written(void **state)
{
	char out[RETURN_ADDRESS_ENCODED_MAX];

	(void)state;
	assert_int_equal(
	    return_address_write(SLICE("a@demo.x"), SLICE("/"), true, out, sizeof(out)), 0);
	assert_int_equal(return_address_write(SLICE(""), SLICE("/"), true, out, sizeof(out)), 0);
	assert_int_equal(
	    return_address_write(SLICE("demo.x"), SLICE("//evil"), true, out, sizeof(out)), 0);
	assert_int_equal(
	    return_address_write(SLICE("demo.x"), SLICE(".evil/"), true, out, sizeof(out)), 0);
	assert_int_equal(
	    return_address_write(SLICE("demo.x/a"), SLICE("/b"), true, out, sizeof(out)), 0);
}

static void
a_query_has_one(void **state)
{
	char room[RETURN_ADDRESS_MAX];

	(void)state;
	assert_true(return_address_in(
	    SLICE("?a=b&to=https%3A%2F%2Fdemo.x:8443%2Fy%3Fz"), true, room, &address));
	assert_true(slice_equal(address.to, SLICE("/y?z")));
	assert_true(slice_equal(return_address_authority(&address), SLICE("demo.x:8443")));
	assert_false(
	    return_address_in(SLICE("?to=https%3A%2F%2Fdemo.x%2F"), false, room, &address));
	assert_false(return_address_in(SLICE(""), true, room, &address));
	assert_false(return_address_in(SLICE("?"), true, room, &address));
	assert_false(return_address_in(SLICE("?to"), true, room, &address));
	assert_false(
	    return_address_in(SLICE("?to=https://a.x/&to=https://a.x/"), true, room, &address));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_address_has_a_site_and_a_path),
	    cmocka_unit_test(what_could_lead_elsewhere_is_none),
	    cmocka_unit_test(long_ones_are_none),
	    cmocka_unit_test(a_written_one_is_read_again),
	    cmocka_unit_test(what_would_not_be_read_is_not_written),
	    cmocka_unit_test(a_query_has_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
