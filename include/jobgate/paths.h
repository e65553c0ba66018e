/* paths.h - default paths, by which a gateway and its command line find each other. */
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

/* The control socket of a gateway that systemd runs. */
#define JG_SERVICE_SOCKET "/run/jobgate/control.sock"

/*
 * For clients: the same path, or `service` if only that one exists. (A login shell of root has
 * $XDG_RUNTIME_DIR, the service does not.)
 */
bool jg_control_socket_find(const char *service, char *out, size_t cap);

/*
 * The directory of the private store: $STATE_DIRECTORY (systemd), else jobgate/ below
 * $XDG_STATE_HOME, else /var/lib/jobgate for root, else ~/.local/state/jobgate.
 */
bool jg_state_dir_default(char *out, size_t cap);

/*
 * Create a directory, and its missing parents, with mode 0700. False with errno set: EPERM if it
 * belongs to another user, or lies below an object that another user put into a directory open to
 * all (/tmp). Root may use other users' directories.
 */
bool jg_make_directory(const char *path);

/*
 * True when another user may have put the object at path there: a component of the path is in a
 * directory that all users may write to, and belongs neither to root nor to us. The same holds when
 * root calls it.
 */
bool jg_path_is_planted(const char *path);

#endif
