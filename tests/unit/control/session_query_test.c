/* session_query_test.c - ids of sessions, and queries of lists and cuts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/control/session_query.h"

static struct session_question question;
static struct input_error error;

static bool
parse(const char *text, bool cuts)
{
	question = (struct session_question){.order.cuts = cuts};
	error = (struct input_error){0};
	return session_query_parse(slice_of(text), &question, &error);
}

static void
ids(void **state)
{
	static const char *const wrong[] = {"", "0123abcd", "0123abcd-", "0123abcd-0",
	    "0123abcd-00", "0123ABCD-1", "123abcd-1", "0123abcd-g", "0123abcd-1 ",
	    "0123abcd-12345678123456781", "0123abcd:1"};
	struct session_id id = {0x0123abcd, 0xfeed}, read;
	char text[SESSION_ID_MAX];

	(void)state;
	session_id_format(&id, text);
	assert_string_equal(text, "0123abcd-feed");
	assert_true(session_id_parse(slice_of(text), &read));
	assert_true(read.worker == id.worker && read.serial == id.serial);
	id = (struct session_id){UINT32_MAX, UINT64_MAX};
	session_id_format(&id, text);
	assert_true(session_id_parse(slice_of(text), &read));
	assert_true(read.worker == id.worker && read.serial == id.serial);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (session_id_parse(slice_of(wrong[i]), &read))
			fail_msg("%s", wrong[i]);
}

static void
lists(void **state)
{
	const struct session_filter *filter = &question.order.filter;

	(void)state;
	assert_true(parse("", false));
	assert_int_equal(question.order.most, 100);
	assert_true(parse("limit=7&token=abcdefghij012345&job=a-b&state=tunnel&state=waiting"
			  "&address=10.0.0.0%2F8&cursor=0000000f-2",
	    false));
	assert_int_equal(question.order.most, 7);
	assert_string_equal(filter->token, "abcdefghij012345");
	assert_string_equal(filter->job, "a-b");
	assert_int_equal(filter->states, 1u << SESSION_TUNNEL | 1u << SESSION_WAITING);
	assert_true(filter->has_address && filter->address.prefix == 104);
	assert_int_equal(question.from.worker, 15);
	assert_int_equal(question.from.serial, 2);
	assert_false(parse("state=ended", false));
	assert_string_equal(error.field, "state");
	assert_false(parse("job=a%", false));
	assert_false(parse("nothing=1", false));
}

/* A cut without a filter would end everything. */
static void
cuts(void **state)
{
	static const char *const wrong[] = {"", "&", "job",
	    "job=", "token=", "address=", "state=tunnel", "limit=1", "cursor=0123abcd-1",
	    "job=a&job=a", "job=a&address=10.0.0.1", "job=a&x=y", "jobs=a", "job=a%00b",
	    "job=a%zz"};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (parse(wrong[i], true))
			fail_msg("%s", wrong[i]);
	assert_true(parse("job=a", true) && question.order.most == 0);
	assert_true(parse("token=abcdefghij012345", true));
	assert_true(parse("address=::1", true));
}

static void
scopes(void **state)
{
	const struct label labels[] = {{SLICE("a"), SLICE("b")}, {SLICE("c"), SLICE("")}};
	const struct label_set scope = {2, labels};

	(void)state;
	question = (struct session_question){0};
	assert_true(session_query_scope(&scope, &question));
	assert_true(question.order.filter.scoped);
	assert_string_equal(question.order.filter.scope, "a=b,c=");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ids),
	    cmocka_unit_test(lists),
	    cmocka_unit_test(cuts),
	    cmocka_unit_test(scopes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
