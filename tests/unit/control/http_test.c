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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(limits),
	    cmocka_unit_test(pipelining),
	    cmocka_unit_test(small_print),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
