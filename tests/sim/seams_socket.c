/*
 * seams_socket.c - the socket calls of the code under test, answered by the simulated network. The
 * executable's definitions come before libc's for every library, libevent included. When the
 * simulator itself calls, the real system answers.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "node.h"
#include "stream.h"

#include <linux/sockios.h>

#define REAL_FIRST(fd) ((fd) < NODE_FIRST_DESCRIPTOR)

/* The stream of a descriptor; NULL with *error set when it is none. */
static struct end *
stream_of(const struct node *node, int fd, int *error)
{
	struct descriptor *descriptor = node_descriptor(node, fd);

	*error = descriptor == NULL ? -EBADF : -ENOTCONN;
	if (descriptor == NULL || descriptor->kind != DESCRIPTOR_STREAM)
		return NULL;
	return (struct end *)descriptor;
}

/* ---- making and closing ---- */

int
socket(int family, int type, int protocol)
{
	struct node *node = node_enter("socket");
	struct descriptor *descriptor;
	long fd = -EMFILE;

	if (node == NULL)
		return (int)syscall(SYS_socket, family, type, protocol);
	if (family != AF_INET) {
		fd = -EAFNOSUPPORT;
	} else if (!node->refuses && !node_call_fails(node)) {
		descriptor = descriptor_new(DESCRIPTOR_SOCKET);
		fd = node_install(node, descriptor);
		if (fd < 0)
			descriptor->release(descriptor);
	}
	return (int)node_leave(node, "socket", fd);
}

int
close(int fd)
{
	struct node *node = node_enter("close");

	if (node == NULL)
		return (int)syscall(SYS_close, fd);
	return (int)node_leave(node, "close", node_close(node, fd));
}

int
connect(int fd, const struct sockaddr *address, socklen_t len)
{
	struct node *node = node_enter("connect");
	struct descriptor *descriptor;
	struct place place;
	struct end *end;
	long result = -EINPROGRESS;

	if (node == NULL)
		return (int)syscall(SYS_connect, fd, address, len);
	descriptor = node_descriptor(node, fd);
	if (descriptor == NULL || descriptor->kind != DESCRIPTOR_SOCKET) {
		result = descriptor == NULL ? -EBADF : -EISCONN;
	} else if (node_call_fails(node)) {
		result = -EADDRNOTAVAIL;
	} else if (!place_read(&place, address, len)) {
		result = -EAFNOSUPPORT;
	} else {
		end = end_connect(node->host, place);
		end->owner = node;
		end->descriptor.holders = 1;
		node->table[fd] = &end->descriptor;
		descriptor_close(descriptor);
	}
	return (int)node_leave(node, "connect", result);
}

static long
take_connection(struct node *node, int fd, struct place *place)
{
	struct descriptor *descriptor = node_descriptor(node, fd);
	struct end *end;
	int accepted;

	if (descriptor == NULL || descriptor->kind != DESCRIPTOR_LISTENER)
		return descriptor == NULL ? -EBADF : -EINVAL;
	if (node->refuses || node_call_fails(node))
		return -EMFILE;
	if (((struct listener *)descriptor)->queued == 0)
		return -EAGAIN;
	end = ((struct listener *)descriptor)->queue[0];
	accepted = node_install(node, &end->descriptor);
	if (accepted >= 0) {
		listener_take((struct listener *)descriptor);
		end->owner = node;
	}
	*place = end->remote;
	return accepted;
}

int
accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
	struct node *node = node_enter("accept4");
	struct place place;
	long result;

	if (node == NULL)
		return (int)syscall(SYS_accept4, fd, address, len, flags);
	result = take_connection(node, fd, &place);
	if (result >= 0)
		place_write(&place, address, len);
	return (int)node_leave(node, "accept4", result);
}

int
shutdown(int fd, int how)
{
	struct node *node = node_enter("shutdown");
	struct end *end;
	int error;

	if (node == NULL)
		return (int)syscall(SYS_shutdown, fd, how);
	end = stream_of(node, fd, &error);
	if (end != NULL) {
		error = end->state == END_CONNECTED ? 0 : -ENOTCONN;
		end_shutdown(end, how != SHUT_WR, how != SHUT_RD);
	}
	return (int)node_leave(node, "shutdown", error);
}

/* ---- bytes ---- */

static long
receive(
    struct node *node, const char *call, int fd, const struct iovec *pieces, int count, int flags)
{
	struct end *end;
	int error;
	long result;

	end = stream_of(node, fd, &error);
	result = end == NULL ? error : end->state == END_CONNECTING ? -EAGAIN : 0;
	if (result == 0 && node_call_fails(node))
		result = -ENOMEM;
	else if (result == 0)
		result = end_receive(end, pieces, count, (flags & MSG_PEEK) != 0);
	if (node_descriptor(node, fd) != NULL && end == NULL)
		result = -EAGAIN; /* through a pipe nothing comes */
	return node_leave(node, call, result);
}

static long
transmit(struct node *node, const char *call, int fd, const struct iovec *pieces, int count)
{
	const struct stamp stamp = {.begun_ns = node->begun_ns, .sent_ns = schedule_now_ns()};
	struct end *end;
	int error;
	long result;

	end = stream_of(node, fd, &error);
	if (end == NULL)
		result = error;
	else if (node_call_fails(node))
		result = -ENOBUFS;
	else
		result = end_send(end, pieces, count, &stamp);
	return node_leave(node, call, result);
}

ssize_t
recv(int fd, void *into, size_t len, int flags)
{
	struct node *node = node_enter("recv");

	if (node == NULL)
		return syscall(SYS_recvfrom, fd, into, len, flags, NULL, NULL);
	return receive(node, "recv", fd, &(struct iovec){into, len}, 1, flags);
}

ssize_t
read(int fd, void *into, size_t len)
{
	struct node *node = REAL_FIRST(fd) ? NULL : node_enter("read");

	if (node == NULL)
		return syscall(SYS_read, fd, into, len);
	return receive(node, "read", fd, &(struct iovec){into, len}, 1, 0);
}

ssize_t
readv(int fd, const struct iovec *pieces, int count)
{
	struct node *node = node_enter("readv");

	if (node == NULL)
		return syscall(SYS_readv, fd, pieces, count);
	return receive(node, "readv", fd, pieces, count, 0);
}

ssize_t
send(int fd, const void *bytes, size_t len, int flags)
{
	struct node *node = node_enter("send");

	if (node == NULL)
		return syscall(SYS_sendto, fd, bytes, len, flags, NULL, 0);
	return transmit(node, "send", fd, &(struct iovec){(void *)bytes, len}, 1);
}

ssize_t
sendmsg(int fd, const struct msghdr *message, int flags)
{
	struct node *node = node_enter("sendmsg");

	if (node == NULL)
		return syscall(SYS_sendmsg, fd, message, flags);
	return transmit(node, "sendmsg", fd, message->msg_iov, (int)message->msg_iovlen);
}

ssize_t
write(int fd, const void *bytes, size_t len)
{
	struct node *node = REAL_FIRST(fd) ? NULL : node_enter("write");

	if (node == NULL)
		return syscall(SYS_write, fd, bytes, len);
	return transmit(node, "write", fd, &(struct iovec){(void *)bytes, len}, 1);
}

ssize_t
writev(int fd, const struct iovec *pieces, int count)
{
	struct node *node = REAL_FIRST(fd) ? NULL : node_enter("writev");

	if (node == NULL)
		return syscall(SYS_writev, fd, pieces, count);
	return transmit(node, "writev", fd, pieces, count);
}

/* ---- options and names ---- */

int
getsockopt(int fd, int level, int option, void *value, socklen_t *len)
{
	struct node *node = node_enter("getsockopt");
	struct end *end;
	int error;

	if (node == NULL)
		return (int)syscall(SYS_getsockopt, fd, level, option, value, len);
	end = stream_of(node, fd, &error);
	if (end != NULL && level == SOL_SOCKET && option == SO_ERROR && *len == sizeof(int)) {
		memcpy(value, &end->error, sizeof(int));
		end->error = 0;
		error = 0;
	} else if (end != NULL) {
		error = -ENOPROTOOPT;
	}
	return (int)node_leave(node, "getsockopt", error);
}

int
setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
	struct node *node = node_enter("setsockopt");
	struct end *end;
	int error;

	if (node == NULL)
		return (int)syscall(SYS_setsockopt, fd, level, option, value, len);
	end = stream_of(node, fd, &error);
	if (end != NULL && level == SOL_SOCKET && option == SO_LINGER) {
		const struct linger *linger = value;

		end->linger_none = linger->l_onoff && linger->l_linger == 0;
	}
	return (int)node_leave(node, "setsockopt", node_descriptor(node, fd) != NULL ? 0 : -EBADF);
}

int
getpeername(int fd, struct sockaddr *address, socklen_t *len)
{
	struct node *node = node_enter("getpeername");
	struct end *end;
	int error;

	if (node == NULL)
		return (int)syscall(SYS_getpeername, fd, address, len);
	end = stream_of(node, fd, &error);
	if (end != NULL && end->state == END_CONNECTED) {
		place_write(&end->remote, address, len);
		error = 0;
	}
	return (int)node_leave(node, "getpeername", error);
}

int
getsockname(int fd, struct sockaddr *address, socklen_t *len)
{
	struct node *node = node_enter("getsockname");
	struct end *end;
	int error;

	if (node == NULL)
		return (int)syscall(SYS_getsockname, fd, address, len);
	end = stream_of(node, fd, &error);
	if (end != NULL) {
		place_write(&end->local, address, len);
		error = 0;
	}
	return (int)node_leave(node, "getsockname", error);
}

int
ioctl(int fd, unsigned long request, ...)
{
	struct node *node = node_enter("ioctl");
	struct end *end;
	va_list args;
	int *value, error;

	va_start(args, request);
	value = va_arg(args, int *);
	va_end(args);
	if (node == NULL)
		return (int)syscall(SYS_ioctl, fd, request, value);
	end = stream_of(node, fd, &error);
	if (end != NULL)
		error = 0;
	if (end != NULL && request == FIONREAD)
		*value = (int)end->in.len;
	else if (end != NULL && request == SIOCOUTQ)
		*value = (int)end->unacknowledged;
	else if (end != NULL)
		error = -ENOTTY;
	return (int)node_leave(node, "ioctl", error);
}
