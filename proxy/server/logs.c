/* logs.c - the access log's file, opened for all workers while the supervisor may still be root. */
#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "observe/log_sink.h"
#include "server/supervisor.h"

/* The file is the configured user's, who has to open it again once it was moved away. */
static void
give_file_away(const struct config *config, int fd)
{
	const struct passwd *user;
	struct stat found;

	if (config->user == NULL || geteuid() != 0 || fstat(fd, &found) != 0 ||
	    !S_ISREG(found.st_mode))
		return;
	user = getpwnam(config->user);
	if (user != NULL && fchown(fd, user->pw_uid, user->pw_gid) != 0)
		return; /* the log can be written all the same */
}

bool
access_log_open(const struct config *config, const struct log *log, int *fd)
{
	const char *where = config->log.access;

	*fd = -1;
	if (strcmp(where, "off") == 0 || log_sink_is_syslog(where))
		return true;
	if (strcmp(where, "-") == 0) {
		*fd = STDOUT_FILENO;
		return true;
	}
	*fd = log_file_open(where);
	if (*fd < 0) {
		log_error(log, "cannot open the access log %s: %s", where, strerror(errno));
		return false;
	}
	give_file_away(config, *fd);
	return true;
}

void
supervisor_close_log(struct supervisor *supervisor)
{
	if (supervisor->access_log_fd > STDERR_FILENO)
		close(supervisor->access_log_fd);
	supervisor->access_log_fd = -1;
}

void
supervisor_reopen_log(struct supervisor *supervisor)
{
	int fd;

	/* For the workers to come; the running ones do it themselves, without stopping. */
	if (access_log_open(supervisor->config, &supervisor->log, &fd)) {
		supervisor_close_log(supervisor);
		supervisor->access_log_fd = fd;
	}
	for (size_t i = 0; i < supervisor->worker_slots; i++) {
		const struct child *child = &supervisor->children[SLOT_WORKERS + i];

		if (child->pid > 0)
			kill(child->pid, SIGUSR1);
	}
}
