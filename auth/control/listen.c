/* listen.c - opens the control process's sockets. */
#include "auth/control/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "jobgate/paths.h"

#define BACKLOG 256

/* The directory of path, created if it is missing; the caller frees the result. NULL with errno. */
static char *
make_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash > path ? (size_t)(slash - path) : 1; /* without the last slash: lstat */
	char *directory = slash == NULL ? strdup(".") : strndup(path, len);

	if (directory != NULL && access(directory, F_OK) != 0 && !jg_make_directory(directory)) {
		free(directory);
		directory = NULL;
	}
	return directory;
}

static bool
is_ours_or_roots(const struct stat *status)
{
	return status->st_uid == 0 || status->st_uid == geteuid();
}

/*
 * Open the directory of the socket; -1 after logging why. A user that can write there could put
 * another socket in place of ours. So it must belong to us or root, and others, also a group, must
 * not be able to write to it unless the sticky bit protects our socket. If it is a link, the owner
 * of the link could lead clients to another place.
 */
static int
open_directory(const char *path, const struct log *log)
{
	char *directory = make_directory(path);
	int fd = directory != NULL ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	struct stat status, link;

	if (fd < 0 || fstat(fd, &status) != 0 || lstat(directory, &link) != 0) {
		log_error(log, "control socket %s: its directory: %s", path, strerror(errno));
		goto refuse;
	}
	if (!is_ours_or_roots(&status) || !is_ours_or_roots(&link)) {
		log_error(log, "control socket %s: its directory belongs to another user", path);
		goto refuse;
	}
	if ((status.st_mode & (S_IWGRP | S_IWOTH)) && !(status.st_mode & S_ISVTX)) {
		log_error(log, "control socket %s: others can write to its directory (mode %04o)",
		    path, (unsigned)status.st_mode & 07777);
		goto refuse;
	}
	free(directory);
	return fd;
refuse:
	if (fd >= 0)
		close(fd);
	free(directory);
	return -1;
}

/* Remove a socket on which no process listens. True when the name is free now. */
static bool
clear_stale(const char *path, int type, const struct sockaddr_un *address, const struct log *log)
{
	struct stat status;
	int probe, result;

	if (lstat(path, &status) != 0)
		return errno == ENOENT;
	if (!S_ISSOCK(status.st_mode)) {
		log_error(log, "control socket %s: the path exists and is not a socket", path);
		return false;
	}
	probe = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (probe < 0)
		return false;
	result =
	    connect(probe, (const struct sockaddr *)address, sizeof(*address)) == 0 ? 0 : errno;
	close(probe);
	if (result == 0) {
		log_error(log,
		    "control socket %s: another process listens there: stop it, or set "
		    "control.socket",
		    path);
		return false;
	}
	if (result != ECONNREFUSED) {
		log_error(log, "control socket %s: %s", path, strerror(result));
		return false;
	}
	return unlink(path) == 0 || errno == ENOENT;
}

static int
bind_private(const struct sockaddr_un *address, int type)
{
	int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	mode_t before;
	int result;

	if (fd < 0)
		return -1;
	/* The mode must be right from the first moment, not from a later chmod. */
	before = umask(0177);
	result = bind(fd, (const struct sockaddr *)address, sizeof(*address));
	umask(before);
	if (result != 0 || listen(fd, BACKLOG) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

int
listen_unix_open(const char *path, int type, struct listen_unix *out, const struct log *log)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat status;
	int fd = -1, directory;

	*out = (struct listen_unix){.path = path, .type = type};
	if (strlen(path) >= sizeof(address.sun_path)) {
		log_error(log, "control socket %s: the path has over %zu bytes", path,
		    sizeof(address.sun_path) - 1);
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	directory = open_directory(path, log);
	if (directory < 0)
		return -1;
	/*
	 * The lock makes the second of two processes that start at once see that the first listens.
	 */
	if (flock(directory, LOCK_EX) != 0) {
		log_error(log, "control socket %s: its directory: %s", path, strerror(errno));
		goto done;
	}
	if (!clear_stale(path, type, &address, log))
		goto done;
	fd = bind_private(&address, type);
	if (fd < 0)
		log_error(log, "control socket %s: %s", path, strerror(errno));
	else if (lstat(path, &status) == 0) {
		out->device = status.st_dev;
		out->inode = status.st_ino;
	}
done:
	close(directory);
	return fd;
}

bool
listen_unix_stands(const struct listen_unix *listening)
{
	struct stat status;

	return lstat(listening->path, &status) == 0 && status.st_dev == listening->device &&
	       status.st_ino == listening->inode;
}

void
listen_unix_remove(const struct listen_unix *listening)
{
	if (listen_unix_stands(listening))
		unlink(listening->path);
}
