/* present_test.c - descriptions, tables and JSON, to the byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "auth/cli/present.h"

static const struct column columns[] = {
    {"Id", "id", "-"},
    {"Label selector", "label_selector", "none"},
    {"Labels", "labels", "none"},
    {"Version", "version", "-"},
    {0},
};

static bool
present_all(const struct printer *printer, const json_t *records)
{
	struct present_list list;
	bool ok;

	present_list_begin(&list, printer, columns);
	ok = present_list_add(&list, records);
	return present_list_end(&list, true) && ok;
}

/* What a presentation writes; to be freed. */
static char *
shown(enum output output, bool color, const json_t *value, bool list)
{
	char *text = NULL;
	size_t len = 0;
	struct printer printer = {open_memstream(&text, &len), output, color};

	assert_true(list ? present_all(&printer, value) : present_record(&printer, value, columns));
	fclose(printer.out);
	return text;
}

static void
shows(enum output output, bool color, json_t *value, bool list, const char *expected)
{
	char *text = shown(output, color, value, list);

	assert_string_equal(text, expected);
	free(text);
	json_decref(value);
}

static json_t *
sample(void)
{
	return json_pack("{s:s, s:s, s:{s:s, s:s}, s:i}", "id", "abc", "label_selector", "",
	    "labels", "b", "2", "a", "1", "version", 7);
}

static void
descriptions(void **state)
{
	(void)state;
	shows(OUTPUT_DESCRIPTION, false, sample(), false,
	    "Id:             abc\n"
	    "Label selector: none\n"
	    "Labels:         a=1,b=2\n"
	    "Version:        7\n");
	/* A field that the record has not is left out; null is not the same as missing. */
	shows(OUTPUT_DESCRIPTION, false, json_pack("{s:s, s:n}", "id", "abc", "version"), false,
	    "Id:             abc\n"
	    "Version:        -\n");
	shows(OUTPUT_DESCRIPTION, true, json_pack("{s:s}", "id", "abc"), false,
	    "\033[1;36mId\033[0m:             abc\n");
}

static void
control_characters(void **state)
{
	(void)state;
	shows(OUTPUT_DESCRIPTION, false, json_pack("{s:s}", "id", "a\033[31m\nb"), false,
	    "Id:             a?[31m?b\n");
}

/* A table is as wide as the terminal at most; ids stay whole, and no column gets too narrow to
 * tell. */
static void
narrow_tables(void **state)
{
	static const struct {
		size_t width;
		const char *first, *second;
	} cases[] = {
	    {0, "ID           LABEL SELECTOR        LABELS  VERSION\n",
		"abcdefghijk  model=base,team=blue  -       7\n"},
	    {50, "ID           LABEL SELECTOR        LABELS  VERSION\n",
		"abcdefghijk  model=base,team=blue  -       7\n"},
	    {49, "ID           LABEL SELECTOR       LABELS  VERSION\n",
		"abcdefghijk  model=base,team=...  -       7\n"},
	    {1, "ID           LABEL S...  LABELS  VERSION\n",
		"abcdefghijk  model=b...  -       7\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *list = json_pack("[{s:s, s:s, s:i}]", "id", "abcdefghijk", "label_selector",
		    "model=base,team=blue", "version", 7);
		char *text = NULL;
		size_t len = 0;
		struct printer printer = {
		    open_memstream(&text, &len), OUTPUT_DESCRIPTION, false, cases[i].width};

		assert_true(present_all(&printer, list));
		fclose(printer.out);
		assert_int_equal(strncmp(text, cases[i].first, strlen(cases[i].first)), 0);
		assert_string_equal(text + strlen(cases[i].first), cases[i].second);
		free(text);
		json_decref(list);
	}
}

static void
tables(void **state)
{
	(void)state;
	shows(OUTPUT_DESCRIPTION, false, json_pack("[o, {s:s}]", sample(), "id", "abcdef"), true,
	    "ID      LABEL SELECTOR  LABELS   VERSION\n"
	    "abc     -               a=1,b=2  7\n"
	    "abcdef  -               -        -\n");
	shows(
	    OUTPUT_DESCRIPTION, false, json_array(), true, "ID  LABEL SELECTOR  LABELS  VERSION\n");
}

static void
json(void **state)
{
	(void)state;
	shows(
	    OUTPUT_JSON, true, json_pack("{s:s}", "id", "abc"), false, "{\n  \"id\": \"abc\"\n}\n");
	shows(OUTPUT_JSON, false, json_array(), true, "[]\n");
}

static void
yaml(void **state)
{
	(void)state;
	shows(OUTPUT_YAML, false, sample(), false,
	    "id: abc\nlabel_selector: \"\"\nlabels:\n  b: \"2\"\n  a: \"1\"\nversion: 7\n");
	shows(OUTPUT_YAML, false, json_pack("[{s:s}, {s:n}]", "id", "true", "id"), true,
	    "- id: \"true\"\n- id: null\n");
}

/* Page by page it is what it would be at once; cut off, it is not whole. */
static void
pages(void **state)
{
	static const enum output outputs[] = {OUTPUT_JSON, OUTPUT_YAML, OUTPUT_DESCRIPTION};
	json_t *all = json_pack("[{s:s, s:s}, {s:s, s:s}, {s:s, s:s}]", "id", "longest", "name",
	    "one", "id", "b", "name", "two", "id", "c", "name", "3");
	json_t *none = json_array();

	(void)state;
	for (size_t i = 0; i < sizeof(outputs) / sizeof(outputs[0]); i++) {
		for (int whole = 0; whole < 2; whole++) {
			char *at_once = shown(outputs[i], false, all, true), *text = NULL;
			struct present_list list;
			struct printer printer = {0};
			const json_t *record;
			size_t len = 0, index;

			printer.out = open_memstream(&text, &len);
			printer.output = outputs[i];
			present_list_begin(&list, &printer, columns);
			assert_true(present_list_add(&list, none));
			json_array_foreach(all, index, record)
			{
				json_t *page = json_pack("[O]", record);
				assert_true(present_list_add(&list, page));
				json_decref(page);
			}
			assert_true(present_list_end(&list, whole));
			fclose(printer.out);
			if (whole)
				assert_string_equal(text, at_once);
			else if (outputs[i] == OUTPUT_JSON)
				assert_null(json_loads(text, 0, NULL));
			free(text);
			free(at_once);
		}
	}
	json_decref(all);
	json_decref(none);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(descriptions),
	    cmocka_unit_test(control_characters),
	    cmocka_unit_test(tables),
	    cmocka_unit_test(narrow_tables),
	    cmocka_unit_test(json),
	    cmocka_unit_test(yaml),
	    cmocka_unit_test(pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
