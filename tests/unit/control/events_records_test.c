/* events_records_test.c - which changes of records a reader is told of, and what it misses. */
#include "events_world.h"

static const struct label team_a = {SLICE("team"), SLICE("a")};
static const struct label team_b = {SLICE("team"), SLICE("b")};
static const struct label_set of_a = {1, &team_a}, of_b = {1, &team_b};

static struct record
job_record(const char *id, const struct label_set *labels)
{
	struct record record = {.kind = RECORD_JOB,
	    .job = {.id = slice_of(id), .created_at = SLICE("2024-01-31T12:00:00Z")}};

	if (labels != NULL)
		record.job.labels = *labels;
	return record;
}

static void
change(const char *id)
{
	feed.changed(feed.ctx, RECORD_JOB, slice_of(id));
}

/* A change, and what the store has then. */
static const char *
becomes(const char *id, const struct label_set *labels)
{
	struct record record = job_record(id, labels);

	change(id);
	answer_read(STORE_OK, &record);
	return news();
}

static const char *
goes(const char *id)
{
	change(id);
	answer_read(STORE_ABSENT, NULL);
	return news();
}

#define GONE(id) "event: job\ndata: {\"id\":\"" id "\",\"record\":null}\n\n"
#define MISSED "event: missed\ndata: {\"what\":\"records\"}\n\n"

static void
what_is_told_of_a_record(void **state)
{
	const char *text;

	(void)state;
	listen_to(reader_of(NULL, NULL));
	text = becomes("x", &of_a);
	assert_non_null(strstr(text, "event: job\ndata: {\"id\":\"x\",\"record\":{"));
	assert_non_null(strstr(text, "\"labels\":{\"team\":\"a\"}"));
	assert_string_equal(becomes("x", &of_a), ""); /* a lease was renewed */
	assert_string_equal(goes("x"), GONE("x"));
	becomes("x", &of_a);
	change("x");
	answer_read(STORE_BROKEN, NULL); /* counts as absent */
	assert_string_equal(news(), GONE("x"));
}

static void
a_reader_with_a_scope(void **state)
{
	(void)state;
	listen_to(reader_of("0000000000000001", &of_a));
	assert_string_equal(becomes("x", &of_b), "");
	assert_string_equal(goes("x"), "");
	assert_non_null(strstr(becomes("y", &of_a), "\"id\":\"y\""));
	assert_string_equal(becomes("y", &of_b), GONE("y")); /* it has left the scope */
	assert_string_equal(becomes("y", NULL), "");
	assert_non_null(strstr(becomes("y", &of_a), "\"record\":{"));
	assert_string_equal(goes("y"), GONE("y"));
}

/* Shown in its list before it changed: so it hears of the end. */
static void
what_was_shown(void **state)
{
	struct record seen = job_record("seen", &of_a), other = job_record("other", &of_b);

	(void)state;
	events_shown(control.events, &seen); /* without readers: costs nothing */
	listen_to(reader_of("0000000000000001", &of_a));
	assert_null(known_find(control.events->known, RECORD_JOB, SLICE("seen")));
	events_shown(control.events, &seen);
	events_shown(control.events, &other);
	assert_string_equal(goes("seen"), GONE("seen"));
	assert_string_equal(goes("other"), "");
	assert_string_equal(goes("never"), ""); /* not shown: the id alone says nothing */
}

static void
a_store_that_does_not_answer(void **state)
{
	(void)state;
	listen_to(reader_of(NULL, NULL));
	change("x");
	answer_read(STORE_UNAVAILABLE, NULL);
	assert_string_equal(news(), MISSED);
	feed.missed(feed.ctx);
	assert_string_equal(news(), MISSED);
}

/* 16 are read at a time, and a record that changes in between is read once more. */
static void
many_changes(void **state)
{
	char id[8];

	(void)state;
	listen_to(reader_of(NULL, NULL));
	for (unsigned i = 0; i < 20; i++) {
		snprintf(id, sizeof(id), "j%u", i);
		change(id);
		change(id); /* it waits already, or is being read */
	}
	assert_int_equal(read_count, 16);
	assert_string_equal(reads[0].id, "j0");
	for (unsigned i = 0; read_count > 0; i++) {
		assert_true(i < 40);
		answer_read(STORE_ABSENT, NULL);
	}
	assert_int_equal(control.events->reading, 0);
	news();
	for (unsigned i = 0; i < KNOWN_QUEUE_MAX + 17; i++) {
		snprintf(id, sizeof(id), "k%u", i);
		change(id);
	}
	assert_string_equal(news(), MISSED); /* the queue was full */
	while (read_count > 0) {
		answer_read(STORE_ABSENT, NULL);
		news();
	}
}

/* It reads slowly: it hears what it has missed, then what comes after that. */
static void
a_slow_reader(void **state)
{
	(void)state;
	listen_to(reader_of(NULL, NULL));
	becomes("x", NULL);
	waits = READER_UNSENT_MAX;
	assert_string_equal(goes("x"), "");
	waits = 0;
	assert_non_null(strstr(becomes("x", NULL), MISSED "event: job"));
	waits = READER_UNSENT_MAX;
	goes("x");
	waits = 0;
	tick();
	assert_string_equal(news(), MISSED);
}

static void
short_of_memory(void **state)
{
	struct record record = job_record("x", NULL);

	(void)state;
	listen_to(reader_of(NULL, NULL));
	change("y"); /* it is known */
	answer_read(STORE_ABSENT, NULL);
	news();
	memory_is_short = true;
	change("x"); /* it cannot be noted */
	assert_string_equal(news(), MISSED);
	change("y"); /* it cannot be read */
	assert_string_equal(news(), MISSED);
	memory_is_short = false;
	assert_int_equal(read_count, 0);
	change("x");
	memory_is_short = true;
	answer_read(STORE_OK, &record); /* it cannot be written */
	memory_is_short = false;
	assert_string_equal(news(), MISSED);
	assert_int_equal(control.events->reading, 0);
	assert_string_equal(goes("x"), GONE("x"));
}

/* The answer comes after the last reader has left, or when another one is there. */
static void
an_answer_that_comes_late(void **state)
{
	struct record record = job_record("x", NULL);
	struct call *call = reader_of(NULL, NULL);

	(void)state;
	change("x");
	leave(call);
	tick();
	assert_int_equal(feeds, 0);
	assert_non_null(control.events->known); /* the read has one of its records */
	answer_read(STORE_OK, &record);
	assert_null(control.events->known);
	call = reader_of(NULL, NULL);
	change("x");
	leave(call);
	tick();
	listen_to(reader_of(NULL, NULL));
	answer_read(STORE_OK, &record);
	assert_non_null(strstr(news(), "\"id\":\"x\""));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    TEST(what_is_told_of_a_record),
	    TEST(a_reader_with_a_scope),
	    TEST(what_was_shown),
	    TEST(a_store_that_does_not_answer),
	    TEST(many_changes),
	    TEST(a_slow_reader),
	    TEST(short_of_memory),
	    TEST(an_answer_that_comes_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
