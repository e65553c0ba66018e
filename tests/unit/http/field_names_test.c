/* field_names_test.c - names of fields: which are known, disguised, or listed. */
#include "fields_world.h"

static void
names_in_every_case(void **state)
{
	char name[64];

	(void)state;
	for (size_t i = 0; i < KNOWN; i++) {
		size_t len = strlen(known[i].name);

		for (unsigned style = 0; style < 4; style++) {
			for (size_t j = 0; j < len; j++) {
				char c = known[i].name[j];
				bool upper = style == 0 || (style == 1 && j % 2 == 0);
				bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';

				if (letter && style < 3)
					c = (char)(upper ? c & ~0x20 : c | 0x20);
				name[j] = c;
			}
			if (field_identify((struct slice){name, len}) != known[i].id)
				fail_msg("%.*s", (int)len, name);
		}
	}
}

/* A name that is a letter longer, shorter or different is another field. */
static void
names_that_are_nearly_known(void **state)
{
	char name[64];

	(void)state;
	for (size_t i = 0; i < KNOWN; i++) {
		size_t len = strlen(known[i].name);

		/* Of those at the end the beginning is enough. */
		if (len > 4 && strcmp(known[i].name + len - 4, "-Any") == 0)
			break;
		memcpy(name, known[i].name, len);
		name[len] = 's';
		assert_int_not_equal(field_identify((struct slice){name, len + 1}), known[i].id);
		assert_int_not_equal(field_identify((struct slice){name, len - 1}), known[i].id);
		assert_int_not_equal(
		    field_identify((struct slice){name + 1, len - 1}), known[i].id);
		name[len - 1] = '!';
		assert_int_not_equal(field_identify((struct slice){name, len}), known[i].id);
	}
	assert_int_equal(field_identify(SLICE("X-Jobgat-Role")), FIELD_OTHER);
	assert_int_equal(field_identify(SLICE("XX-Jobgate-Role")), FIELD_OTHER);
	assert_int_equal(field_identify(SLICE("X-JOBGATE-x")), FIELD_X_JOBGATE);
	assert_int_equal(field_identify(SLICE("X-Forwarded-Fors")), FIELD_PROXY_CLAIM);
	assert_int_equal(field_identify(SLICE("X-Forwarded-Fo")), FIELD_PROXY_CLAIM);
	assert_int_equal(field_identify(SLICE("X-Forwarde")), FIELD_OTHER);
	assert_int_equal(field_identify(SLICE("X-Accel-Buffering")), FIELD_OTHER);
	assert_int_equal(field_identify(SLICE("X-Accel-Buffering2")), FIELD_PROXY_ORDER);
	assert_int_equal(field_identify(SLICE("XX-Forwarded-For")), FIELD_OTHER);
}

/* Every row of the table is found, a prefix also with something behind it. */
static void
names_of_the_table(void **state)
{
	static const struct {
		const char *name;
		enum field_id id;
		bool exact;
	} rows[] = {
#define NAME(id, name) {name, FIELD_##id, true},
#define PREFIX(id, begin) {begin, FIELD_##id, false}, {begin "q-9", FIELD_##id, false},
#include "jobgate/fields.def"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (field_identify(slice_of(rows[i].name)) != rows[i].id)
			fail_msg("%s", rows[i].name);
		for (size_t j = 0; rows[i].exact && j < i; j++)
			if (rows[j].exact && strcmp(rows[i].name, rows[j].name) == 0)
				fail_msg("%s has two rows", rows[i].name);
	}
}

/* What a backend that reads '_' as '-' takes for a name that matters is told apart from both. */
static void
names_in_disguise(void **state)
{
	char name[64];

	(void)state;
	for (size_t i = 0; i < KNOWN; i++) {
		size_t len = strlen(known[i].name);

		for (size_t j = 0; j < len; j++) {
			memcpy(name, known[i].name, len);
			if (name[j] != '-')
				continue;
			name[j] = '_';
			if (field_identify((struct slice){name, len}) != FIELD_DISGUISED)
				fail_msg("%.*s", (int)len, name);
		}
		for (size_t j = 0; j < len; j++)
			name[j] = (char)(known[i].name[j] == '-' ? '_' : known[i].name[j]);
		if (memchr(name, '_', len) != NULL)
			assert_int_equal(
			    field_identify((struct slice){name, len}), FIELD_DISGUISED);
	}
	assert_int_equal(
	    field_identify(SLICE("x_jobgate_anything_at_all_however_long")), FIELD_DISGUISED);
	assert_int_equal(field_identify(SLICE("Ho_st")), FIELD_OTHER);
	assert_int_equal(field_identify(SLICE("_host")), FIELD_OTHER);
	assert_int_equal(field_identify(SLICE("x_other")), FIELD_OTHER);
}

static void
names_that_are_listed(void **state)
{
	static const char *const patterns[] = {"x-user", "x-team-*", NULL};

	(void)state;
	assert_true(name_is_listed(SLICE("X-User"), patterns));
	assert_true(name_is_listed(SLICE("x_user"), patterns));
	assert_true(name_is_listed(SLICE("X.USER"), patterns));
	assert_true(name_is_listed(SLICE("X-Team-"), patterns));
	assert_true(name_is_listed(SLICE("X_TEAM-Name"), patterns));
	assert_false(name_is_listed(SLICE("X-Use"), patterns));
	assert_false(name_is_listed(SLICE("X-Users"), patterns));
	assert_false(name_is_listed(SLICE("XX-User"), patterns));
	assert_false(name_is_listed(SLICE("X-Team"), patterns));
	assert_false(name_is_listed(SLICE("X-User"), NULL));
	assert_false(name_is_listed(SLICE("X-User"), patterns + 2));
}

static void
expect_pattern(const char *text, const char *pattern)
{
	char copy[32];

	assert_true(strlen(text) < sizeof(copy));
	memcpy(copy, text, strlen(text) + 1);
	assert_int_equal(name_pattern_make(copy), pattern != NULL);
	if (pattern != NULL)
		assert_string_equal(copy, pattern);
}

static void
patterns_of_names(void **state)
{
	(void)state;
	expect_pattern("X-User", "x-user");
	expect_pattern("X_User.Name", "x-user-name");
	expect_pattern("X-User-*", "x-user-*");
	expect_pattern("", NULL);
	expect_pattern("*", NULL);
	expect_pattern("X-*-Y", NULL);
	expect_pattern("X**", NULL);
	expect_pattern("X User", NULL);
	expect_pattern("X-User:", NULL);
	expect_pattern("X-\xc3\xa4", NULL);
}

static void
trailers_that_may_travel(void **state)
{
	static const char *const refused[] = {"Age", "Authentication-Info", "Cache-Control",
	    "Content-Encoding", "Content-Location", "Content-Range", "Content-Type", "Expires",
	    "If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since",
	    "Location", "Max-Forwards", "Pragma", "Proxy-Authentication-Info", "Range",
	    "Retry-After", "Set-Cookie", "Vary", "Warning", "WWW-Authenticate"};
	static const char *const allowed[] = {"Digest", "ETag", "Grpc-Status", "Server-Timing",
	    "X-Checksum", "Ages", "Set-Cookies", "Sec-Fetch-Site", "Content_Type", "Retry_After"};

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		assert_false(field_has(field_identify(slice_of(refused[i])), TRAILERS_TOO));
	for (size_t i = 0; i < KNOWN; i++)
		assert_false(field_has(known[i].id, TRAILERS_TOO));
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		assert_true(field_has(field_identify(slice_of(allowed[i])), TRAILERS_TOO));
	assert_false(field_has(FIELD_DISGUISED, TRAILERS_TOO));
}

static bool
check_h2(const char *name, const char *value, enum field_id *id)
{
	return h2_name_identify(slice_of(name), id) && h2_value_is_good(slice_of(value));
}

/* RFC 9113 section 8.2.1. */
static void
fields_of_http_2(void **state)
{
	static const char *const bad_names[] = {"", "Accept", "accepT", "a b", " a", "a ", "a\t",
	    "a:", ":", ":a", ":Path", ":path ", "::path", "a\r\nb", "a\nb", "a\x7f", "a\xff", "a,b",
	    "a(b"};
	static const char *const bad_values[] = {" ", "\t", " a", "a ", "a\t", "\ta", "a\rb",
	    "a\nb", "a\r\nb: c", "\x01", "a\x7f", "0123456789\n", "\r", "\n"};
	enum field_id id;

	(void)state;
	for (size_t i = 0; i < sizeof(bad_names) / sizeof(bad_names[0]); i++)
		assert_false(check_h2(bad_names[i], "v", &id));
	for (size_t i = 0; i < sizeof(bad_values) / sizeof(bad_values[0]); i++) {
		assert_false(check_h2("a", bad_values[i], &id));
		assert_false(check_h2(":path", bad_values[i], &id));
	}
	assert_false(h2_value_is_good(SLICE("b\0c")));
	assert_false(h2_name_identify(SLICE("a\0b"), &id));
	assert_true(check_h2("te", "", &id));
	assert_int_equal(id, FIELD_TE);
	assert_true(check_h2("x", "a \t\xc3\xa4 b", &id));
	assert_int_equal(id, FIELD_OTHER);
	assert_true(check_h2("x_forwarded_for", "a", &id));
	assert_int_equal(id, FIELD_DISGUISED);
	assert_true(check_h2(":path", "", &id));
	assert_int_equal(id, FIELD_PSEUDO_PATH);
	assert_true(check_h2(":protocol", "a", &id));
	assert_int_equal(id, FIELD_PSEUDO_PROTOCOL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fields_of_http_2),
	    cmocka_unit_test(names_in_every_case),
	    cmocka_unit_test(names_that_are_nearly_known),
	    cmocka_unit_test(names_of_the_table),
	    cmocka_unit_test(names_in_disguise),
	    cmocka_unit_test(names_that_are_listed),
	    cmocka_unit_test(patterns_of_names),
	    cmocka_unit_test(trailers_that_may_travel),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
