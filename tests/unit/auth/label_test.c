/* label_test.c - the Kubernetes rules at each of their limits, and what selectors select. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "jobgate/label.h"

static const char part_inner[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
static const char alnum[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
static const char prefix_inner[] = "abcdefghijklmnopqrstuvwxyz0123456789.-";

static bool
one_of(int c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

static void
expect_name(struct slice name, enum label_error error, size_t offset)
{
	size_t bad = 9999;

	if (jg_label_name_check(name, &bad) != error)
		fail_msg("name '%.*s': not %d", (int)name.len, name.at, error);
	if (error != LABEL_OK && bad != offset)
		fail_msg("name '%.*s': %zu, not %zu", (int)name.len, name.at, bad, offset);
}

static void
names(void **state)
{
	const struct {
		const char *name;
		enum label_error error;
		size_t bad;
	} cases[] = {
	    {"a", LABEL_OK, 0},
	    {"Z9", LABEL_OK, 0},
	    {"a.b_c-9", LABEL_OK, 0},
	    {"example.com/model", LABEL_OK, 0},
	    {"a/B", LABEL_OK, 0},
	    {"0-0.9/x", LABEL_OK, 0},
	    {"", LABEL_BAD_NAME, 0},
	    {"-a", LABEL_BAD_NAME, 0},
	    {"a-", LABEL_BAD_NAME, 1},
	    {"a_", LABEL_BAD_NAME, 1},
	    {"ab cd", LABEL_BAD_NAME, 2},
	    {"a\303\244", LABEL_BAD_NAME, 1},
	    {"/a", LABEL_BAD_NAME, 0},
	    {"a/", LABEL_BAD_NAME, 2},
	    {"a/-b", LABEL_BAD_NAME, 2},
	    {"a/b.", LABEL_BAD_NAME, 3},
	    {"a/b/c", LABEL_BAD_NAME, 3},
	    {"Example/a", LABEL_BAD_NAME, 0},
	    {"a_b/c", LABEL_BAD_NAME, 1},
	    {".a/b", LABEL_BAD_NAME, 0},
	    {"a./b", LABEL_BAD_NAME, 2},
	    {"a..b/c", LABEL_BAD_NAME, 2},
	    {"-a/b", LABEL_BAD_NAME, 0},
	    {"a-/b", LABEL_BAD_NAME, 1},
	    {"a-.b/c", LABEL_BAD_NAME, 1},
	    {"a.-b/c", LABEL_BAD_NAME, 2},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_name(slice_of(cases[i].name), cases[i].error, cases[i].bad);
	expect_name((struct slice){0}, LABEL_BAD_NAME, 0);
}

/* Each of the 256 bytes at the beginning, within, and at the end. */
static void
every_byte_of_a_part(void **state)
{
	size_t bad;

	(void)state;
	for (int c = 0; c < 256; c++) {
		for (size_t at = 0; at < 3; at++) {
			char text[] = "xxx";
			bool legal = one_of(c, at == 1 ? part_inner : alnum);

			text[at] = (char)c;
			assert_int_equal(jg_label_value_check((struct slice){text, 3}, &bad),
			    legal ? LABEL_OK : LABEL_BAD_VALUE);
			assert_true(legal || bad == at);
			if (c == '/' && at == 1) /* parts a prefix off */
				legal = true;
			expect_name((struct slice){text, 3}, legal ? LABEL_OK : LABEL_BAD_NAME,
			    c == '/' && at == 2 ? 3 : at);
		}
	}
}

static void
every_byte_of_a_prefix(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		char text[] = "aXa/name";

		text[1] = (char)c;
		if (c == '/')
			expect_name((struct slice){text, 8}, LABEL_BAD_NAME, 3);
		else
			expect_name((struct slice){text, 8},
			    one_of(c, prefix_inner) ? LABEL_OK : LABEL_BAD_NAME, 1);
	}
}

static void
a_part_has_at_most_63_characters(void **state)
{
	char text[80];
	size_t bad;

	(void)state;
	memset(text, 'a', sizeof(text));
	expect_name((struct slice){text, 63}, LABEL_OK, 0);
	expect_name((struct slice){text, 64}, LABEL_BAD_NAME, 63);
	assert_int_equal(jg_label_value_check((struct slice){text, 63}, &bad), LABEL_OK);
	assert_int_equal(jg_label_value_check((struct slice){text, 64}, &bad), LABEL_BAD_VALUE);
	assert_int_equal(bad, 63);
	memcpy(text, "p/", 2);
	expect_name((struct slice){text, 2 + 63}, LABEL_OK, 0);
	expect_name((struct slice){text, 2 + 64}, LABEL_BAD_NAME, 2 + 63);
}

/* "aaa.aaa.[...]/x" with a prefix of len characters, in DNS labels of at most 63. */
static struct slice
name_with_prefix(char *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out[i] = i % 64 == 63 && i + 1 < len ? '.' : 'a';
	memcpy(out + len, "/x", 2);
	return (struct slice){out, len + 2};
}

static void
a_prefix_has_at_most_253_characters(void **state)
{
	char text[LABEL_NAME_MAX + 8];
	struct slice longest;

	(void)state;
	expect_name(name_with_prefix(text, 252), LABEL_OK, 0);
	expect_name(name_with_prefix(text, 253), LABEL_OK, 0);
	expect_name(name_with_prefix(text, 254), LABEL_BAD_NAME, 253);
	longest = name_with_prefix(text, 253);
	memset(text + longest.len - 1, 'x', 64);
	expect_name((struct slice){text, LABEL_NAME_MAX}, LABEL_OK, 0);
	expect_name((struct slice){text, LABEL_NAME_MAX + 1}, LABEL_BAD_NAME, LABEL_NAME_MAX);
}

static void
a_dns_label_has_at_most_63_characters(void **state)
{
	char text[80];

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text + 63, "/x", 2);
	expect_name((struct slice){text, 65}, LABEL_OK, 0);
	memcpy(text + 63, "a/x", 3);
	expect_name((struct slice){text, 66}, LABEL_BAD_NAME, 63);
	memcpy(text + 63, ".b/x", 4);
	expect_name((struct slice){text, 67}, LABEL_OK, 0);
}

static void
labels(void **state)
{
	const struct {
		const char *text, *name, *value;
		enum label_error error;
		size_t bad;
	} cases[] = {
	    {"model=base", "model", "base", LABEL_OK, 0},
	    {"model=", "model", "", LABEL_OK, 0},
	    {"a.b/c=d", "a.b/c", "d", LABEL_OK, 0},
	    {"", "", "", LABEL_NO_EQUALS, 0},
	    {"model", "", "", LABEL_NO_EQUALS, 5},
	    {"=base", "", "", LABEL_BAD_NAME, 0},
	    {"mo del=base", "", "", LABEL_BAD_NAME, 2},
	    {"model=ba se", "", "", LABEL_BAD_VALUE, 8},
	    {"model==", "", "", LABEL_BAD_VALUE, 6},
	    {"model=a=b", "", "", LABEL_BAD_VALUE, 7},
	    {"model=-", "", "", LABEL_BAD_VALUE, 6},
	    {"model=base-", "", "", LABEL_BAD_VALUE, 10},
	    {"model=a/b", "", "", LABEL_BAD_VALUE, 7},
	    {" model=base", "", "", LABEL_BAD_NAME, 0},
	};
	struct label label;
	size_t bad;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
		    jg_label_parse(slice_of(cases[i].text), &label, &bad), cases[i].error);
		if (cases[i].error != LABEL_OK) {
			assert_int_equal(bad, cases[i].bad);
			continue;
		}
		assert_true(slice_equal(label.name, slice_of(cases[i].name)));
		assert_true(slice_equal(label.value, slice_of(cases[i].value)));
		assert_ptr_equal(label.name.at, cases[i].text);
	}
	assert_int_equal(jg_label_parse((struct slice){0}, &label, &bad), LABEL_NO_EQUALS);
}

static void
selectors(void **state)
{
	const struct {
		const char *text;
		enum label_error error;
		size_t count, bad;
	} cases[] = {
	    {"", LABEL_OK, 0, 0},
	    {"a=b", LABEL_OK, 1, 0},
	    {"a=,b=", LABEL_OK, 2, 0},
	    {"a=b,c=d,x/y=z", LABEL_OK, 3, 0},
	    {",", LABEL_NO_EQUALS, 0, 0},
	    {"a=b,", LABEL_NO_EQUALS, 0, 4},
	    {",a=b", LABEL_NO_EQUALS, 0, 0},
	    {"a=b,,c=d", LABEL_NO_EQUALS, 0, 4},
	    {"a=b,c", LABEL_NO_EQUALS, 0, 5},
	    {"a=b, c=d", LABEL_BAD_NAME, 0, 4},
	    {"a=b ,c=d", LABEL_BAD_VALUE, 0, 3},
	    {"a=b,c=!", LABEL_BAD_VALUE, 0, 6},
	    {"a=b,=d", LABEL_BAD_NAME, 0, 4},
	    {"a=b,a=b", LABEL_DUPLICATE, 0, 4},
	    {"a=b,c=d,a=e", LABEL_DUPLICATE, 0, 8},
	    {"a=b,A=b", LABEL_OK, 2, 0},
	    {"a=b;c=d", LABEL_BAD_VALUE, 0, 3},
	    {"a!=b", LABEL_BAD_NAME, 0, 1},
	};
	struct label found[SELECTOR_LABELS_MAX];
	size_t count, bad;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum label_error error =
		    jg_selector_parse(slice_of(cases[i].text), found, &count, &bad);

		if (error != cases[i].error)
			fail_msg("selector '%s': %d", cases[i].text, error);
		if (error == LABEL_OK)
			assert_int_equal(count, cases[i].count);
		else if (bad != cases[i].bad)
			fail_msg("selector '%s': %zu", cases[i].text, bad);
	}
	assert_int_equal(jg_selector_parse((struct slice){0}, found, &count, &bad), LABEL_OK);
	assert_int_equal(count, 0);
}

static void
a_selector_has_at_most_16_labels(void **state)
{
	struct label found[SELECTOR_LABELS_MAX];
	char text[SELECTOR_LABELS_MAX * 8 + 8];
	size_t count, bad, len = 0;

	(void)state;
	for (size_t i = 0; i < SELECTOR_LABELS_MAX; i++)
		len += (size_t)snprintf(
		    text + len, sizeof(text) - len, "%sn%zu=v", i > 0 ? "," : "", i);
	assert_int_equal(
	    jg_selector_parse((struct slice){text, len}, found, &count, &bad), LABEL_OK);
	assert_int_equal(count, SELECTOR_LABELS_MAX);
	assert_true(slice_equal(found[15].name, SLICE("n15")));
	snprintf(text + len, sizeof(text) - len, ",x=");
	assert_int_equal(jg_selector_parse(slice_of(text), found, &count, &bad), LABEL_TOO_MANY);
	assert_int_equal(bad, len + 1);
}

static void
a_selector_is_written_as_it_was_read(void **state)
{
	static const char text[] = "a=b,x.y/c=,d=e";
	struct label found[SELECTOR_LABELS_MAX];
	struct label_set selector = {0, found};
	char out[sizeof(text)];
	size_t bad;

	(void)state;
	assert_int_equal(jg_selector_parse(SLICE(text), found, &selector.count, &bad), LABEL_OK);
	for (size_t cap = 1; cap < sizeof(text); cap++) {
		memset(out, '#', sizeof(out));
		assert_int_equal(jg_selector_format(&selector, out, cap), cap);
		assert_string_equal(out, "");
		for (size_t i = cap; i < sizeof(out); i++)
			assert_int_equal(out[i], '#');
	}
	assert_int_equal(jg_selector_format(&selector, out, sizeof(text)), sizeof(text) - 1);
	assert_string_equal(out, text);
	selector.count = 0;
	assert_int_equal(jg_selector_format(&selector, out, 1), 0);
	assert_string_equal(out, "");
}

static void
a_selector_selects_what_carries_all_its_labels(void **state)
{
	const struct {
		const char *selector, *labels;
		bool match;
	} cases[] = {
	    {"", "", true},
	    {"", "a=b", true},
	    {"a=b", "", false},
	    {"a=b", "a=b", true},
	    {"a=b", "a=c", false},
	    {"a=b", "A=b", false},
	    {"a=b", "a=B", false},
	    {"a=b", "a=bb", false},
	    {"a=bb", "a=b", false},
	    {"a=", "a=", true},
	    {"a=", "a=b", false},
	    {"a=", "b=", false},
	    {"a=b", "c=d,a=b", true},
	    {"a=b,c=d", "a=b", false},
	    {"a=b,c=d", "c=d,x=y,a=b", true},
	    {"a=b,c=d", "c=d,x=y,a=e", false},
	    {"b=a", "a=b", false},
	    {"p/a=b", "a=b", false},
	    {"a=b", "p/a=b", false},
	};
	struct label wanted[SELECTOR_LABELS_MAX], carried[SELECTOR_LABELS_MAX];
	struct label_set selector = {0, wanted}, set = {0, carried};
	size_t bad;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		jg_selector_parse(slice_of(cases[i].selector), wanted, &selector.count, &bad);
		jg_selector_parse(slice_of(cases[i].labels), carried, &set.count, &bad);
		if (jg_selector_match(&selector, &set) != cases[i].match)
			fail_msg("'%s' over '%s'", cases[i].selector, cases[i].labels);
	}
}

static void
each_mistake_has_its_sentence(void **state)
{
	(void)state;
	for (int i = LABEL_OK; i <= LABEL_TOO_MANY; i++) {
		const char *text = jg_label_error_text((enum label_error)i);

		assert_true(strlen(text) > 0 && text[strlen(text) - 1] != '.');
		for (int j = LABEL_OK; j < i; j++)
			assert_string_not_equal(text, jg_label_error_text((enum label_error)j));
	}
	assert_string_equal(jg_label_error_text((enum label_error)99), "not a label");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names),
	    cmocka_unit_test(every_byte_of_a_part),
	    cmocka_unit_test(every_byte_of_a_prefix),
	    cmocka_unit_test(a_part_has_at_most_63_characters),
	    cmocka_unit_test(a_prefix_has_at_most_253_characters),
	    cmocka_unit_test(a_dns_label_has_at_most_63_characters),
	    cmocka_unit_test(labels),
	    cmocka_unit_test(selectors),
	    cmocka_unit_test(a_selector_has_at_most_16_labels),
	    cmocka_unit_test(a_selector_is_written_as_it_was_read),
	    cmocka_unit_test(a_selector_selects_what_carries_all_its_labels),
	    cmocka_unit_test(each_mistake_has_its_sentence),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
