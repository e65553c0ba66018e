/* descriptors.c - room for a worker's descriptors. */
#include "server/descriptors.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

void
descriptors_make_room(size_t count)
{
	struct rlimit limit;
	int fd;

	if (count > DESCRIPTORS_ROOM_MAX)
		count = DESCRIPTORS_ROOM_MAX;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && count > limit.rlim_cur)
		count = limit.rlim_cur;
	if (count == 0)
		return;
	/* The table grows for the highest number that is used, and never shrinks. */
	fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, (int)count - 1);
	if (fd >= 0)
		close(fd);
}
