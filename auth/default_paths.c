/* default_paths.c - default paths, by the rules of systemd and XDG. */
#include "jobgate/paths.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The value of a variable if it is an absolute path; XDG says to ignore others. */
static const char *
directory_of(const char *variable)
{
	const char *value = getenv(variable);

	return value != NULL && value[0] == '/' ? value : NULL;
}

static bool
fits(int len, size_t cap)
{
	return len >= 0 && (size_t)len < cap;
}

bool
jg_control_socket_default(char *out, size_t cap)
{
	const char *directory;

	if ((directory = directory_of("RUNTIME_DIRECTORY")) != NULL)
		return fits(snprintf(out, cap, "%s/control.sock", directory), cap);
	if ((directory = directory_of("XDG_RUNTIME_DIR")) != NULL)
		return fits(snprintf(out, cap, "%s/jobgate/control.sock", directory), cap);
	if (geteuid() == 0)
		return fits(snprintf(out, cap, JG_SERVICE_SOCKET), cap);
	return fits(snprintf(out, cap, "/tmp/jobgate-%u/control.sock", (unsigned)geteuid()), cap);
}

bool
jg_control_socket_find(const char *service, char *out, size_t cap)
{
	if (!jg_control_socket_default(out, cap))
		return false;
	if (access(out, F_OK) != 0 && access(service, F_OK) == 0)
		return fits(snprintf(out, cap, "%s", service), cap);
	return true;
}

bool
jg_state_dir_default(char *out, size_t cap)
{
	const char *directory;

	if ((directory = directory_of("STATE_DIRECTORY")) != NULL)
		return fits(snprintf(out, cap, "%s", directory), cap);
	if ((directory = directory_of("XDG_STATE_HOME")) != NULL)
		return fits(snprintf(out, cap, "%s/jobgate", directory), cap);
	if (geteuid() == 0)
		return fits(snprintf(out, cap, "/var/lib/jobgate"), cap);
	if ((directory = directory_of("HOME")) != NULL)
		return fits(snprintf(out, cap, "%s/.local/state/jobgate", directory), cap);
	return fits(snprintf(out, cap, "/tmp/jobgate-%u/state", (unsigned)geteuid()), cap);
}

/* Other users may own a directory below /tmp; such a directory must not be used. */
static bool
is_ours(const char *path)
{
	struct stat found;

	if (stat(path, &found) != 0)
		return false;
	if (!S_ISDIR(found.st_mode)) {
		errno = ENOTDIR;
		return false;
	}
	if (found.st_uid != geteuid() && geteuid() != 0) {
		errno = EPERM;
		return false;
	}
	return true;
}

/* True for a directory that all users may write to, such as /tmp. */
static bool
is_shared(const char *path)
{
	struct stat found;

	return stat(path, &found) == 0 && (found.st_mode & S_IWOTH) != 0;
}

/* True when it belongs to another user, who may have put it into a shared directory as a trap. */
static bool
is_strangers(const char *path)
{
	struct stat found;

	return lstat(path, &found) == 0 && found.st_uid != geteuid() && found.st_uid != 0;
}

bool
jg_make_directory(const char *path)
{
	char partial[PATH_MAX];
	size_t len = strlen(path);
	bool shared = false; /* the parent directory is shared */

	if (len == 0 || len >= sizeof(partial)) {
		errno = ENAMETOOLONG;
		return false;
	}
	memcpy(partial, path, len + 1);
	for (size_t i = 1; i <= len; i++) {
		if ((partial[i] != '/' && partial[i] != '\0') || partial[i - 1] == '/')
			continue;
		partial[i] = '\0';
		if (mkdir(partial, 0700) != 0 && errno != EEXIST)
			return false;
		if (shared && geteuid() != 0 && is_strangers(partial)) {
			errno = EPERM;
			return false;
		}
		shared = is_shared(partial);
		partial[i] = path[i];
	}
	return is_ours(path);
}

/* Check the path as written, without resolving symbolic links. */
static bool
is_planted(const char *path)
{
	char partial[PATH_MAX];
	size_t len = strlen(path);
	bool shared = is_shared(path[0] == '/' ? "/" : ".");

	if (len >= sizeof(partial))
		return true;
	memcpy(partial, path, len + 1);
	for (size_t i = 1; i <= len; i++) {
		if ((partial[i] != '/' && partial[i] != '\0') || partial[i - 1] == '/')
			continue;
		partial[i] = '\0';
		if (shared && is_strangers(partial))
			return true;
		shared = is_shared(partial);
		partial[i] = path[i];
	}
	return false;
}

bool
jg_path_is_planted(const char *path)
{
	char resolved[PATH_MAX];

	return is_planted(path) || (realpath(path, resolved) != NULL && is_planted(resolved));
}
