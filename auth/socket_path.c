/* socket_path.c - holds a Unix socket's path open, from a check to the connect. */
#include "jobgate/socket_path.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

int
jg_socket_path_open(const char *path)
{
	return open(path, O_PATH | O_CLOEXEC);
}

bool
jg_socket_path_is_one_of(int fd, const char *const *paths)
{
	struct stat target, one;

	if (fstat(fd, &target) != 0)
		return true;
	for (const char *const *at = paths; at != NULL && *at != NULL; at++)
		if (stat(*at, &one) == 0 && one.st_dev == target.st_dev &&
		    one.st_ino == target.st_ino)
			return true;
	return false;
}

struct sockaddr_un
jg_socket_path_address(int fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", fd);
	return address;
}
