/* peer.c - asks the kernel for the peer's user. */
#define _GNU_SOURCE 1 /* struct ucred */
#include "auth/cli/peer.h"

#include <pwd.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "jobgate/paths.h"

static void
tell(uid_t uid, const char *path)
{
	const struct passwd *user = getpwuid(uid);
	char number[24];

	snprintf(number, sizeof(number), "with id %u", (unsigned)uid);
	fprintf(stderr,
	    "jobgate: nothing was sent: user %s listens at %s, where any user could have put a "
	    "socket\n"
	    "If this is your gateway, run this command as that user, or set the gateway's "
	    "control.socket "
	    "to a path where only it and root can write.\n",
	    user != NULL ? user->pw_name : number, path);
}

bool
peer_is_trusted(int fd, const char *path)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0) {
		perror("jobgate: cannot find out which user listens at the control socket");
		return false;
	}
	if (peer.uid == 0 || peer.uid == geteuid() || !jg_path_is_planted(path))
		return true;
	tell(peer.uid, path);
	return false;
}
