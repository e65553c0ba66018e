/* privileges.c - descriptor limit and user: set once, before the first fork. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "jobgate/paths.h"
#include "server/supervisor.h"
#include "server/worker.h"

void
raise_descriptor_limit(const struct supervisor *supervisor)
{
	const struct config *config = supervisor->config;
	rlim_t wanted =
	    (config->limits.connections + WORKER_CONTROL_CONNECTIONS + WORKER_METRICS_CONNECTIONS) *
		2 +
	    config->listener_count * config->workers + 1024;
	struct rlimit limit, raised;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
		return;
	raised = limit;
	raised.rlim_cur = wanted;
	if (raised.rlim_max < wanted)
		raised.rlim_max = wanted; /* root may */
	if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
		return;
	raised = limit;
	raised.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &raised);
	log_warning(&supervisor->log,
	    "limits.connections is %zu but the descriptor limit of %llu leaves room for about "
	    "%llu: raise it "
	    "(ulimit -n, LimitNOFILE=) or lower limits.connections",
	    config->limits.connections, (unsigned long long)limit.rlim_max,
	    (unsigned long long)limit.rlim_max / 2);
}

static bool
make_parent(const char *path, const struct log *log, uid_t owner, gid_t group)
{
	const char *slash = strrchr(path, '/');
	char directory[512];

	if (slash == NULL || slash == path)
		return true;
	snprintf(directory, sizeof(directory), "%.*s", (int)(slash - path), path);
	if (access(directory, F_OK) == 0)
		return true;
	if (jg_make_directory(directory) && (owner == 0 || chown(directory, owner, group) == 0))
		return true;
	log_error(log, "cannot make the directory %s: %s", directory, strerror(errno));
	return false;
}

bool
drop_privileges(const struct supervisor *supervisor)
{
	const struct config *config = supervisor->config;
	const struct passwd *user;
	char state[512];

	if (geteuid() != 0 || config->user == NULL)
		return make_parent(config->control.process.socket, &supervisor->log, 0, 0);
	user = getpwnam(config->user);
	if (user == NULL) {
		log_error(&supervisor->log, "user: there is no user %s", config->user);
		return false;
	}
	snprintf(state, sizeof(state), "%s/.", config->store.state_dir);
	if (!make_parent(
		config->control.process.socket, &supervisor->log, user->pw_uid, user->pw_gid) ||
	    (supervisor->private_redis &&
		!make_parent(state, &supervisor->log, user->pw_uid, user->pw_gid)))
		return false;
	if (initgroups(config->user, user->pw_gid) != 0 || setgid(user->pw_gid) != 0 ||
	    setuid(user->pw_uid) != 0) {
		log_error(
		    &supervisor->log, "cannot become user %s: %s", config->user, strerror(errno));
		return false;
	}
	return true;
}
