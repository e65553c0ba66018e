/* default_paths_test.c - which variable counts, what fits, and which directories are refused. */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "jobgate/paths.h"

#define NOBODY 65534 /* any user but root */

static const char *const variables[] = {
    "RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR", "STATE_DIRECTORY", "XDG_STATE_HOME", "HOME"};

static char top[] = "/tmp/jobgate-paths-XXXXXX";

/* A path below the test's own directory; one at a time. */
static const char *
below(const char *rest)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", top, rest);
	return path;
}

static int
clear(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		unsetenv(variables[i]);
	return 0;
}

static void
expect_socket(const char *path)
{
	char out[256];

	assert_true(jg_control_socket_default(out, sizeof(out)));
	assert_string_equal(out, path);
}

static void
expect_state_dir(const char *path)
{
	char out[256];

	assert_true(jg_state_dir_default(out, sizeof(out)));
	assert_string_equal(out, path);
}

/* From the last resort to the first choice; the fallbacks differ for root and others. */
static void
the_socket(void **state)
{
	uid_t was = geteuid();
	char path[64];

	(void)state;
	if (was == 0) {
		expect_socket("/run/jobgate/control.sock");
		assert_int_equal(seteuid(NOBODY), 0);
	}
	snprintf(path, sizeof(path), "/tmp/jobgate-%u/control.sock", (unsigned)geteuid());
	expect_socket(path);
	setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
	expect_socket("/run/user/7/jobgate/control.sock");
	setenv("RUNTIME_DIRECTORY", "/run/here", 1);
	expect_socket("/run/here/control.sock");
	assert_int_equal(seteuid(was), 0);
}

/* A client takes the service's socket where its own default is missing, and only there. */
static void
the_socket_of_the_service(void **state)
{
	char out[256], service[256], own[256];

	(void)state;
	snprintf(service, sizeof(service), "%s", below("the-service.sock"));
	snprintf(own, sizeof(own), "%s", below("control.sock"));
	setenv("RUNTIME_DIRECTORY", top, 1);
	assert_true(jg_control_socket_find(service, out, sizeof(out)));
	assert_string_equal(out, own); /* neither is there */
	fclose(fopen(service, "w"));
	assert_true(jg_control_socket_find(service, out, sizeof(out)));
	assert_string_equal(out, service);
	assert_false(jg_control_socket_find(service, out, strlen(own) + 1));
	fclose(fopen(own, "w"));
	assert_true(jg_control_socket_find(service, out, sizeof(out)));
	assert_string_equal(out, own);
}

static void
the_state_directory(void **state)
{
	uid_t was = geteuid();
	char path[64];

	(void)state;
	if (was == 0) {
		setenv("HOME", "/root", 1); /* is not asked */
		expect_state_dir("/var/lib/jobgate");
		unsetenv("HOME");
		assert_int_equal(seteuid(NOBODY), 0);
	}
	snprintf(path, sizeof(path), "/tmp/jobgate-%u/state", (unsigned)geteuid());
	expect_state_dir(path);
	setenv("HOME", "/home/ann", 1);
	expect_state_dir("/home/ann/.local/state/jobgate");
	setenv("XDG_STATE_HOME", "/home/ann/state", 1);
	expect_state_dir("/home/ann/state/jobgate");
	setenv("STATE_DIRECTORY", "/var/lib/this", 1);
	expect_state_dir("/var/lib/this");
	assert_int_equal(seteuid(was), 0);
}

static void
what_is_not_absolute_is_ignored(void **state)
{
	(void)state;
	setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
	setenv("RUNTIME_DIRECTORY", "here", 1);
	expect_socket("/run/user/7/jobgate/control.sock");
	setenv("RUNTIME_DIRECTORY", "", 1);
	expect_socket("/run/user/7/jobgate/control.sock");
	setenv("XDG_STATE_HOME", "/s", 1);
	setenv("STATE_DIRECTORY", "./x", 1);
	expect_state_dir("/s/jobgate");
}

/* Each branch, with room for all but the NUL, and for it too. */
static void
what_does_not_fit_is_no_path(void **state)
{
	static const char socket[] = "/r/jobgate/control.sock", state_dir[] = "/s/jobgate";
	char out[256];

	(void)state;
	setenv("XDG_RUNTIME_DIR", "/r", 1);
	assert_false(jg_control_socket_default(out, sizeof(socket) - 1));
	assert_true(jg_control_socket_default(out, sizeof(socket)));
	setenv("RUNTIME_DIRECTORY", "/r", 1);
	assert_false(jg_control_socket_default(out, sizeof("/r/control.sock") - 1));
	assert_true(jg_control_socket_default(out, sizeof("/r/control.sock")));
	setenv("XDG_STATE_HOME", "/s", 1);
	assert_false(jg_state_dir_default(out, sizeof(state_dir) - 1));
	assert_true(jg_state_dir_default(out, sizeof(state_dir)));
	setenv("STATE_DIRECTORY", "/s", 1);
	assert_false(jg_state_dir_default(out, 2));
	assert_true(jg_state_dir_default(out, 3));
}

/* ---- directories ---- */

static int
make_top(void **state)
{
	(void)state;
	return mkdtemp(top) != NULL ? 0 : -1;
}

static int
remove_top(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", top);
	return system(command) == 0 ? 0 : -1;
}

static void
missing_directories_are_made_for_us_alone(void **state)
{
	struct stat found;
	mode_t mask = umask(0);

	(void)state;
	assert_true(jg_make_directory(below("a/b/c")));
	umask(mask);
	for (const char *const *at = (const char *const[]){"a", "a/b", "a/b/c", NULL}; *at != NULL;
	     at++) {
		assert_int_equal(stat(below(*at), &found), 0);
		assert_true(S_ISDIR(found.st_mode));
		assert_int_equal(found.st_mode & 07777, 0700);
	}
	assert_true(jg_make_directory(below("a/b/c"))); /* there already */
	assert_true(jg_make_directory(below("a//b/d/")));
	assert_int_equal(stat(below("a/b/d"), &found), 0);
}

static void
a_relative_path_is_one_too(void **state)
{
	char *was = getcwd(NULL, 0);
	struct stat found;

	(void)state;
	assert_int_equal(chdir(top), 0);
	assert_true(jg_make_directory("r/s"));
	assert_int_equal(chdir(was), 0);
	assert_int_equal(stat(below("r/s"), &found), 0);
	free(was);
}

static void
expect_errno(const char *path, int error)
{
	errno = 0;
	assert_false(jg_make_directory(path));
	assert_int_equal(errno, error);
}

static void
what_cannot_be_one_is_refused(void **state)
{
	char path[PATH_MAX + 1];
	FILE *file = fopen(below("file"), "w");

	(void)state;
	assert_non_null(file);
	fclose(file);
	expect_errno("", ENAMETOOLONG);
	expect_errno(below("file"), ENOTDIR);
	expect_errno(below("file/sub"), ENOTDIR);
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[PATH_MAX] = '\0';
	expect_errno(path, ENAMETOOLONG); /* one too many for us */
	path[PATH_MAX - 1] = '\0';
	expect_errno(path, ENAMETOOLONG); /* one too many for the system: a name of 4094 bytes */
	assert_int_equal(symlink("/nowhere/at/all", below("loose")), 0);
	expect_errno(below("loose"), ENOENT);
}

static void
what_is_not_ours_is_refused(void **state)
{
	uid_t was = geteuid();

	(void)state;
	if (was == 0)
		assert_int_equal(seteuid(NOBODY), 0);
	expect_errno("/usr", EPERM); /* there, a directory, and root's */
	expect_errno("/usr/jobgate-test", EACCES);
	assert_int_equal(seteuid(was), 0);
}

/* The owner of a directory can replace what is in it, whatever its owner. */
static void
what_others_put_into_a_shared_directory_is_refused(void **state)
{
	uid_t was = geteuid();

	(void)state;
	assert_int_equal(chmod(top, 0711), 0);
	assert_true(jg_make_directory(below("shared/ours")));
	assert_int_equal(chmod(below("shared"), 01777), 0);
	if (was == 0) { /* only root can give things away */
		assert_int_equal(chown(below("shared/ours"), NOBODY, (gid_t)-1), 0);
		assert_int_equal(mkdir(below("shared/theirs"), 0777), 0);
		assert_int_equal(chmod(below("shared/theirs"), 0777), 0);
		assert_int_equal(chown(below("shared/theirs"), 1, (gid_t)-1), 0);
		assert_int_equal(symlink("ours", below("shared/link")), 0);
		assert_int_equal(lchown(below("shared/link"), 1, (gid_t)-1), 0);
		assert_true(
		    jg_make_directory(below("shared/theirs"))); /* root knows what it does */
		assert_int_equal(seteuid(NOBODY), 0);
		expect_errno(below("shared/theirs/state"), EPERM);
		expect_errno(below("shared//theirs/"), EPERM);
		expect_errno(below("shared/link/state"), EPERM);
	}
	assert_true(jg_make_directory(below("shared/ours/state")));
	assert_true(jg_make_directory(below("shared//ours//state//")));
	assert_true(jg_make_directory(below("shared/new/state")));
	assert_int_equal(seteuid(was), 0);
}

static void
what_a_stranger_could_have_put_there_is_planted(void **state)
{
	char theirs[64], slashes[64];

	(void)state;
	if (geteuid() != 0)
		skip(); /* only root can make what is another's */
	assert_int_equal(mkdir(below("theirs"), 0755), 0);
	assert_int_equal(chown(below("theirs"), NOBODY, NOBODY), 0);
	assert_false(jg_path_is_planted(below("theirs/s"))); /* above it is ours alone */
	assert_false(jg_path_is_planted(below("none/s")));
	assert_int_equal(chmod(top, 01777), 0);
	assert_true(jg_path_is_planted(below("theirs/s")));
	assert_true(jg_path_is_planted(below("theirs")));
	assert_false(jg_path_is_planted(below("none/s")));
	snprintf(theirs, sizeof(theirs), "%s", below("theirs"));
	assert_int_equal(symlink(theirs, below("link")), 0);
	assert_true(jg_path_is_planted(below("link"))); /* ours, to where it is not */
	assert_int_equal(chown(below("theirs"), 0, 0), 0);
	assert_false(jg_path_is_planted(below("theirs/s")));
	assert_int_equal(chmod(top, 0700), 0);
	/* A whole directory of theirs in one that is open to all. */
	assert_int_equal(mkdir(below("theirs/sub"), 0755), 0);
	assert_int_equal(chown(top, NOBODY, NOBODY), 0);
	assert_true(jg_path_is_planted(below("theirs/sub/s")));
	assert_int_equal(chown(top, 0, 0), 0);
	memset(slashes, '/', sizeof(slashes));
	slashes[sizeof(slashes) - 1] = '\0';
	assert_false(jg_path_is_planted(slashes));
	assert_false(jg_path_is_planted(""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(the_socket, clear),
	    cmocka_unit_test_setup(the_socket_of_the_service, clear),
	    cmocka_unit_test_setup(the_state_directory, clear),
	    cmocka_unit_test_setup(what_is_not_absolute_is_ignored, clear),
	    cmocka_unit_test_setup(what_does_not_fit_is_no_path, clear),
	    cmocka_unit_test(missing_directories_are_made_for_us_alone),
	    cmocka_unit_test(a_relative_path_is_one_too),
	    cmocka_unit_test(what_cannot_be_one_is_refused),
	    cmocka_unit_test(what_is_not_ours_is_refused),
	    cmocka_unit_test(what_others_put_into_a_shared_directory_is_refused),
	    cmocka_unit_test(what_a_stranger_could_have_put_there_is_planted),
	};
	return cmocka_run_group_tests(tests, make_top, remove_top);
}
