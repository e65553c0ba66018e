/* connection_stream_test.c - an answer that goes on, as the bytes of its connection. */
#include "harness.h"

/* Send the head of a request; the connection, without having read anything. */
static int
ask(const struct world *world, const char *line, const char *token)
{
	int fd = unix_connect(world->control_socket);
	char text[512];

	assert_true(fd >= 0);
	snprintf(text, sizeof(text), "%s\r\nHost: localhost\r\n%s%s%s\r\n", line,
	    token != NULL ? "Authorization: Bearer " : "", token != NULL ? token : "",
	    token != NULL ? "\r\n" : "");
	http_send(fd, text);
	return fd;
}

/* The next chunk (RFC 9112 section 7.1), NUL-terminated; its length. */
static size_t
read_chunk(int fd, char *out, size_t cap)
{
	char line[16] = "";
	size_t len;

	for (size_t i = 0; strstr(line, "\r\n") == NULL; i++) {
		assert_true(i + 1 < sizeof(line));
		assert_int_equal(read(fd, line + i, 1), 1);
	}
	len = strtoul(line, NULL, 16);
	assert_true(len + 2 < cap);
	assert_int_equal(recv(fd, out, len + 2, MSG_WAITALL), (ssize_t)(len + 2));
	assert_memory_equal(out + len, "\r\n", 2);
	out[len] = '\0';
	return len;
}

/* Chunks until one has this text, which is in out then. */
static void
until_chunk(int fd, const char *text, char *out, size_t cap)
{
	do
		assert_true(read_chunk(fd, out, cap) > 0);
	while (strstr(out, text) == NULL);
}

static bool
is_at_end(int fd)
{
	char byte;

	return read(fd, &byte, 1) == 0;
}

/* A stream that has begun. */
static int
follow(const struct world *world, const char *token)
{
	int fd = ask(world, "GET /v1/events HTTP/1.1", token);
	char chunk[512];
	struct answer answer;

	assert_true(http_read(fd, true, &answer));
	assert_int_equal(answer.status, 200);
	assert_non_null(strstr(answer.head, "Content-Type: text/event-stream\r\n"));
	assert_non_null(strstr(answer.head, "Transfer-Encoding: chunked\r\n"));
	assert_non_null(strstr(answer.head, "Connection: close\r\n"));
	assert_null(strstr(answer.head, "Content-Length"));
	assert_int_equal(read_chunk(fd, chunk, sizeof(chunk)), strlen(": events\n\n"));
	until_chunk(fd, "event: start\n", chunk, sizeof(chunk));
	return fd;
}

/* One chunk for each event, so that a reader needs no buffer of its own. */
static void
each_event_is_a_chunk(void **state)
{
	struct world *world = *state;
	int fd = follow(world, NULL);
	char chunk[2048];
	struct answer made = call_http(world, "POST", "/v1/jobs", "{\"id\":\"x\"}");

	assert_int_equal(made.status, 201);
	answer_free(&made);
	until_chunk(fd, "event: job\ndata: {\"id\":\"x\",", chunk, sizeof(chunk));
	assert_true(strncmp(chunk, "event: job\n", 11) == 0);
	assert_string_equal(chunk + strlen(chunk) - 3, "}\n\n");
	close(fd);
}

/* The refusal is the last event; then the content ends, and the connection does. */
static void
the_end_of_the_token(void **state)
{
	struct world *world = *state;
	char chunk[2048], path[64];
	struct answer made =
	    call_http(world, "POST", "/v1/tokens", "{\"name\":\"me\",\"role\":\"operator\"}");
	struct answer gone;
	int fd;

	assert_int_equal(made.status, 201);
	fd = follow(world, text_in(&made, "value"));
	snprintf(path, sizeof(path), "/v1/tokens/%s", text_in(&made, "id"));
	gone = call_http(world, "DELETE", path, NULL);
	assert_int_equal(gone.status, 204);
	until_chunk(fd, "event: end\n", chunk, sizeof(chunk));
	assert_non_null(strstr(chunk, "\"status\":401"));
	assert_string_equal(chunk + strlen(chunk) - 2, "\n\n");
	assert_int_equal(read_chunk(fd, chunk, sizeof(chunk)), 0);
	assert_true(is_at_end(fd));
	close(fd);
	answer_free(&gone);
	answer_free(&made);
}

static void
clients_that_know_no_chunks(void **state)
{
	struct world *world = *state;
	int fd = ask(world, "GET /v1/events HTTP/1.0", NULL);
	char text[4096] = "";

	assert_true(recv(fd, text, sizeof(text) - 1, MSG_WAITALL) > 0); /* to its end */
	assert_non_null(strstr(text, " 400 "));
	assert_non_null(strstr(text, "needs HTTP/1.1 or HTTP/2"));
	close(fd);
}

/* The head alone, and the connection can be used again. */
static void
the_head_alone(void **state)
{
	struct world *world = *state;
	struct answer answer;
	int fd = ask(world, "HEAD /v1/events HTTP/1.1", NULL);

	assert_true(http_read(fd, true, &answer));
	assert_int_equal(answer.status, 200);
	assert_non_null(strstr(answer.head, "Content-Type: text/event-stream\r\n"));
	http_request(fd, "GET", "/v1/jobs/none", NULL);
	assert_true(http_read(fd, false, &answer));
	assert_int_equal(answer.status, 404);
	answer_free(&answer);
	close(fd);
}

/* Those that leave give up their places: many more come than may read at once. */
static void
clients_that_leave(void **state)
{
	for (unsigned i = 0; i < 100; i++)
		close(follow(*state, NULL));
}

/* It ends in an orderly way, and leaks nothing, while clients read. */
static void
the_end_of_the_process(void **state)
{
	struct world *world = *state;
	char piece[2048];
	int fd = follow(world, NULL);

	assert_int_equal(end_process(world->control, SIGTERM), 0);
	while (read(fd, piece, sizeof(piece)) > 0)
		;
	assert_true(is_at_end(fd));
	close(fd);
	control_start(world);
	wait_for_store(world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_event_is_a_chunk),
	    cmocka_unit_test(the_end_of_the_token),
	    cmocka_unit_test(clients_that_know_no_chunks),
	    cmocka_unit_test(the_head_alone),
	    cmocka_unit_test(clients_that_leave),
	    cmocka_unit_test(the_end_of_the_process),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
