/* events_tell_test.c - what is written to a reader of events, and what is not when it reads slowly.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "auth/control/events_state.h"

static char written[4096];
static size_t len, waits; /* waits: bytes that the client has not taken */

static void
write_text(struct call *call, struct slice text)
{
	(void)call;
	assert_true(len + text.len < sizeof(written));
	memcpy(written + len, text.at, text.len);
	len += text.len;
	written[len] = '\0';
}

static void
flush(struct call *call)
{
	(void)call;
}

static size_t
unsent(const struct call *call)
{
	(void)call;
	return waits;
}

static const struct call_stream stream = {.write = write_text, .flush = flush, .unsent = unsent};
static struct call call;
static struct reader reader;

static int
setup(void **state)
{
	(void)state;
	call = (struct call){.stream = &stream};
	reader = (struct reader){.call = &call, .started = true};
	len = waits = 0;
	written[0] = '\0';
	return 0;
}

/* Tell it something, and return all that was written for it. */
static const char *
tell(enum missed missed)
{
	len = 0;
	written[0] = '\0';
	reader_tell(&reader, missed == MISSED_RECORDS ? "job" : "session",
	    json_pack("{s:i}", "a", 1), missed);
	return written;
}

#define JOB "event: job\ndata: {\"a\":1}\n\n"
#define SESSION "event: session\ndata: {\"a\":1}\n\n"
#define MISSED(what) "event: missed\ndata: {\"what\":\"" what "\"}\n\n"

static void
an_event_is_one_line(void **state)
{
	(void)state;
	assert_string_equal(tell(MISSED_RECORDS), JOB);
	assert_string_equal(tell(MISSED_SESSIONS), SESSION);
	assert_int_equal(reader.missed, 0);
}

/* It reads its lists again when it hears of it, so only what comes later is told after that. */
static void
what_was_missed_is_told_first(void **state)
{
	(void)state;
	waits = READER_UNSENT_MAX;
	assert_string_equal(tell(MISSED_RECORDS), "");
	assert_int_equal(reader.missed, MISSED_RECORDS);
	waits = READER_UNSENT_MAX / 2 + 1; /* not enough room to begin again */
	assert_string_equal(tell(MISSED_RECORDS), "");
	assert_string_equal(tell(MISSED_SESSIONS), SESSION); /* nothing of these is missing */
	waits = READER_UNSENT_MAX / 2;
	assert_string_equal(tell(MISSED_RECORDS), MISSED("records") JOB);
	assert_string_equal(tell(MISSED_RECORDS), JOB);
	reader_missed(&reader, MISSED_RECORDS | MISSED_SESSIONS);
	assert_string_equal(written, JOB MISSED("records") MISSED("sessions"));
	assert_int_equal(reader.missed, 0);
}

/* Its token has changed, and is being read. */
static void
a_doubted_reader_is_told_nothing(void **state)
{
	(void)state;
	reader.doubted = true;
	assert_string_equal(tell(MISSED_RECORDS), "");
	reader_missed(&reader, MISSED_SESSIONS);
	assert_string_equal(written, "");
	reader.doubted = false;
	assert_string_equal(tell(MISSED_SESSIONS), MISSED("records") MISSED("sessions") SESSION);
}

static void
without_memory_it_has_missed_something(void **state)
{
	(void)state;
	reader_tell(&reader, "job", NULL, MISSED_RECORDS);
	assert_string_equal(written, "");
	assert_int_equal(reader.missed, MISSED_RECORDS);
}

static void
a_silent_stream_is_shown_to_live(void **state)
{
	(void)state;
	reader.told_ms = 1000;
	reader_keep_alive(&reader, 10999);
	assert_string_equal(written, "");
	waits = 1; /* what waits shows it, too, once it is read */
	reader_keep_alive(&reader, 11000);
	assert_string_equal(written, "");
	waits = 0;
	reader_keep_alive(&reader, 11000);
	assert_string_equal(written, ": alive\n\n");
	reader.missed = MISSED_SESSIONS;
	reader_keep_alive(&reader, 11001);
	assert_string_equal(written, ": alive\n\n" MISSED("sessions"));
}

static void
who_takes_nothing_is_stuck(void **state)
{
	(void)state;
	reader.written = 500;
	waits = 400;
	assert_false(reader_is_stuck(&reader, 1000));
	assert_false(reader_is_stuck(&reader, 61000));
	waits = 399; /* it has taken a byte */
	assert_false(reader_is_stuck(&reader, 61001));
	assert_false(reader_is_stuck(&reader, 121001));
	assert_true(reader_is_stuck(&reader, 121002));
	waits = 0;
	assert_false(reader_is_stuck(&reader, 121003));
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(an_event_is_one_line),
	    TEST(what_was_missed_is_told_first),
	    TEST(a_doubted_reader_is_told_nothing),
	    TEST(without_memory_it_has_missed_something),
	    TEST(a_silent_stream_is_shown_to_live),
	    TEST(who_takes_nothing_is_stuck),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
