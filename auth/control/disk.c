/* disk.c - checks free space, reserves blocks for redis-server, and keeps a ballast file. */
#include "auth/control/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "jobgate/slice.h"

#define KIB 1024ll
#define MIB (1024 * KIB)

/* With fewer free bytes, nothing may make the store larger; more than pieces given back make. */
#define GROW_MIN (2 * MIB)
/* When fewer bytes are reserved, another piece is reserved: enough for some thousand deletions. */
#define ROOM_MIN (256 * KIB)
#define PIECE (512 * KIB)
#define BALLAST (8 * MIB)
/* The ballast leaves this much free space when it is created, so that changes stay possible. */
#define BALLAST_LEAVES (GROW_MIN + MIB)

/* How often the disk is checked: leases end without a call, and other programs fill the disk. */
#define WATCH_MS 500

struct disk {
	const char *directory;
	char *path;	/* of the ballast */
	long long size; /* of the ballast; -1: not known yet */
	struct event *watch;
	int appended; /* the file that redis-server appends to; -1: not found */
	/* The user has a quota, which statvfs does not show; GROW_MIN does not fit into it. */
	bool has_quota, over_quota;
	bool told_full, told_broken;
	struct log log;
};

/* Bytes that redis-server, as root or not, may still write; -1 when that is not known. */
static long long
bytes_free(const char *directory)
{
	struct statvfs found;

	if (statvfs(directory, &found) != 0)
		return -1;
	return (long long)(geteuid() == 0 ? found.f_bfree : found.f_bavail) *
	       (long long)found.f_frsize;
}

/* The same within a quota, where only whether changes fit is known, not the amount. */
static long long
space_for_changes(const struct disk *disk)
{
	return disk->over_quota ? 0 : bytes_free(disk->directory);
}

static int
open_ballast(const struct disk *disk, int more)
{
	return open(disk->path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | more, 0600);
}

static long long
ballast_size(int fd)
{
	struct stat found;

	return fd >= 0 && fstat(fd, &found) == 0 && S_ISREG(found.st_mode) ? found.st_size : 0;
}

/* The number in "appendonly.aof.NUMBER.incr.aof"; false for all other names. */
static bool
appended_number(const char *name, uint64_t *out)
{
	struct slice prefix = SLICE("appendonly.aof."), rest = slice_of(name), digits;

	if (!slice_starts_with(rest, prefix))
		return false;
	rest = slice_after(rest, prefix.len);
	digits = slice_digits(rest);
	return slice_equal(slice_after(rest, digits.len), SLICE(".incr.aof")) &&
	       slice_to_number(digits, UINT64_MAX, out);
}

/* redis-server appends to the file with the highest number (Redis 7). */
static void
find_appended(struct disk *disk)
{
	char folder[PATH_MAX], name[NAME_MAX + 1] = "";
	uint64_t number = 0, highest = 0;
	struct dirent *entry;
	DIR *files;

	if (disk->appended >= 0)
		close(disk->appended);
	disk->appended = -1;
	snprintf(folder, sizeof(folder), "%s/appendonlydir", disk->directory);
	files = opendir(folder);
	while (files != NULL && (entry = readdir(files)) != NULL) {
		if (appended_number(entry->d_name, &number) && number > highest) {
			highest = number;
			snprintf(name, sizeof(name), "%s", entry->d_name);
		}
	}
	if (highest > 0)
		disk->appended =
		    openat(dirfd(files), name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (files != NULL)
		closedir(files);
}

/* Bytes that can be appended without new blocks. */
static long long
reserved(const struct disk *disk)
{
	struct stat found;

	if (disk->appended < 0 || fstat(disk->appended, &found) != 0)
		return 0;
	return (long long)found.st_blocks * 512 - found.st_size;
}

/* Reserve blocks after the end of the file; its size stays the same. */
static bool
reserve(struct disk *disk, long long bytes)
{
	struct stat found;

	if (disk->appended < 0 || fstat(disk->appended, &found) != 0)
		return false;
	if (fallocate(disk->appended, FALLOC_FL_KEEP_SIZE, found.st_size, bytes) == 0)
		return true;
	if (errno == EDQUOT)
		disk->has_quota = disk->over_quota = true;
	return false;
}

/* Free a piece of the ballast. False when nothing is left of it. */
static bool
give_back_piece(struct disk *disk)
{
	int fd = open_ballast(disk, 0);
	long long size = ballast_size(fd);
	bool given = size > 0 && ftruncate(fd, size > PIECE ? size - PIECE : 0) == 0;

	if (fd >= 0)
		close(fd);
	disk->size = -1;
	return given;
}

/* True when the quota has this many bytes left. The only way to know is to take and return them. */
static bool
quota_leaves(int fd, long long size, long long bytes)
{
	bool fits = fallocate(fd, FALLOC_FL_KEEP_SIZE, size, bytes) == 0 || errno != EDQUOT;

	return ftruncate(fd, size) == 0 && fits;
}

/* The size to which the ballast can grow now; with a quota, by one piece at a time. */
static long long
ballast_wanted(struct disk *disk, int fd, long long size, long long free_bytes)
{
	long long wanted = size + (free_bytes - BALLAST_LEAVES) / PIECE * PIECE;

	if (disk->has_quota && fd >= 0) {
		disk->over_quota = !quota_leaves(fd, size, GROW_MIN);
		wanted = quota_leaves(fd, size, BALLAST_LEAVES + PIECE) ? size + PIECE : size;
	}
	return wanted < BALLAST ? wanted : BALLAST;
}

/* An errno, or 0. */
static int
extend_ballast(struct disk *disk, int fd, long long size, long long wanted)
{
	int error;

	if (fd < 0)
		return errno;
	error = wanted > size ? posix_fallocate(fd, 0, wanted) : 0;
	if (error != EDQUOT)
		return error;
	disk->has_quota = true; /* less next time */
	return ftruncate(fd, size) == 0 ? 0 : errno;
}

/* Create as much of the ballast as there is space for. */
static void
fill_ballast(struct disk *disk, long long free_bytes)
{
	long long size;
	int fd, error;

	if ((disk->size == BALLAST && !disk->has_quota) || free_bytes < BALLAST_LEAVES + PIECE)
		return;
	fd = open_ballast(disk, O_CREAT);
	size = ballast_size(fd);
	error = extend_ballast(disk, fd, size, ballast_wanted(disk, fd, size, free_bytes));
	if (error != 0 && !disk->told_broken) {
		log_warning(&disk->log, "cannot reserve disk space for revocations: %s: %s",
		    disk->path, strerror(error));
		disk->told_broken = true;
	}
	disk->size = ballast_size(fd);
	if (fd >= 0)
		close(fd);
}

static void
tell(struct disk *disk, bool full)
{
	if (full && !disk->told_full)
		log_error(&disk->log,
		    "the disk of the store (%s) is full%s: nothing can be created until there is "
		    "space; deletions and renewals still work: free some space there%s",
		    disk->directory, disk->over_quota ? " (this user's quota is used up)" : "",
		    disk->over_quota ? ", or raise the quota" : "");
	else if (!full && disk->told_full)
		log_info(&disk->log, "the disk of the store (%s) has space again", disk->directory);
	disk->told_full = full;
}

bool
disk_has_room(const char *directory)
{
	long long free_bytes = bytes_free(directory);

	return free_bytes < 0 || free_bytes >= GROW_MIN;
}

bool
disk_may_grow(struct disk *disk)
{
	long long free_bytes = disk != NULL ? space_for_changes(disk) : -1;

	if (free_bytes < 0)
		return true;
	tell(disk, free_bytes < GROW_MIN);
	return free_bytes >= GROW_MIN;
}

void
disk_make_room(struct disk *disk)
{
	long long free_bytes;

	if (disk == NULL)
		return;
	/* Another program may take a freed piece before we do: then free the next one. */
	while (reserved(disk) < ROOM_MIN && !reserve(disk, PIECE)) {
		free_bytes = space_for_changes(disk);
		if (free_bytes < 0 || free_bytes >= 2 * PIECE || !give_back_piece(disk))
			break; /* no such file, or no such file system */
	}
}

static void
on_watch(evutil_socket_t fd, short events, void *ctx)
{
	const struct timeval pause = {.tv_usec = WATCH_MS * 1000};
	struct disk *disk = ctx;
	long long free_bytes = bytes_free(disk->directory);

	(void)fd;
	(void)events;
	find_appended(disk);
	disk_make_room(disk);
	if (free_bytes >= 0) {
		fill_ballast(disk, free_bytes);
		tell(disk, space_for_changes(disk) < GROW_MIN);
	}
	evtimer_add(disk->watch, &pause);
}

struct disk *
disk_new(struct event_base *base, const char *directory, const struct log *log)
{
	struct disk *disk = calloc(1, sizeof(*disk));

	if (disk == NULL)
		return NULL;
	disk->directory = directory;
	disk->size = -1;
	disk->appended = -1;
	disk->log = *log;
	disk->watch = evtimer_new(base, on_watch, disk);
	if (disk->watch == NULL || asprintf(&disk->path, "%s/ballast", directory) < 0) {
		disk->path = NULL;
		disk_free(disk);
		return NULL;
	}
	on_watch(-1, 0, disk);
	return disk;
}

void
disk_free(struct disk *disk)
{
	if (disk == NULL)
		return;
	if (disk->watch != NULL)
		event_free(disk->watch);
	if (disk->appended >= 0)
		close(disk->appended);
	free(disk->path);
	free(disk);
}
