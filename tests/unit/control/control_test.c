/* control_test.c - what the API refuses, what it logs, who may connect. */
#include "harness.h"

static void
refusals(void **state)
{
	const struct world *world = *state;
	struct answer answer;

	refused(world, "GET", "/nothing", NULL, 404, "");
	refused(world, "GET", "/v1/tokens/short", NULL, 404, "");
	refused(world, "GET", "/v1/jobs/NOT-AN-ID", NULL, 404, "");
	refused(world, "GET", "/v1/jobs?limit=0", NULL, 400, "limit");
	refused(world, "GET", "/v1/jobs?what=1", NULL, 400, "");
	refused(world, "POST", "/v1/tokens", NULL, 400, "");
	refused(
	    world, "POST", "/v1/tokens", "{\"name\":\"a\",\"role\":\"read\",\"x\":1}", 400, "x");
	refused(world, "POST", "/v1/tokens", "{\"name\":\"a\",\"role\":\"king\"}", 400, "role");
	refused(world, "POST", "/v1/jobs", "{\"url\":\"nonsense\"}", 400, "url");
	refused(world, "PATCH", "/v1/jobs/a", "{\"id\":\"b\"}", 400, "id");
	answer = call_http(world, "PUT", "/v1/jobs/a", NULL);
	assert_int_equal(answer.status, 405);
	assert_non_null(strstr(answer.head, "Allow: GET, HEAD, PATCH, DELETE\r\n"));
	answer_free(&answer);
}

static void
audit_log(void **state)
{
	const struct world *world = *state;
	struct answer made = create_token(world, "{\"name\":\"audited\",\"role\":\"read\"}");
	FILE *file = fopen(world->log_path, "r");
	static char text[1 << 20];
	char line[128];

	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	snprintf(line, sizeof(line), "audit: token created %s by uid %d pid %d",
	    text_in(&made, "id"), (int)getuid(), (int)getpid());
	assert_non_null(strstr(text, line));
	assert_null(strstr(text, "jgt_"));
	answer_free(&made);
}

static void
socket_mode(void **state)
{
	const struct world *world = *state;
	struct stat status;
	char directory[96];

	assert_int_equal(stat(world->control_socket, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	snprintf(directory, sizeof(directory), "%s/run", world->directory);
	assert_int_equal(stat(directory, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0700);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(refusals),
	    cmocka_unit_test(audit_log),
	    cmocka_unit_test(socket_mode),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
