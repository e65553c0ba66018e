/* records_size_test.c - records that are too large, and replies that are not hashes. */
#include "records_world.h"

/* ---- jobs ---- */

static void
a_job_has_at_most_64_labels(void **state)
{
	struct hash hash = {0};
	char names[JOB_LABELS_MAX + 1][16];
	struct record *record;

	(void)state;
	set(&hash, SLICE("url"), SLICE("unix:/run/x"));
	for (size_t i = 0; i < JOB_LABELS_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "label:n%zu", i);
		set(&hash, slice_of(names[i]), SLICE("v"));
	}
	record = decode_good(RECORD_JOB, &hash);
	assert_int_equal(record->job.labels.count, JOB_LABELS_MAX);
	assert_true(slice_equal(record->job.labels.items[63].name, SLICE("n63")));
	assert_true(slice_equal(record->job.url.path, SLICE("/run/x")));
	free(record);
	set(&hash, SLICE("label:more"), SLICE("v"));
	expect_broken(RECORD_JOB, &hash);
}

/* ---- sizes ---- */

static void
a_record_has_at_most_1_mib(void **state)
{
	char *notes = calloc(1, 1 << 20);
	struct hash hash = {0};

	(void)state;
	set(&hash, SLICE("url"), SLICE("unix:/run/x"));
	set(&hash, SLICE("notes"), (struct slice){notes, (1 << 20) - 19});
	expect_size(&hash, RECORD_GOOD);
	set(&hash, SLICE("notes"), (struct slice){notes, (1 << 20) - 18});
	expect_size(&hash, RECORD_TOO_LARGE);
	free(notes);
}

static void
a_record_has_at_most_1024_fields(void **state)
{
	struct hash *hash = calloc(1, sizeof(*hash));
	char names[1024][16];

	(void)state;
	for (size_t i = 0; i < 1024; i++) {
		snprintf(names[i], sizeof(names[i]), "f%zu", i);
		set(hash, slice_of(names[i]), SLICE(""));
	}
	expect_size(hash, RECORD_GOOD);
	set(hash, SLICE("more"), SLICE(""));
	expect_size(hash, RECORD_TOO_LARGE);
	free(hash);
}

/* ---- what is no hash ---- */

static void
replies(void **state)
{
	const struct {
		const char *text;
		enum record_status status;
		const char *why; /* NULL: any */
	} cases[] = {
	    {"*0\r\n", RECORD_MISSING, NULL},
	    {"-WRONGTYPE Operation against a key\r\n", RECORD_BROKEN,
		"WRONGTYPE Operation against a key"},
	    {"-TOOLONG is this reply\r\n", RECORD_TOO_LARGE, TOO_LARGE},
	    {"-LOADING Redis is loading\r\n", RECORD_FAILED, "LOADING Redis is loading"},
	    {"-NOPERM no\r\n", RECORD_FAILED, "NOPERM no"},
	    {"-\r\n", RECORD_FAILED, ""},
	    {"+OK\r\n", RECORD_FAILED, NULL},
	    {":1\r\n", RECORD_FAILED, NULL},
	    {"$-1\r\n", RECORD_FAILED, NULL},
	    {"$4\r\nname\r\n", RECORD_FAILED, NULL},
	    {"*-1\r\n", RECORD_FAILED, NULL},
	    {"*1\r\n$4\r\nname\r\n", RECORD_FAILED, NULL},
	    {"*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n", RECORD_FAILED, NULL},
	    {"*2\r\n$4\r\nname\r\n:1\r\n", RECORD_FAILED, NULL},
	    {"*2\r\n$4\r\nname\r\n$-1\r\n", RECORD_FAILED, NULL},
	    {"*2\r\n*0\r\n$1\r\na\r\n", RECORD_FAILED, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (int kind = RECORD_TOKEN; kind <= RECORD_JOB; kind++) {
			redisReply *reply = reply_of_bytes(cases[i].text, strlen(cases[i].text));
			struct record *record = (struct record *)1;
			const char *why = NULL;

			assert_int_equal(
			    record_decode((enum record_kind)kind, ID, reply, &record, &why),
			    cases[i].status);
			assert_null(record);
			if (cases[i].why != NULL)
				assert_string_equal(why, cases[i].why);
			else
				assert_int_equal(why == NULL, cases[i].status == RECORD_MISSING);
			freeReplyObject(reply);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_job_has_at_most_64_labels),
	    cmocka_unit_test(a_record_has_at_most_1_mib),
	    cmocka_unit_test(a_record_has_at_most_1024_fields),
	    cmocka_unit_test(replies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
