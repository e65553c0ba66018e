/* access_log_test.c - lines, where they go, and that writing them never blocks. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "observe/access_log.h"
#include "observe/log_sink.h"

#define VALUE "jgt_abcdefghij012345_" SECRET
#define SECRET "0123456789ABCDEFGHIJabcdefghij0123456789abcdefghi"

static const struct log quiet = {.fd = -1};

/* A folder of its own for each test, and one worker's counters. */
struct world {
	char folder[64], path[80];
	struct shared_stats *stats;
};

static int
set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	strcpy(world->folder, "/tmp/jobgate-unit-XXXXXX");
	assert_non_null(mkdtemp(world->folder));
	snprintf(world->path, sizeof(world->path), "%s/log", world->folder);
	world->stats = shared_stats_map(1);
	*state = world;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *world = *state;

	unlink(world->path);
	rmdir(world->folder);
	shared_stats_unmap(world->stats);
	free(world);
	return 0;
}

static struct access_entry
entry_of(const char *path)
{
	return (struct access_entry){
	    .texts = {[ACCESS_REQUEST_ID] = SLICE("r1"), [ACCESS_PATH] = slice_of(path)},
	    .started_us = 1700000000123456,
	    .duration_us = 1500,
	    .outcome = OUTCOME_ANSWERED,
	    .status = 200,
	};
}

static char *
read_file(const char *path)
{
	static char text[1 << 20];
	FILE *file = fopen(path, "r");
	size_t n;

	assert_non_null(file);
	n = fread(text, 1, sizeof(text) - 1, file);
	text[n] = '\0';
	fclose(file);
	return text;
}

static void
a_line_tells_all(void **state)
{
	struct access_entry entry = entry_of("/a");
	char line[ACCESS_LINE_MAX];
	size_t len;

	(void)state;
	entry.texts[ACCESS_TRACE_ID] = SLICE("t");
	entry.texts[ACCESS_PARENT_ID] = SLICE("p");
	entry.texts[ACCESS_CLAIMED_TOKEN_ID] = SLICE("c");
	entry.texts[ACCESS_SELECTOR] = SLICE("a=b,c=d");
	entry.texts[ACCESS_JOB] = SLICE("demo");
	entry.texts[ACCESS_REPLICA] = SLICE("h:1");
	entry.decided = true;
	entry.verdict = VERDICT_ALLOW;
	entry.decision_us = 12;
	entry.first_byte_us = 1001;
	entry.bytes_in = 3;
	entry.bytes_out = 4;
	entry.has_grpc_status = true;
	entry.grpc_status = 16;
	len = access_line_format(&entry, line);
	line[len] = '\0';
	assert_string_equal(line,
	    "{\"time\":\"2023-11-14T22:13:20.123456Z\",\"request_id\":\"r1\",\"trace_id\":\"t\","
	    "\"parent_id\":\"p\",\"path\":\"/"
	    "a\",\"claimed_token_id\":\"c\",\"selector\":\"a=b,c=d\","
	    "\"job\":\"demo\",\"replica\":\"h:1\",\"verdict\":\"allow\","
	    "\"outcome\":\"answered\",\"status\":200,\"grpc_status\":16,"
	    "\"bytes_in\":3,\"bytes_out\":4,"
	    "\"decision_ms\":0.012,\"first_byte_ms\":1.001,\"duration_ms\":1.500}\n");
}

static void
the_protocol_is_named(void **state)
{
	static const char *const names[] = {
	    [HTTP_1_0] = "HTTP/1.0", [HTTP_1_1] = "HTTP/1.1", [HTTP_2] = "HTTP/2.0"};
	struct access_entry entry = entry_of("/a");
	char line[ACCESS_LINE_MAX], wanted[64];

	(void)state;
	entry.texts[ACCESS_METHOD] = SLICE("GET");
	for (enum http_version version = HTTP_1_0; version <= HTTP_2; version++) {
		entry.version = version;
		line[access_line_format(&entry, line)] = '\0';
		snprintf(wanted, sizeof(wanted), "\"protocol\":\"%s\"", names[version]);
		assert_non_null(strstr(line, wanted));
	}
}

static void
a_secret_is_blotted_out(void **state)
{
	struct access_entry entry = entry_of("/jobs/" VALUE "/x");
	char line[ACCESS_LINE_MAX + 1];

	(void)state;
	entry.texts[ACCESS_HOST] = SLICE(VALUE);
	line[access_line_format(&entry, line)] = '\0';
	assert_null(strstr(line, SECRET));
	assert_null(strstr(line, "0123456789ABC"));
	assert_non_null(strstr(line, "/jobs/jgt_abcdefghij012345_****"));
	assert_non_null(strstr(line, "*/x\""));
}

static void
a_cut_secret_is_blotted_out(void **state)
{
	char path[ACCESS_TEXT_MAX + 64], line[ACCESS_LINE_MAX + 1];
	struct access_entry entry;

	(void)state;
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	memcpy(path + ACCESS_TEXT_MAX - 31, VALUE, strlen(VALUE) + 1);
	entry = entry_of(path);
	line[access_line_format(&entry, line)] = '\0';
	assert_non_null(strstr(line, "jgt_abcdefghij012345_**********\""));
}

static void
text_is_escaped_and_valid(void **state)
{
	struct access_entry entry = entry_of("/\"\\\n\x7f\xc3\xa4\xff");
	char line[ACCESS_LINE_MAX + 1];

	(void)state;
	line[access_line_format(&entry, line)] = '\0';
	assert_non_null(strstr(line, "\"path\":\"/\\\"\\\\\\u000a\\u007f\xc3\xa4\\ufffd\""));
}

static void
the_longest_line_is_whole(void **state)
{
	char text[300], line[ACCESS_LINE_MAX];
	struct access_entry entry = entry_of("");
	size_t len;

	(void)state;
	memset(text, 1, sizeof(text));
	for (size_t i = 0; i < ACCESS_TEXTS; i++)
		entry.texts[i] = (struct slice){text, sizeof(text)};
	entry.duration_us = entry.decision_us = entry.connect_us = entry.first_byte_us =
	    entry.bytes_in = entry.bytes_out = UINT64_MAX;
	len = access_line_format(&entry, line);
	assert_true(len <= ACCESS_LINE_MAX);
	assert_memory_equal(line + len - 2, "}\n", 2);
}

static void
lines_reach_the_file(void **state)
{
	struct world *world = *state;
	int fd = log_file_open(world->path, true);
	struct access_log *log = access_log_new(
	    world->path, fd, &log_threads, &world->stats->workers[0].access_log, &quiet);
	struct stat found;

	assert_true(access_log_on(log));
	for (int i = 0; i < 1000; i++) {
		struct access_entry entry = entry_of("/file");

		access_log_write(log, &entry);
		access_log_flush(log);
	}
	access_log_free(log);
	assert_int_equal(stat(world->path, &found), 0);
	assert_int_equal(found.st_mode & 0777, 0640);
	char *text = read_file(world->path);
	size_t lines = 0;
	for (char *at = text; (at = strchr(at, '\n')) != NULL; at++)
		lines++;
	assert_int_equal(lines, 1000);
	assert_int_equal(counter_get(&world->stats->workers[0].access_log.full), 0);
}

static void
off_writes_nothing(void **state)
{
	struct world *world = *state;
	struct access_log *log =
	    access_log_new("off", -1, &log_threads, &world->stats->workers[0].access_log, &quiet);
	struct access_entry entry = entry_of("/");

	assert_false(access_log_on(log));
	access_log_write(log, &entry);
	access_log_flush(log);
	access_log_reopen(log);
	access_log_free(log);
}

static void
a_reader_that_does_not_read_costs_lines_and_no_time(void **state)
{
	struct world *world = *state;
	struct log_losses *losses = &world->stats->workers[0].access_log;
	struct access_entry entry = entry_of("/stuck");
	struct access_log *log;
	uint64_t dropped;
	char *text = malloc(1 << 24);
	size_t len = 0, lines = 0;
	ssize_t n;
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	log = access_log_new("-", ends[1], &log_threads, losses, &quiet);
	for (int i = 0; i < 20000; i++)
		access_log_write(log, &entry);
	access_log_flush(log);
	dropped = counter_get(&losses->full);
	assert_true(dropped > 0);
	/* Once the pipe is read, all lines that were not dropped come, each complete. */
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	while (lines < 20000 - dropped) {
		n = read(ends[0], text + len, (1 << 24) - len);
		for (ssize_t i = 0; i < n; i++)
			lines += text[len + (size_t)i] == '\n';
		len += n > 0 ? (size_t)n : 0;
	}
	access_log_free(log);
	assert_int_equal(read(ends[0], text + len, 1), 0);
	assert_int_equal(len % lines, 0); /* they are all alike */
	close(ends[0]);
	free(text);
}

static void
a_disk_that_is_full_is_counted(void **state)
{
	struct world *world = *state;
	struct log_losses *losses = &world->stats->workers[0].access_log;
	struct access_entry entry = entry_of("/");
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct access_log *log = access_log_new("/dev/full", fd, &log_threads, losses, &quiet);

	for (int i = 0; i < 10; i++)
		access_log_write(log, &entry);
	access_log_free(log);
	assert_int_equal(counter_get(&losses->failed), 10);
}

static int
listen_as_logger(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	unlink(path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void
expect_message(int fd, const char *end)
{
	char text[ACCESS_LINE_MAX + 128];
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	assert_true(n > 0);
	text[n] = '\0';
	assert_memory_equal(text, "<30>", 4);
	assert_non_null(strstr(text, " jobgate["));
	assert_non_null(strstr(text, "]: {\"time\":"));
	assert_string_equal(text + n - strlen(end), end);
}

static void
syslog_gets_one_message_for_each_line(void **state)
{
	struct world *world = *state;
	struct log_sink sink;
	char where[96];
	int fd;

	snprintf(where, sizeof(where), "syslog:%s", world->path);
	log_sink_take(&sink, where, -1);
	assert_int_equal(log_sink_write(&sink, "{\"time\":1}\n{\"time\":2}\n", 22), 2);
	fd = listen_as_logger(world->path);
	assert_int_equal(log_sink_write(&sink, "{\"time\":3}\n{\"time\":4}\n", 22), 0);
	expect_message(fd, "3}");
	expect_message(fd, "4}");
	/* A logger that was restarted is found again. */
	close(fd);
	fd = listen_as_logger(world->path);
	assert_int_equal(log_sink_write(&sink, "{\"time\":5}\n", 11), 0);
	expect_message(fd, "5}");
	close(fd);
	log_sink_close(&sink);
}

static void
reopening_follows_the_name(void **state)
{
	struct world *world = *state;
	struct log_sink sink;
	char moved[96];
	int fd = log_file_open(world->path, true);

	snprintf(moved, sizeof(moved), "%s.1", world->path);
	log_sink_take(&sink, world->path, fd);
	assert_int_equal(log_sink_write(&sink, "one\n", 4), 0);
	assert_int_equal(rename(world->path, moved), 0);
	assert_int_equal(log_sink_write(&sink, "two\n", 4), 0);
	assert_true(log_sink_reopen(&sink));
	assert_int_equal(log_sink_write(&sink, "three\n", 6), 0);
	assert_string_equal(read_file(moved), "one\ntwo\n");
	assert_string_equal(read_file(world->path), "three\n");
	/* A name that cannot be opened: the old file stays in use. */
	unlink(world->path);
	assert_int_equal(mkdir(world->path, 0700), 0);
	assert_false(log_sink_reopen(&sink));
	assert_int_equal(log_sink_write(&sink, "four\n", 5), 0);
	log_sink_close(&sink);
	rmdir(world->path);
	unlink(moved);
}

static void
a_fifo_is_written_to_only_while_it_is_read(void **state)
{
	struct world *world = *state;
	struct log_losses *losses = &world->stats->workers[0].access_log;
	struct access_entry entry = entry_of("/");
	struct access_log *log;
	char line[ACCESS_LINE_MAX];
	int reader;

	assert_int_equal(mkfifo(world->path, 0600), 0);
	assert_int_equal(log_file_open(world->path, true), -1); /* and does not wait for a reader */
	assert_int_equal(errno, ENXIO);
	assert_non_null(strstr(log_sink_error(ENXIO), "FIFO"));
	reader = open(world->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	log = access_log_new(
	    world->path, log_file_open(world->path, true), &log_threads, losses, &quiet);
	for (int i = 0; i < 500; i++) /* more than it holds: the thread has to wait */
		access_log_write(log, &entry);
	access_log_flush(log);
	fcntl(reader, F_SETFL, 0);
	for (int lines = 0; lines < 500;) {
		ssize_t n = read(reader, line, sizeof(line));

		for (ssize_t i = 0; i < n; i++)
			lines += line[i] == '\n';
	}
	close(reader);
	signal(SIGPIPE, SIG_IGN);
	access_log_write(log, &entry);
	access_log_free(log);
	assert_int_equal(counter_get(&losses->full), 0);
	assert_int_equal(counter_get(&losses->failed), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_line_tells_all),
	    TEST(the_protocol_is_named),
	    TEST(a_secret_is_blotted_out),
	    TEST(a_cut_secret_is_blotted_out),
	    TEST(text_is_escaped_and_valid),
	    TEST(the_longest_line_is_whole),
	    TEST(lines_reach_the_file),
	    TEST(off_writes_nothing),
	    TEST(a_reader_that_does_not_read_costs_lines_and_no_time),
	    TEST(a_disk_that_is_full_is_counted),
	    TEST(syslog_gets_one_message_for_each_line),
	    TEST(reopening_follows_the_name),
	    TEST(a_fifo_is_written_to_only_while_it_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
