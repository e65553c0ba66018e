/* disk_test.c - space for revocations where the user has a quota that statvfs does not show. */
#include <errno.h>
#include <fcntl.h>
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

#include "auth/control/disk.h"
#include "jobgate/log.h"

#define KIB 1024ll
#define MIB (1024 * KIB)

/* The most watches that a test waits for: one comes every 500 ms. */
#define WATCHES_MAX 60

/* A store's folder, and how many bytes of it the user may have on the disk. */
static struct world {
	char folder[64], ballast[PATH_MAX], appended[PATH_MAX];
	long long quota;
	struct event_base *base;
	struct disk *disk;
} world;

static long long
bytes_of(const char *path)
{
	struct stat found;

	return stat(path, &found) == 0 ? (long long)found.st_blocks * 512 : 0;
}

/* Would the file's bytes up to end, in addition to all that is there, exceed the quota? */
static bool
exceeds(int fd, off_t end)
{
	struct stat found;
	long long used = bytes_of(world.ballast) + bytes_of(world.appended), more;

	assert_int_equal(fstat(fd, &found), 0);
	more = end - (long long)found.st_blocks * 512;
	return more > 0 && used + more > world.quota;
}

/* The library's calls have these names where files may be large (_FILE_OFFSET_BITS). */
int __real_fallocate64(int fd, int mode, off_t offset, off_t len);
int __wrap_fallocate64(int fd, int mode, off_t offset, off_t len);
int
__wrap_fallocate64(int fd, int mode, off_t offset, off_t len)
{
	if (!exceeds(fd, offset + len))
		return __real_fallocate64(fd, mode, offset, len);
	errno = EDQUOT;
	return -1;
}

int __real_posix_fallocate64(int fd, off_t offset, off_t len);
int __wrap_posix_fallocate64(int fd, off_t offset, off_t len);
int
__wrap_posix_fallocate64(int fd, off_t offset, off_t len)
{
	return exceeds(fd, offset + len) ? EDQUOT : __real_posix_fallocate64(fd, offset, len);
}

int __wrap_fallocate(int fd, int mode, off_t offset, off_t len)
    __attribute__((alias("__wrap_fallocate64")));
int __wrap_posix_fallocate(int fd, off_t offset, off_t len)
    __attribute__((alias("__wrap_posix_fallocate64")));

static int
set_up(void **state)
{
	char path[PATH_MAX];
	int fd;

	(void)state;
	strcpy(world.folder, "/tmp/jobgate-disk-XXXXXX");
	assert_non_null(mkdtemp(world.folder));
	snprintf(world.ballast, sizeof(world.ballast), "%s/ballast", world.folder);
	snprintf(path, sizeof(path), "%s/appendonlydir", world.folder);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(world.appended, sizeof(world.appended),
	    "%s/appendonlydir/appendonly.aof.1.incr.aof", world.folder);
	fd = open(world.appended, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	world.base = event_base_new();
	return 0;
}

static int
tear_down(void **state)
{
	char path[PATH_MAX];

	(void)state;
	disk_free(world.disk);
	event_base_free(world.base);
	unlink(world.ballast);
	unlink(world.appended);
	snprintf(path, sizeof(path), "%s/appendonlydir", world.folder);
	rmdir(path);
	return rmdir(world.folder);
}

static void
start(long long quota)
{
	const struct log log = {.fd = -1};

	world.quota = quota;
	world.disk = disk_new(world.base, world.folder, &log);
	assert_non_null(world.disk);
}

/* redis-server appends to its file: first into what is reserved, then into the quota. */
static bool
append(size_t len)
{
	char zeros[64 * KIB] = {0};
	int fd = open(world.appended, O_WRONLY | O_APPEND | O_CLOEXEC);
	struct stat found;
	bool fits;

	assert_true(fd >= 0 && len <= sizeof(zeros) && fstat(fd, &found) == 0);
	fits = !exceeds(fd, found.st_size + (off_t)len);
	if (fits)
		assert_int_equal(write(fd, zeros, len), len);
	close(fd);
	return fits;
}

static long long
reserved(void)
{
	struct stat found;

	assert_int_equal(stat(world.appended, &found), 0);
	return (long long)found.st_blocks * 512 - found.st_size;
}

static bool
ballast_is(long long least)
{
	return bytes_of(world.ballast) >= least;
}

static bool
may_grow(long long expected)
{
	return disk_may_grow(world.disk) == (expected != 0);
}

static void
watch_until(bool (*holds)(long long), long long argument)
{
	for (int i = 0; i < WATCHES_MAX && !holds(argument); i++)
		event_base_loop(world.base, EVLOOP_ONCE);
	assert_true(holds(argument));
}

/* Deletions pass as long as there is ballast, although statvfs shows a disk with a lot of space. */
static void
the_ballast_makes_room_under_a_quota(void **state)
{
	(void)state;
	start(64 * MIB);
	watch_until(ballast_is, 8 * MIB);
	assert_true(disk_may_grow(world.disk));
	world.quota = bytes_of(world.ballast) + bytes_of(world.appended);
	for (int i = 0; i < 64; i++) { /* 4 MiB */
		disk_make_room(world.disk);
		assert_true(append(64 * KIB));
	}
	assert_false(ballast_is(5 * MIB));
}

/* What makes the store larger is refused while the quota is used up, and not afterwards. */
static void
growth_waits_for_the_quota(void **state)
{
	(void)state;
	start(64 * MIB);
	watch_until(ballast_is, 8 * MIB);
	world.quota = bytes_of(world.ballast) + bytes_of(world.appended);
	while (reserved() >= 256 * KIB)
		assert_true(append(64 * KIB));
	disk_make_room(world.disk);
	assert_false(disk_may_grow(world.disk));
	world.quota = 64 * MIB;
	watch_until(may_grow, true);
	watch_until(ballast_is, 8 * MIB);
}

/* A quota smaller than the ballast: what is created is left space for changes. */
static void
a_small_quota_is_shared(void **state)
{
	(void)state;
	start(6 * MIB);
	watch_until(ballast_is, MIB);
	event_base_loop(world.base, EVLOOP_ONCE);
	event_base_loop(world.base, EVLOOP_ONCE);
	assert_true(disk_may_grow(world.disk));
	assert_true(bytes_of(world.ballast) <= 3 * MIB);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		the_ballast_makes_room_under_a_quota, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(growth_waits_for_the_quota, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_small_quota_is_shared, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
