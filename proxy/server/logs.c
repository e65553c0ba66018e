/* logs.c - the access log's file, opened for all workers while the supervisor may still be root. */
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "observe/log_sink.h"
#include "server/supervisor.h"

/*
 * A user who can write to the log's directory could have put a link to another user's file there.
 * The configured user gets the file only if it has no other name and belongs to root or to them.
 */
static bool
is_theirs(const struct stat *found, const struct passwd *user)
{
	return found->st_nlink == 1 && (found->st_uid == 0 || found->st_uid == user->pw_uid);
}

/* Give the file to the configured user, who has to open it again after it was moved away. */
static bool
give_file_away(const struct config *config, const struct log *log, int fd)
{
	const struct passwd *user = getpwnam(config->user);
	struct stat found;

	if (user == NULL || fstat(fd, &found) != 0 || !S_ISREG(found.st_mode))
		return true; /* drop_privileges says when there is no such user */
	if (!is_theirs(&found, user)) {
		log_error(log,
		    "the access log %s is another user's file, or has another name as well",
		    config->log.access);
		return false;
	}
	if (fchown(fd, user->pw_uid, user->pw_gid) != 0)
		log_warning(log, "the access log %s cannot be given to %s: %s", config->log.access,
		    config->user, strerror(errno));
	return true;
}

static bool
is_file(const char *where)
{
	return strcmp(where, "off") != 0 && strcmp(where, "-") != 0 && !log_sink_is_syslog(where);
}

static void
refuse(const struct log *log, const char *where, int error)
{
	log_error(log, "cannot open the access log %s: %s", where, log_sink_error(error));
}

/* True when the file may be created in its folder. */
static bool
may_be_made(const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX];

	if (slash == NULL)
		return access(".", W_OK | X_OK) == 0;
	snprintf(folder, sizeof(folder), "%.*s/", (int)(slash - path), path);
	return access(folder, W_OK | X_OK) == 0;
}

bool
access_log_check(const struct config *config, const struct log *log)
{
	const char *where = config->log.access;
	struct stat found;

	if (!is_file(where))
		return true;
	if (stat(where, &found) == 0 && S_ISDIR(found.st_mode))
		errno = EISDIR;
	else if (access(where, W_OK) == 0 || (errno == ENOENT && may_be_made(where)))
		return true;
	refuse(log, where, errno);
	return false;
}

bool
access_log_open(const struct config *config, const struct log *log, int *fd)
{
	const char *where = config->log.access;
	bool for_another = config->user != NULL && geteuid() == 0;

	*fd = strcmp(where, "-") == 0 ? STDOUT_FILENO : -1;
	if (!is_file(where))
		return true;
	*fd = log_file_open(where, !for_another);
	if (*fd < 0) {
		refuse(log, where, errno);
		return false;
	}
	if (!for_another || give_file_away(config, log, *fd))
		return true;
	close(*fd);
	*fd = -1;
	return false;
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

	if (access_log_open(supervisor->config, &supervisor->log, &fd)) {
		supervisor_close_log(supervisor);
		supervisor->access_log_fd = fd;
	}
}
