/* paths.h - default paths, at which a gateway and its command line find each other. */
#ifndef JOBGATE_PATHS_H
#define JOBGATE_PATHS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The Unix socket of the control API: control.sock in $RUNTIME_DIRECTORY
 * (systemd), else in jobgate/ below $XDG_RUNTIME_DIR, else in /run/jobgate for root, else
 * in /tmp/jobgate-<uid>. False when it does not fit.
 */
bool jg_control_socket_default(char *out, size_t cap);

/* Where it is of a gateway that systemd runs. */
#define JG_SERVICE_SOCKET "/run/jobgate/control.sock"

/*
 * For clients: the same path, or `service` if only that one exists; a login shell
 * of root's has an $XDG_RUNTIME_DIR, the service has not.
 */
bool jg_control_socket_find(const char *service, char *out, size_t cap);

/*
 * The directory of the private store: $STATE_DIRECTORY (systemd), else jobgate/ below
 * $XDG_STATE_HOME, else /var/lib/jobgate for root, else ~/.local/state/jobgate.
 */
bool jg_state_dir_default(char *out, size_t cap);

/*
 * Make a directory, and those above it, with mode 0700 where missing. False with errno set:
 * EPERM for one that is another user's, and for one that lies in something that another user has
 * put into a directory open to all (/tmp). Root may use other users' directories.
 */
bool jg_make_directory(const char *path);

/*
 * True when another user may have put there what lies at path: a part of the path lies in a
 * directory that all users may write to, and belongs neither to root nor to us. Root gets the same
 * answer.
 */
bool jg_path_is_planted(const char *path);

#endif
