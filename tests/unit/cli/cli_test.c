/* cli_test.c - whole commands against a server of canned answers: requests sent, output, exit
 * status. */
#define _GNU_SOURCE 1 /* strcasestr */
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "auth/cli/cli.h"

#define ARGS_MAX 24

static char directory[] = "/tmp/jobgate-cli-XXXXXX";
static char socket_path[96], url[128], requests_path[96], output_path[96];

struct canned {
	int status;
	const char *body;
};

/* Read one request, write it down without what varies, and answer. */
static void
serve_one(int fd, FILE *requests, const struct canned *canned)
{
	char text[8192] = "", *end, *length;
	size_t len = 0, want = 0;

	while ((end = strstr(text, "\r\n\r\n")) == NULL || len < (size_t)(end + 4 - text) + want) {
		ssize_t got = read(fd, text + len, sizeof(text) - 1 - len);
		if (got <= 0)
			exit(1);
		len += (size_t)got;
		text[len] = '\0';
		length = strcasestr(text, "\r\nContent-Length: ");
		want = length != NULL ? strtoul(length + 18, NULL, 10) : 0;
	}
	fprintf(requests, "%.*s", (int)strcspn(text, "\r"), text);
	if (strcasestr(text, "\r\nAuthorization: ") != NULL) {
		const char *field = strcasestr(text, "\r\nAuthorization: ") + 17;
		fprintf(requests, " [%.*s]", (int)strcspn(field, "\r"), field);
	}
	fprintf(requests, " %s\n", end + 4);
	fflush(requests);
	dprintf(fd,
	    "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
	    canned->status, strlen(canned->body), canned->body);
}

/* A process that gives these answers, in turn, on as many connections as it takes. */
static pid_t
serve(const struct canned *canned, size_t count)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), fd;
	FILE *requests;
	pid_t pid;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
	unlink(socket_path);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 4), 0);
	pid = fork();
	if (pid != 0) {
		close(listener);
		return pid;
	}
	requests = fopen(requests_path, "w");
	fd = accept(listener, NULL, NULL);
	for (size_t i = 0; i < count; i++)
		serve_one(fd, requests, &canned[i]);
	_exit(0);
}

static char *
content(const char *path)
{
	static char text[16384];
	FILE *file = fopen(path, "r");

	text[file != NULL ? fread(text, 1, sizeof(text) - 1, file) : 0] = '\0';
	if (file != NULL)
		fclose(file);
	return text;
}

/* The words of a line, with "URL" standing for --control-url and its value; each to be freed. */
static int
split(const char *line, char *argv[ARGS_MAX])
{
	char text[1024];
	int argc = 0;

	snprintf(text, sizeof(text), "%s", line);
	for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " ")) {
		if (strcmp(word, "URL") == 0) {
			argv[argc++] = strdup("--control-url");
			word = url;
		}
		argv[argc++] = strdup(word);
	}
	argv[argc] = NULL;
	return argc;
}

/* Run a command with this standard input in a process of its own; standard output goes to a file.
 */
static int
run_with(const char *line, int input)
{
	char *argv[ARGS_MAX];
	int argc = split(line, argv), status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		dup2(input, 0);
		dup2(open(output_path, O_CREAT | O_TRUNC | O_WRONLY, 0600), 1);
		dup2(open("/dev/null", O_WRONLY), 2);
		status = cli_main(argc, argv);
		for (int i = 0; i < argc; i++)
			free(argv[i]);
		exit(status);
	}
	for (int i = 0; i < argc; i++)
		free(argv[i]);
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int
run(const char *line, const char *input)
{
	int fds[2], status;

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], input, strlen(input)), strlen(input));
	close(fds[1]);
	status = run_with(line, fds[0]);
	close(fds[0]);
	return status;
}

/* The command gets these answers, ends so, prints that, and has asked for this. */
static void
check(const char *line, const char *input, const struct canned *canned, size_t count, int status,
    const char *output, const char *requests)
{
	pid_t server = serve(canned, count);
	int got = run(line, input);

	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	assert_string_equal(content(requests_path), requests);
	assert_string_equal(content(output_path), output);
	assert_int_equal(got, status);
}

#define TOKEN                                                                                      \
	"{\"id\":\"abcdefgh12345678\",\"name\":\"base\",\"role\":\"read\",\"label_selector\":\"a=" \
	"b\","                                                                                     \
	"\"version\":1,\"created_at\":\"C\",\"updated_at\":\"U\""

static void
token_create(void **state)
{
	const struct canned canned[] = {{201, TOKEN ",\"value\":\"jgt_v\"}"},
	    {200, "{\"items\":[{\"job_url\":\"http://j.localhost:8080/\"}],\"next_cursor\":null}"}};

	(void)state;
	check("jobgate token create base -l a=b --role read --token jgt_t URL", "", canned, 2,
	    CLI_OK,
	    "Id:             abcdefgh12345678\n"
	    "Name:           base\n"
	    "Role:           read\n"
	    "Label selector: a=b\n"
	    "Version:        1\n"
	    "Created at:     C\n"
	    "Updated at:     U\n"
	    "Token:          jgt_v\n"
	    "\n"
	    "Keep the token now: it is shown only this once. Use it with\n"
	    "\n"
	    "  curl -H 'Authorization: Bearer jgt_v' http://j.localhost:8080/\n",
	    "POST /v1/tokens HTTP/1.1 [Bearer jgt_t] "
	    "{\"name\":\"base\",\"role\":\"read\",\"label_selector\":\"a=b\"}\n"
	    "GET /v1/jobs?limit=1&label=a%3Db HTTP/1.1 [Bearer jgt_t] \n");
	check("jobgate token create base -r read -o json URL", "", canned, 1, CLI_OK,
	    "{\n"
	    "  \"id\": \"abcdefgh12345678\",\n"
	    "  \"name\": \"base\",\n"
	    "  \"role\": \"read\",\n"
	    "  \"label_selector\": \"a=b\",\n"
	    "  \"version\": 1,\n"
	    "  \"created_at\": \"C\",\n"
	    "  \"updated_at\": \"U\",\n"
	    "  \"value\": \"jgt_v\"\n"
	    "}\n",
	    "POST /v1/tokens HTTP/1.1 "
	    "{\"name\":\"base\",\"role\":\"read\",\"label_selector\":\"\"}\n");
}

static void
token_list(void **state)
{
	const struct canned canned[] = {{200, "{\"items\":[" TOKEN "}],\"next_cursor\":\"1~x+y\"}"},
	    {200,
		"{\"items\":[{\"id\":\"second\",\"label_selector\":\"\"}],\"next_cursor\":null}"}};

	(void)state;
	check("jobgate token list URL", "", canned, 2, CLI_OK,
	    "ID                NAME  ROLE  LABEL SELECTOR  VERSION  CREATED AT\n"
	    "abcdefgh12345678  base  read  a=b             1        C\n"
	    "second            -     -     -               -        -\n",
	    "GET /v1/tokens?limit=1000 HTTP/1.1 \n"
	    "GET /v1/tokens?limit=1000&cursor=1~x%2By HTTP/1.1 \n");
}

#define ID "aaaaaaaaaaaaaaaa"
#define ONE_TOKEN                                                             \
	{                                                                     \
		200, "{\"items\":[{\"id\":\"" ID "\"}],\"next_cursor\":null}" \
	}
#define NO_TOKEN                                           \
	{                                                  \
		200, "{\"items\":[],\"next_cursor\":null}" \
	}

static void
token_delete(void **state)
{
	const struct canned canned[] = {ONE_TOKEN, {204, ""}, NO_TOKEN, {204, ""}};

	(void)state;
	check("jobgate token delete a b c/d URL", "", canned, 4, CLI_REFUSED,
	    "Deleted token " ID "\nDeleted token c/d\n",
	    "GET /v1/tokens?limit=1000&name=a HTTP/1.1 \n"
	    "DELETE /v1/tokens/" ID " HTTP/1.1 \n"
	    "GET /v1/tokens?limit=1000&name=b HTTP/1.1 \n"
	    "DELETE /v1/tokens/c%2Fd HTTP/1.1 \n");
}

/* A word in the form of an id is one, if the server has it; else it is a name. */
static void
names(void **state)
{
	const struct canned by_id[] = {{200, "{}"}, {204, ""}};
	const struct canned by_name[] = {{404, "{}"}, ONE_TOKEN, {204, ""}};
	const struct canned twins = {
	    200, "{\"items\":[{\"id\":\"" ID "\"},{\"id\":\"" ID "\"}],\"next_cursor\":null}"};
	const struct canned pages[] = {
	    {200, "{\"items\":[],\"next_cursor\":\"c\"}"}, ONE_TOKEN, {204, ""}};

	(void)state;
	check("jobgate token delete namedlikeanid123 URL", "", by_id, 2, CLI_OK,
	    "Deleted token namedlikeanid123\n",
	    "GET /v1/tokens/namedlikeanid123 HTTP/1.1 \n"
	    "DELETE /v1/tokens/namedlikeanid123 HTTP/1.1 \n");
	check("jobgate token delete namedlikeanid123 URL", "", by_name, 3, CLI_OK,
	    "Deleted token " ID "\n",
	    "GET /v1/tokens/namedlikeanid123 HTTP/1.1 \n"
	    "GET /v1/tokens?limit=1000&name=namedlikeanid123 HTTP/1.1 \n"
	    "DELETE /v1/tokens/" ID " HTTP/1.1 \n");
	check("jobgate token renew a URL", "", &twins, 1, CLI_REFUSED, "",
	    "GET /v1/tokens?limit=1000&name=a HTTP/1.1 \n");
	check("jobgate token delete a URL", "", pages, 3, CLI_OK, "Deleted token " ID "\n",
	    "GET /v1/tokens?limit=1000&name=a HTTP/1.1 \n"
	    "GET /v1/tokens?limit=1000&name=a&cursor=c HTTP/1.1 \n"
	    "DELETE /v1/tokens/" ID " HTTP/1.1 \n");
}

/* Run a command whose standard input is a terminal with a user's input. */
static int
run_on_terminal(const char *line, const char *typed)
{
	int terminal, keyboard, status;

	assert_int_equal(openpty(&keyboard, &terminal, NULL, NULL, NULL), 0);
	assert_int_equal(write(keyboard, typed, strlen(typed)), strlen(typed));
	status = run_with(line, terminal);
	close(terminal);
	close(keyboard);
	return status;
}

/* On a terminal, what cannot be undone is asked about first; anything but y is no. */
static void
asks_first(void **state)
{
	const struct canned gone = {204, ""};
	pid_t server = serve(&gone, 1);

	(void)state;
	assert_int_equal(run_on_terminal("jobgate token delete a/b URL", "n\n"), CLI_REFUSED);
	assert_int_equal(run_on_terminal("jobgate token delete a/b URL", "\n"), CLI_REFUSED);
	assert_int_equal(run_on_terminal("jobgate token renew a/b URL", "n\n"), CLI_REFUSED);
	assert_int_equal(run_on_terminal("jobgate job delete a b URL", "n\ny\n"), CLI_REFUSED);
	assert_string_equal(content(output_path), "Deleted job b\n");
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	assert_string_equal(content(requests_path), "DELETE /v1/jobs/b HTTP/1.1 \n");
	server = serve(&gone, 1);
	assert_int_equal(run_on_terminal("jobgate token delete --yes a/b URL", ""), CLI_OK);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
}

static void
job_commands(void **state)
{
	const struct canned job = {200, "{\"id\":\"j\",\"url\":null,\"labels\":{\"a\":\"b\"}}"};
	const struct canned jobs = {200, "{\"items\":[],\"next_cursor\":null}"};
	const char *shown = "Id:              j\nURL:             none yet\nLabels:          a=b\n";

	(void)state;
	check("jobgate job create --id j -l a=b --url http://x URL", "", &job, 1, CLI_OK, shown,
	    "POST /v1/jobs HTTP/1.1 "
	    "{\"labels\":{\"a\":\"b\"},\"id\":\"j\",\"url\":\"http://x\"}\n");
	check("jobgate job set j -l c=d --remove-label a URL", "", &job, 1, CLI_OK, shown,
	    "PATCH /v1/jobs/j HTTP/1.1 {\"labels\":{\"c\":\"d\",\"a\":null}}\n");
	check("jobgate job set j --url= URL", "", &job, 1, CLI_OK, shown,
	    "PATCH /v1/jobs/j HTTP/1.1 {\"url\":null}\n");
	check("jobgate job list -l a=b -l c= -o yaml URL", "", &jobs, 1, CLI_OK, "[]\n",
	    "GET /v1/jobs?limit=1000&label=a%3Db&label=c%3D HTTP/1.1 \n");
}

static void
authorize(void **state)
{
	const struct canned no = {200,
	    "{\"allowed\":false,\"verdict\":\"out_of_scope\",\"status\":403,\"reason\":\"R\"}"};
	const struct canned yes = {
	    200, "{\"allowed\":true,\"verdict\":\"allow\",\"status\":200,\"reason\":\"R\"}"};

	(void)state;
	check("jobgate authorize --job j --value - URL", "jgt_x\n", &no, 1, CLI_REFUSED,
	    "Verdict: out_of_scope\nStatus:  403\nReason:  R\n",
	    "POST /v1/authorize HTTP/1.1 {\"token\":\"jgt_x\",\"job\":\"j\"}\n");
	check("jobgate authorize --job j --value jgt_y URL", "", &yes, 1, CLI_OK,
	    "Verdict: allow\nStatus:  200\nReason:  R\n",
	    "POST /v1/authorize HTTP/1.1 {\"token\":\"jgt_y\",\"job\":\"j\"}\n");
}

static void
failures(void **state)
{
	const struct canned store_away = {503, "{\"detail\":\"the store does not answer\"}"};
	const struct canned no_json = {500, "<html>"};

	(void)state;
	check("jobgate token list URL", "", &store_away, 1, CLI_UNREACHABLE, "",
	    "GET /v1/tokens?limit=1000 HTTP/1.1 \n");
	check("jobgate token get x/y URL", "", &no_json, 1, CLI_REFUSED, "",
	    "GET /v1/tokens/x%2Fy HTTP/1.1 \n");
	unlink(socket_path);
	assert_int_equal(run("jobgate token list URL", ""), CLI_UNREACHABLE);
	assert_int_equal(run("jobgate token list --control-url ftp://x", ""), CLI_USAGE);
	assert_int_equal(run("jobgate", ""), CLI_USAGE);
	assert_int_equal(run("jobgate tokens", ""), CLI_USAGE);
	assert_int_equal(run("jobgate token", ""), CLI_USAGE);
	assert_int_equal(run("jobgate token make", ""), CLI_USAGE);
	assert_int_equal(run("jobgate token create a", ""), CLI_USAGE);
	assert_int_equal(run("jobgate authorize --job j", ""), CLI_USAGE);
}

static void
help(void **state)
{
	(void)state;
	assert_int_equal(run("jobgate --help", ""), CLI_OK);
	assert_non_null(strstr(content(output_path), "\n  token      Create, list, change, renew"));
	assert_int_equal(run("jobgate job -h", ""), CLI_OK);
	assert_non_null(strstr(content(output_path), "\n  set     Change a job's URL"));
	assert_int_equal(run("jobgate token create --help", ""), CLI_OK);
	assert_non_null(strstr(content(output_path),
	    "\nUsage: jobgate token create [OPTIONS] --role <ROLE> <NAME>\n"));
	assert_int_equal(run("jobgate authorize --help", ""), CLI_OK);
}

static int
setup(void **state)
{
	(void)state;
	if (mkdtemp(directory) == NULL)
		return -1;
	snprintf(socket_path, sizeof(socket_path), "%s/socket", directory);
	snprintf(url, sizeof(url), "unix:%s", socket_path);
	snprintf(requests_path, sizeof(requests_path), "%s/requests", directory);
	snprintf(output_path, sizeof(output_path), "%s/output", directory);
	unsetenv("JOBGATE_TOKEN");
	unsetenv("JOBGATE_URL");
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	unlink(socket_path);
	unlink(requests_path);
	unlink(output_path);
	return rmdir(directory);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(token_create),
	    cmocka_unit_test(token_list),
	    cmocka_unit_test(token_delete),
	    cmocka_unit_test(names),
	    cmocka_unit_test(asks_first),
	    cmocka_unit_test(job_commands),
	    cmocka_unit_test(authorize),
	    cmocka_unit_test(failures),
	    cmocka_unit_test(help),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
