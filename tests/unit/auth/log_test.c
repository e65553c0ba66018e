/* log_test.c - the form of a line, its length, and that no text can forge a line. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "jobgate/log.h"

/* A log into a pipe, which holds the few lines of a test. */
struct caught {
	struct log log;
	int from;
	char text[8192];
};

static void catch (struct caught *caught, enum log_level level, bool journal)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	*caught = (struct caught){
	    .log = {.fd = ends[1], .level = level, .process = "worker 0", .journal = journal},
	    .from = ends[0]};
}

/* All that was written; the log is closed. */
static const char *
release(struct caught *caught)
{
	ssize_t len;

	close(caught->log.fd);
	len = read(caught->from, caught->text, sizeof(caught->text) - 1);
	assert_true(len >= 0);
	caught->text[len] = '\0';
	close(caught->from);
	return caught->text;
}

static void
a_line_has_time_level_process_and_message(void **state)
{
	time_t before = time(NULL), said;
	struct caught caught;
	const char *line, *rest;
	struct tm tm = {0};
	int millis;

	(void)state;
	catch (&caught, LOG_LEVEL_INFO, false);
	log_info(&caught.log, "%d of %s", 7, "nine");
	line = release(&caught);
	rest = strptime(line, "%Y-%m-%dT%H:%M:%S", &tm);
	assert_non_null(rest);
	said = timegm(&tm);
	assert_true(said >= before && said <= time(NULL));
	assert_int_equal(sscanf(rest, ".%3dZ ", &millis), 1);
	assert_string_equal(rest + strlen(".000Z"), " info [worker 0] 7 of nine\n");
}

static void
the_journal_gets_priorities(void **state)
{
	struct caught caught;

	(void)state;
	catch (&caught, LOG_LEVEL_DEBUG, true);
	log_error(&caught.log, "a");
	log_warning(&caught.log, "b");
	log_info(&caught.log, "c");
	log_debug(&caught.log, "d");
	assert_string_equal(release(&caught), "<3>error [worker 0] a\n<4>warning [worker 0] b\n"
					      "<6>info [worker 0] c\n<7>debug [worker 0] d\n");
}

/* What a member of the object on the line says; the next one follows it. */
#define MEMBERS "\"level\":\"info\",\"process\":\"worker 0\",\"message\":"

static void
lines_may_be_json(void **state)
{
	static char text[2 * JG_LOG_LINE_MAX];
	struct caught caught;
	const char *line;
	size_t len;

	(void)state;
	catch (&caught, LOG_LEVEL_INFO, false);
	caught.log.json = true;
	log_info(&caught.log, "say \"\\n\" \n\x1b \xff \xc3\xa4");
	line = release(&caught);
	assert_memory_equal(line, "{\"time\":\"20", 11);
	assert_string_equal(strstr(line, "Z\",") + 3,
	    MEMBERS "\"say \\\"\\\\n\\\" \\\\x0a\\\\x1b \\\\xff \xc3\xa4\"}\n");
	for (size_t offset = 0; offset < 6; offset++) { /* a line that is cut is still an object */
		memset(text, 'x', offset);
		memset(text + offset, '"', JG_LOG_LINE_MAX);
		text[offset + JG_LOG_LINE_MAX] = '\0';
		catch (&caught, LOG_LEVEL_INFO, true);
		caught.log.json = true;
		log_info(&caught.log, "%s", text);
		line = release(&caught);
		len = strlen(line);
		assert_true(len > JG_LOG_LINE_MAX - 8 && len <= JG_LOG_LINE_MAX);
		assert_memory_equal(line, "<6>{\"time\":", 11);
		assert_string_equal(line + len - 5, "\\\"\"}\n");
	}
}

static void
what_is_above_the_level_is_dropped(void **state)
{
	struct caught caught;

	(void)state;
	for (int level = LOG_LEVEL_ERROR; level <= LOG_LEVEL_DEBUG; level++) {
		int lines = 0;

		catch (&caught, (enum log_level)level, true);
		for (int of = LOG_LEVEL_ERROR; of <= LOG_LEVEL_DEBUG; of++)
			jg_log(&caught.log, (enum log_level)of, "x");
		for (const char *at = release(&caught); *at != '\0'; at++)
			lines += *at == '\n';
		assert_int_equal(lines, level + 1);
	}
}

static void
no_descriptor_no_line(void **state)
{
	const struct log log = {.fd = -1, .level = LOG_LEVEL_DEBUG};

	(void)state;
	errno = 0;
	log_error(&log, "this is not read");
	assert_int_equal(errno, 0); /* no write was tried */
}

static void
a_reader_who_has_gone_does_no_harm(void **state)
{
	struct caught caught;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	catch (&caught, LOG_LEVEL_INFO, true);
	close(caught.from);
	errno = 0;
	log_error(&caught.log, "this cannot be read");
	assert_int_equal(errno, EPIPE);
	close(caught.log.fd);
	signal(SIGPIPE, SIG_DFL);
}

static void
control_characters_are_escaped(void **state)
{
	struct caught caught;

	(void)state;
	catch (&caught, LOG_LEVEL_INFO, true);
	log_info(&caught.log, "a\nb\r\t\033[2J\177z\303\244");
	assert_string_equal(
	    release(&caught), "<6>info [worker 0] a\\x0ab\\x0d\\x09\\x1b[2J\\x7fz\303\244\n");
	/* What is no UTF-8: cut, overlong, a surrogate, beyond Unicode; and CSI as C1 has it. */
	catch (&caught, LOG_LEVEL_INFO, true);
	log_info(&caught.log, "\342\202\254 \360\237\230\200 \303 \300\257 \355\240\200 "
			      "\364\220\200\200 \233 \302\2332J \342\202");
	assert_string_equal(release(&caught),
	    "<6>info [worker 0] \342\202\254 \360\237\230\200 \\xc3 \\xc0\\xaf \\xed\\xa0\\x80 "
	    "\\xf4\\x90\\x80\\x80 \\x9b \\xc2\\x9b2J \\xe2\\x82\n");
	for (int c = 1; c < 256; c++) {
		const char message[2] = {(char)c, '\0'};
		const char *line;

		catch (&caught, LOG_LEVEL_INFO, true);
		log_info(&caught.log, "%s", message);
		line = release(&caught);
		/* One line, and nothing that a terminal would obey. */
		assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
		for (const char *at = line; at[1] != '\0'; at++)
			assert_true(*at >= ' ' && *at < 0x7f);
	}
}

/* Every length of message round the bound, plain and with escapes that could straddle it. */
static void
a_line_is_cut_at_1024_bytes(void **state)
{
	char message[1200];

	(void)state;
	for (int escaped = 0; escaped <= 1; escaped++)
		for (size_t len = 200; len < sizeof(message); len++) {
			struct caught caught;
			const char *line;

			memset(message, 'm', len);
			if (escaped)
				for (size_t i = len % 4; i < len; i += 3)
					message[i] = '\n';
			message[len] = '\0';
			catch (&caught, LOG_LEVEL_INFO, true);
			log_info(&caught.log, "%s", message);
			line = release(&caught);
			assert_true(strlen(line) <= 1024);
			assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
			if (!escaped && len < 900)
				assert_int_equal(
				    strlen(line), len + strlen("<6>info [worker 0] \n"));
			else if (len > 1100)
				assert_true(strlen(line) >= 1024 - 8);
		}
}

static void
a_process_without_a_name_is_jobgate(void **state)
{
	struct caught caught;

	(void)state;
	catch (&caught, LOG_LEVEL_INFO, true);
	caught.log.process = NULL;
	log_info(&caught.log, "x");
	assert_string_equal(release(&caught), "<6>info [jobgate] x\n");
	catch (&caught, LOG_LEVEL_INFO, true);
	caught.log.process = "0123456789012345678901234567890123456789-and-more";
	log_info(&caught.log, "x");
	assert_string_equal(
	    release(&caught), "<6>info [0123456789012345678901234567890123456789] x\n");
}

static void
an_unknown_level_is_told_as_such(void **state)
{
	struct caught caught;

	(void)state;
	catch (&caught, (enum log_level)9, true);
	jg_log(&caught.log, (enum log_level)9, "x");
	assert_string_equal(release(&caught), "<7>? [worker 0] x\n");
}

static void
times_are_those_of_the_calendar(void **state)
{
	char ours[32], theirs[32];

	(void)state;
	/* A step that meets each day of two hundred years, leap days and ends of centuries. */
	for (int64_t at = 0; at < 200LL * 366 * 86400; at += 43201) {
		const struct timespec when = {.tv_sec = at, .tv_nsec = 7654321};
		struct tm tm;

		gmtime_r(&when.tv_sec, &tm);
		strftime(theirs, sizeof(theirs), "%Y-%m-%dT%H:%M:%S.007Z", &tm);
		assert_int_equal(jg_log_time(&when, ours, sizeof(ours)), 24);
		assert_string_equal(ours, theirs);
	}
}

static void
keep(void *to, const char *line, size_t len)
{
	snprintf(to, JG_LOG_LINE_MAX, "%.*s", (int)len, line);
}

static void
lines_can_be_taken_by_another(void **state)
{
	char line[JG_LOG_LINE_MAX];
	struct caught caught;

	(void)state;
	catch (&caught, LOG_LEVEL_INFO, true);
	caught.log.put = keep;
	caught.log.to = line;
	log_info(&caught.log, "%s", "hello");
	assert_string_equal(line, "<6>info [worker 0] hello\n");
	assert_string_equal(release(&caught), "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_line_has_time_level_process_and_message),
	    cmocka_unit_test(the_journal_gets_priorities),
	    cmocka_unit_test(lines_may_be_json),
	    cmocka_unit_test(what_is_above_the_level_is_dropped),
	    cmocka_unit_test(no_descriptor_no_line),
	    cmocka_unit_test(a_reader_who_has_gone_does_no_harm),
	    cmocka_unit_test(control_characters_are_escaped),
	    cmocka_unit_test(a_line_is_cut_at_1024_bytes),
	    cmocka_unit_test(a_process_without_a_name_is_jobgate),
	    cmocka_unit_test(an_unknown_level_is_told_as_such),
	    cmocka_unit_test(times_are_those_of_the_calendar),
	    cmocka_unit_test(lines_can_be_taken_by_another),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
