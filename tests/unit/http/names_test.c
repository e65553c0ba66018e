/* names_test.c - names in HTTP/2 mean the same as in HTTP/1, and must be in lower case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "http/head.h"
#include "http/hpack_table.h"
#include "http/names.h"

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

/* Each name of fields.def, with any of its letters in upper case. */
static void
names_of_fields(void **state)
{
	static const char *const names[] = {
#define NAME(id, name) name,
#define PREFIX(id, begin) begin "x",
#include "jobgate/fields.def"
	};

	(void)state;
	for (size_t i = 0; i < ROWS(names); i++) {
		size_t len = strlen(names[i]);
		enum field_id id;

		assert_true(h2_name_identify(slice_of(names[i]), &id));
		assert_int_equal(id, field_identify(slice_of(names[i])));
		for (size_t j = 0; j < len; j++) {
			char name[64];

			memcpy(name, names[i], len);
			if (name[j] < 'a' || name[j] > 'z')
				continue;
			name[j] = (char)(name[j] - 0x20);
			assert_false(h2_name_identify((struct slice){name, len}, &id));
			assert_int_equal(id, FIELD_OTHER);
		}
	}
}

/* The ids of the static table are those of its names. */
static void
names_of_static_table(void **state)
{
	(void)state;
	for (unsigned i = 1; i < HPACK_STATIC_COUNT; i++) {
		enum field_id id;

		assert_true(h2_name_identify(hpack_static[i].name, &id));
		assert_int_equal(id, hpack_static[i].id);
		assert_true(h2_value_is_good(hpack_static[i].value));
	}
}

/* Each byte, alone and within a name and a value. */
static void
each_byte(void **state)
{
	(void)state;
	for (unsigned byte = 0; byte < 256; byte++) {
		char text[] = {'x', (char)byte, 'x'};
		bool lower = (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') ||
			     (byte != 0 && strchr("!#$%&'*+-.^_`|~", (int)byte) != NULL);
		bool good = byte == '\t' || (byte >= ' ' && byte != 127);
		enum field_id id;

		assert_int_equal(h2_name_identify((struct slice){text, 3}, &id), lower);
		assert_int_equal(h2_name_identify((struct slice){text + 1, 1}, &id), lower);
		assert_int_equal(h2_value_is_good((struct slice){text, 3}), good);
		assert_int_equal(h2_value_is_good((struct slice){text + 1, 1}),
		    good && byte != ' ' && byte != '\t');
	}
}

static void
pseudo_fields(void **state)
{
	static const struct {
		struct slice name;
		enum field_id id;
	} known[] = {
	    {SLICE(":authority"), FIELD_PSEUDO_AUTHORITY},
	    {SLICE(":method"), FIELD_PSEUDO_METHOD},
	    {SLICE(":path"), FIELD_PSEUDO_PATH},
	    {SLICE(":protocol"), FIELD_PSEUDO_PROTOCOL},
	    {SLICE(":scheme"), FIELD_PSEUDO_SCHEME},
	    {SLICE(":status"), FIELD_PSEUDO_STATUS},
	};
	enum field_id id;

	(void)state;
	for (size_t i = 0; i < ROWS(known); i++) {
		struct slice shorter = {known[i].name.at, known[i].name.len - 1};

		assert_true(h2_name_identify(known[i].name, &id));
		assert_int_equal(id, known[i].id);
		assert_false(h2_name_identify(shorter, &id));
		assert_int_equal(id, FIELD_OTHER);
		assert_int_equal(field_identify(known[i].name), FIELD_OTHER);
	}
	assert_false(h2_name_identify(SLICE(""), &id));
	assert_false(h2_name_identify(SLICE(":"), &id));
	assert_false(h2_name_identify(SLICE(":host"), &id));
	assert_false(h2_name_identify(SLICE("::path"), &id));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_of_fields),
	    cmocka_unit_test(names_of_static_table),
	    cmocka_unit_test(each_byte),
	    cmocka_unit_test(pseudo_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
