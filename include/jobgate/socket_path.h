/* socket_path.h - a Unix socket's path, held open from a check to the connect. */
#ifndef JOBGATE_SOCKET_PATH_H
#define JOBGATE_SOCKET_PATH_H

#include <stdbool.h>
#include <sys/un.h>

/*
 * Another process may change what a path leads to between a check and connect(2). So both are done
 * with what the path led to when it was opened.
 */

/* Open what path leads to (O_PATH). The caller closes the result; -1 with errno of open(2). */
int jg_socket_path_open(const char *path);

/*
 * True when one of these paths leads to what fd (of jg_socket_path_open) holds, or when fstat
 * fails: what cannot be judged must not be connected to. paths ends with NULL; NULL: none.
 */
bool jg_socket_path_is_one_of(int fd, const char *const *paths);

/* The address of what fd holds, to be connected to while fd is open. It needs /proc. */
struct sockaddr_un jg_socket_path_address(int fd);

#endif
