/* head_test.c - what fields say, and which of them two programs could read in two ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "auth/control/head.h"

/* Read "Name: value|Name: value". */
static struct head
read_head(const char *text)
{
	struct head head = {0};

	while (*text != '\0') {
		const char *colon = strchr(text, ':'), *end = text + strcspn(text, "|");
		struct slice name = {text, (size_t)(colon - text)};
		struct slice value = {colon + 1, (size_t)(end - colon - 1)};

		assert_true(head_field(&head, name, value));
		text = end + (*end == '|');
	}
	return head;
}

static void
takes(const char *text)
{
	struct head head = read_head(text);

	if (head.error != NULL)
		fail_msg("%s: %s", text, head.error);
	head_clear(&head);
}

static void
refuses(const char *text)
{
	struct head head = read_head(text);

	if (head.error == NULL)
		fail_msg("taken: %s", text);
	head_clear(&head);
}

static void
framing(void **state)
{
	(void)state;
	takes("");
	takes("Content-Length: 0");
	takes("Content-Length: 123456789012345678");
	takes("CONTENT-LENGTH:5  ");
	takes("Transfer-Encoding: chunked");
	takes("transfer-encoding: Chunked");
	refuses("Content-Length: ");
	refuses("Content-Length: +1");
	refuses("Content-Length: -1");
	refuses("Content-Length: 1, 1");
	refuses("Content-Length: 1 1");
	refuses("Content-Length: 0x1");
	refuses("Content-Length: 1234567890123456789");
	refuses("Content-Length: 1|Content-Length: 1");
	refuses("Content-Length: 1|content-length: 2");
	refuses("Content-Length: 1|Transfer-Encoding: chunked");
	refuses("Transfer-Encoding: chunked|Content-Length: 1");
	refuses("Transfer-Encoding: ");
	refuses("Transfer-Encoding: gzip, chunked");
	refuses("Transfer-Encoding: chunked, chunked");
	refuses("Transfer-Encoding: chunked|Transfer-Encoding: chunked");
	refuses("Transfer-Encoding: identity");
}

static void
names_and_values(void **state)
{
	(void)state;
	takes("X-Any_thing.~!#: \x80\xff any\tthing");
	refuses("Content-Length : 1");
	refuses(" Host: x");
	refuses(": x");
	refuses("A B: x");
	refuses("A(: x");
	refuses("A: x\x01y");
	refuses("A: x\x7fy");
	refuses("A: x\ry");
}

static void
authorization(void **state)
{
	struct head head = read_head("A: b|aUTHORIZATION: \t Bearer  x \t");

	(void)state;
	assert_int_equal(head.authorizations, 1);
	assert_string_equal(head.authorization, "Bearer  x");
	head_clear(&head);
	assert_int_equal(head.authorizations, 0);
	assert_null(head.authorization);
	assert_int_equal(head.fields, 0);
	head = read_head("Authorization: a|X: y|Authorization: b|authorization: c");
	assert_int_equal(head.authorizations, 3);
	assert_string_equal(head.authorization, "a");
	head_clear(&head);
	head = read_head("Authorization:");
	assert_int_equal(head.authorizations, 1);
	assert_string_equal(head.authorization, "");
	head_clear(&head);
	head = read_head("X-Authorization: a|Proxy-Authorization: b");
	assert_int_equal(head.authorizations, 0);
	head_clear(&head);
}

static void
client_is(const char *list, const char *expected)
{
	struct head head = {0};

	assert_true(head_field(&head, SLICE("X-Forwarded-For"), slice_of(list)));
	assert_string_equal(head.client, expected);
	head_clear(&head);
}

/* What goes into the audit log: addresses, and nothing of a client's own choice. */
static void
client(void **state)
{
	(void)state;
	client_is("192.0.2.1", "192.0.2.1");
	client_is("192.0.2.1, fd00::1,\t10.0.0.1", "192.0.2.1, fd00::1,\t10.0.0.1");
	client_is("unix", "unix");
	client_is("192.0.2.1 by token x, 10.0.0.1", "10.0.0.1");
	client_is("1.1.1.1, x\x9by, 192.0.2.1, 10.0.0.1", "192.0.2.1, 10.0.0.1");
	client_is("unix, 10.0.0.1", "10.0.0.1");
	client_is("[fd00::1]:1, 10.0.0.1", "10.0.0.1");
	client_is(", 10.0.0.1", "10.0.0.1");
	client_is("10.0.0.1,", "");
	client_is("10.0.0.1, request 7", "");
	client_is("", "");
	client_is("255.255.255.255, 255.255.255.255, 255.255.255.255, 255.255.255.255",
	    "255.255.255.255, 255.255.255.255, 255.255.255.255"); /* whole ones, as many as fit */
}

static void
bounds(void **state)
{
	static char value[CONTROL_HEAD_MAX];
	struct head head = {0};

	(void)state;
	for (int i = 0; i < CONTROL_FIELDS_MAX; i++)
		assert_true(head_field(&head, SLICE("A"), SLICE("b")));
	assert_false(head.too_large);
	assert_true(head_field(&head, SLICE("A"), SLICE("b")));
	assert_true(head.too_large);
	head_clear(&head);
	assert_false(head.too_large);
	memset(value, 'x', sizeof(value));
	assert_true(head_field(&head, SLICE("A"), (struct slice){value, sizeof(value) - 5}));
	assert_false(head.too_large);
	head_clear(&head);
	assert_true(head_field(&head, SLICE("A"), (struct slice){value, sizeof(value) - 4}));
	assert_true(head.too_large);
	head_clear(&head);
	/* What is too large is not kept. */
	assert_true(
	    head_field(&head, SLICE("Authorization"), (struct slice){value, sizeof(value)}));
	assert_null(head.authorization);
	head_clear(&head);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(framing),
	    cmocka_unit_test(names_and_values),
	    cmocka_unit_test(authorization),
	    cmocka_unit_test(client),
	    cmocka_unit_test(bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
