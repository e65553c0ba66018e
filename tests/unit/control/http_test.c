/* http_test.c - HTTP on the control socket: limits, pipelining, closing. */
#include "harness.h"

static void
limits(void **state)
{
	const struct world *world = *state;
	size_t len = (64 << 10) + 1;
	char *body = malloc(len + 1);
	char fields[16384] = "GET /healthz HTTP/1.1\r\nHost: x\r\n";
	struct answer answer;
	int fd;

	memset(body, ' ', len);
	body[len] = '\0';
	refused(world, "POST", "/v1/jobs", body, 413, "");
	body[0] = '{';
	body[len - 2] = '}';
	body[len - 1] = '\0'; /* exactly what is allowed */
	answer = call_http(world, "POST", "/v1/jobs", body);
	assert_int_equal(answer.status, 201);
	answer_free(&answer);
	free(body);

	for (int i = 0; i < 120; i++)
		snprintf(
		    fields + strlen(fields), sizeof(fields) - strlen(fields), "X-%d: y\r\n", i);
	strcat(fields, "\r\n");
	fd = unix_connect(world->control_socket);
	http_send(fd, fields);
	assert_true(http_read(fd, false, &answer));
	assert_int_equal(answer.status, 431);
	answer_free(&answer);
	close(fd);
}

/* What comes in one packet is answered in order, also behind an answer that takes its time. */
static void
pipelining(void **state)
{
	const struct world *world = *state;
	static const int expected[] = {404, 201, 409, 200, 400, 204, 404};
	int fd = unix_connect(world->control_socket);
	struct answer answer;

	http_send(fd,
	    "GET /v1/jobs/p HTTP/1.1\r\nHost: x\r\n\r\n"
	    "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{\"id\":\"p\"}"
	    "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "4\r\n{\"id\r\n6\r\n\":\"p\"}\r\n0\r\n\r\n"
	    "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
	    "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n{"
	    "DELETE /v1/jobs/p HTTP/1.1\r\nHost: x\r\n\r\n"
	    "GET /v1/jobs/p HTTP/1.1\r\nHost: x\r\n\r\n");
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		assert_true(http_read(fd, false, &answer));
		assert_int_equal(answer.status, expected[i]);
		answer_free(&answer);
	}
	close(fd);
}

/* A client that wants no further request gets its connection closed; a form's body is no query. */
static void
small_print(void **state)
{
	const struct world *world = *state;
	int fd = unix_connect(world->control_socket);
	struct answer answer;
	char byte;

	http_send(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	assert_true(http_read(fd, false, &answer));
	assert_string_equal(answer.body, "ok\n");
	answer_free(&answer);
	assert_int_equal(read(fd, &byte, 1), 0);
	close(fd);

	fd = unix_connect(world->control_socket);
	http_send(fd, "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
		      "Content-Type: application/x-www-form-urlencoded\r\n\r\n{}");
	assert_true(http_read(fd, false, &answer));
	assert_int_equal(answer.status, 201);
	answer_free(&answer);
	http_send(fd,
	    "HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(http_read(fd, true, &answer));
	assert_int_equal(answer.status, 200);
	assert_non_null(strstr(answer.head, "Content-Length: 3\r\n"));
	answer_free(&answer);
	assert_true(http_read(fd, false, &answer));
	assert_string_equal(answer.body, "ok\n");
	answer_free(&answer);
	close(fd);
}

/* Send a request on a connection that has answered one, and expect a refusal that ends it. */
static void
refused_and_closed(const struct world *world, const char *request, int status)
{
	int fd = unix_connect(world->control_socket);
	bool head_only = strncmp(request, "HEAD ", 5) == 0;
	struct answer answer;
	char byte;

	http_request(fd, "GET", "/healthz", NULL);
	assert_true(http_read(fd, false, &answer));
	assert_int_equal(answer.status, 200);
	answer_free(&answer);
	http_send(fd, request);
	assert_true(http_read(fd, head_only, &answer));
	assert_int_equal(answer.status, status);
	assert_non_null(strstr(answer.head, "Connection: close\r\n"));
	assert_non_null(strstr(answer.head, "Content-Type: application/problem+json\r\n"));
	if (!head_only) {
		assert_int_equal(
		    json_integer_value(json_object_get(answer.json, "status")), status);
		assert_string_not_equal(text_in(&answer, "title"), "");
		assert_string_not_equal(text_in(&answer, "detail"), "");
		assert_non_null(strstr(answer.head, text_in(&answer, "request_id")));
	}
	answer_free(&answer);
	assert_true(read(fd, &byte, 1) <= 0);
	close(fd);
}

/* Write before, len bytes of 'a', and after; to be freed. */
static char *
long_request(const char *before, size_t len, const char *after)
{
	size_t begin = strlen(before);
	char *text = malloc(begin + len + strlen(after) + 1);

	memcpy(text, before, begin);
	memset(text + begin, 'a', len);
	memcpy(text + begin + len, after, strlen(after) + 1);
	return text;
}

/* libevhtp reads no line of more than 8 KiB; the client learns why its connection ends. */
static void
long_lines(void **state)
{
	static const struct {
		const char *before, *after;
		int status;
	} cases[] = {
	    {"GET /v1/jobs?label=", " HTTP/1.1\r\nHost: x\r\n\r\n", 414},
	    {"GET /", " HTTP/1.1\r\nHost: x\r\n\r\n", 414},
	    {"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ", "\r\n\r\n", 431},
	    {"GET /healthz HTTP/1.1\r\nHost: x\r\nX-", ": b\r\n\r\n", 431},
	    {"HEAD /healthz HTTP/1.1\r\nHost: x\r\nX-A: ", "\r\n\r\n", 431},
	};
	static const size_t sizes[] = {8200, 9000, 16384, 30000};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++) {
			char *text = long_request(cases[i].before, sizes[j], cases[i].after);

			refused_and_closed(*state, text, cases[i].status);
			free(text);
		}
}

/* A head of 300 KiB is not read to its end. */
static void
endless_head(void **state)
{
	char *head = calloc(1, 400 * 1024);
	size_t len = (size_t)sprintf(head, "GET /healthz HTTP/1.1\r\nHost: x\r\n");

	for (int i = 0; i < 300; i++)
		len += (size_t)sprintf(head + len, "X-%d: %01000d\r\n", i, i);
	refused_and_closed(*state, head, 431);
	free(head);
}

/* What is no HTTP request at all. */
static void
malformed(void **state)
{
	refused_and_closed(*state, "\x16\x03\x01\x02", 400);
	refused_and_closed(*state, "GET /healthz HTTX/1.1\r\n\r\n", 400);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(limits),
	    cmocka_unit_test(long_lines),
	    cmocka_unit_test(endless_head),
	    cmocka_unit_test(malformed),
	    cmocka_unit_test(pipelining),
	    cmocka_unit_test(small_print),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
