/* check_test.c - what a failed CHECK says, and that it ends the process whatever its log does. */
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
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "jobgate/state.h"
#include "tests/unit/check_catch.h"

enum lamp_state { LAMP_OFF, LAMP_ON, LAMP_BROKEN };

struct lamp {
	enum lamp_state state;
	unsigned watts;
};

static const struct state_row lamp_states[] = {
    [LAMP_OFF] = {"off", STATE(LAMP_ON)},
    [LAMP_ON] = {"on", STATE(LAMP_OFF) | STATE(LAMP_BROKEN)},
    [LAMP_BROKEN] = {"broken", 0},
};

static void
lamp_dump(const struct lamp *lamp, struct dump *dump)
{
	jg_dump_begin(dump, "lamp");
	jg_dump_word(dump, "state", lamp_states[lamp->state].name);
	jg_dump_number(dump, "watts", lamp->watts);
	jg_dump_end(dump);
}

static void
lamp_set_state(struct lamp *lamp, enum lamp_state to)
{
	CHECK(state_allows(lamp_states, lamp->state, to), lamp_dump, lamp);
	PROBE_STATE(lamp, lamp, lamp->state, to);
	lamp->state = to;
}

static void
tables_allow_what_they_list(void **state)
{
	struct lamp lamp = {.watts = 40};

	(void)state;
	lamp_set_state(&lamp, LAMP_ON);
	lamp_set_state(&lamp, LAMP_OFF);
	lamp_set_state(&lamp, LAMP_ON);
	lamp_set_state(&lamp, LAMP_BROKEN);
	assert_int_equal(lamp.state, LAMP_BROKEN);
	assert_false(state_allows(lamp_states, LAMP_OFF, LAMP_OFF));
	assert_false(state_allows(lamp_states, LAMP_OFF, LAMP_BROKEN));
	assert_false(state_allows(lamp_states, LAMP_BROKEN, LAMP_ON));
}

/* What a process wrote to its log until it ended; returns its wait status. */
static int
run_child(void (*body)(const struct log *log), int fill, char out[4096])
{
	struct log log = {.level = LOG_LEVEL_ERROR, .process = "worker 3"};
	size_t len = 0;
	int ends[2], status;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	if (fill) {
		assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
		while (write(ends[1], out, 1) == 1)
			continue;
		assert_int_equal(errno, EAGAIN);
		assert_int_equal(fcntl(ends[1], F_SETFL, 0), 0);
	}
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		log.fd = ends[1];
		close(ends[0]);
		body(&log);
		_exit(0);
	}
	close(ends[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	while (!fill && (n = read(ends[0], out + len, 4095 - len)) > 0)
		len += (size_t)n;
	out[len] = '\0';
	close(ends[0]);
	return status;
}

static void
break_a_lamp(const struct log *log)
{
	struct lamp lamp = {.watts = 60};

	jg_check_log(log);
	lamp_set_state(&lamp, LAMP_BROKEN);
}

static void
a_failed_check_ends_the_process_with_its_own_status(void **state)
{
	char out[4096];
	int status = run_child(break_a_lamp, 0, out);

	(void)state;
#ifdef JOBGATE_CHECK_COUNTS
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
#else
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == CHECK_EXIT_STATUS);
#endif
	assert_non_null(
	    strstr(out, "error [worker 3] CHECK failed: tests/unit/auth/check_test.c:"));
	assert_non_null(strstr(out, ": lamp_set_state: state_allows(lamp_states, lamp->state, to); "
				    "lamp{state=off watts=60}\n"));
	assert_ptr_equal(strchr(out, '\n'), out + strlen(out) - 1); /* one line */
}

static void
a_full_pipe_does_not_keep_the_process(void **state)
{
	char out[4096] = "";
	int status = run_child(break_a_lamp, 1, out);

	(void)state;
	assert_true(WIFEXITED(status));
#ifndef JOBGATE_CHECK_COUNTS
	assert_int_equal(WEXITSTATUS(status), CHECK_EXIT_STATUS);
#endif
}

static void
fail_in_the_dump(const struct lamp *lamp, struct dump *dump)
{
	jg_dump_word(dump, "before", "yes");
	CHECK(lamp == NULL);
}

static void
break_the_dump(const struct log *log)
{
	struct lamp lamp = {.watts = 60};

	jg_check_log(log);
	CHECK(lamp.watts == 0, fail_in_the_dump, &lamp);
}

/* In a build that counts the second one returns, and so does the first. */
static void
a_failure_in_a_dump_is_the_end_of_it(void **state)
{
	char out[4096];
	int status = run_child(break_the_dump, 0, out);

	(void)state;
	assert_true(WIFEXITED(status));
	assert_non_null(strstr(out, "lamp.watts == 0; before=yes"));
}

static void
fail_with_a_token(const struct lamp *lamp, struct dump *dump)
{
	(void)lamp;
	jg_dump_text(dump, "token", SLICE("jgt_0123456789abcdef_secretsecretsecret"));
}

/* Even a dump that was written wrongly. */
static void
no_secret_of_a_token_is_said(void **state)
{
	(void)state;
	assert_check_fails(
	    CHECK(*state != NULL, fail_with_a_token, NULL), "jgt_0123456789abcdef_******");
	assert_null(strstr(check_message, "secretsecret"));
}

static void
tests_can_catch_it(void **state)
{
	struct lamp lamp = {.watts = 5};

	(void)state;
	assert_check_fails(lamp_set_state(&lamp, LAMP_BROKEN), "lamp{state=off watts=5}");
	assert_int_equal(lamp.state, LAMP_OFF);
	assert_check_fails(CHECK(lamp.watts > 5), "lamp.watts > 5;");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tables_allow_what_they_list),
	    cmocka_unit_test(a_failed_check_ends_the_process_with_its_own_status),
	    cmocka_unit_test(a_full_pipe_does_not_keep_the_process),
	    cmocka_unit_test(a_failure_in_a_dump_is_the_end_of_it),
	    cmocka_unit_test(no_secret_of_a_token_is_said),
	    cmocka_unit_test(tests_can_catch_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
