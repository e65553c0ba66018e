/* seams_epoll.c - epoll and the descriptors by which libevent wakes itself. */
#undef _FILE_OFFSET_BITS /* it gives calls other names */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "node.h"

static long
install(struct node *node, struct descriptor *descriptor)
{
	long fd = node_install(node, descriptor);

	if (fd < 0)
		descriptor->release(descriptor);
	return fd;
}

int
epoll_create1(int flags)
{
	struct node *node = node_enter("epoll_create1");

	if (node == NULL)
		return (int)syscall(SYS_epoll_create1, flags);
	return (int)node_leave(node, "epoll_create1",
	    node->refuses || node_call_fails(node) ? -EMFILE : install(node, epoll_new(node)));
}

int
epoll_create(int size)
{
	(void)size;
	return epoll_create1(0);
}

int
epoll_ctl(int instance, int op, int fd, struct epoll_event *event)
{
	struct node *node = node_enter("epoll_ctl");
	struct descriptor *epoll, *watched;
	long result;

	if (node == NULL)
		return (int)syscall(SYS_epoll_ctl, instance, op, fd, event);
	epoll = node_descriptor(node, instance);
	watched = node_descriptor(node, fd);
	if (epoll == NULL || watched == NULL)
		result = -EBADF;
	else if (op == EPOLL_CTL_ADD && node_call_fails(node))
		result = -ENOSPC;
	else
		result = epoll_control(epoll, op, fd, watched, event);
	return (int)node_leave(node, "epoll_ctl", result);
}

int
epoll_wait(int instance, struct epoll_event *events, int max, int timeout_ms)
{
	struct node *node = node_enter("epoll_wait");
	struct descriptor *epoll;
	uint64_t until_ns = UINT64_MAX;
	int count;

	if (node == NULL)
		return (int)syscall(SYS_epoll_pwait, instance, events, max, timeout_ms, NULL, 0);
	epoll = node_descriptor(node, instance);
	if (timeout_ms >= 0)
		until_ns = schedule_now_ns() + (uint64_t)timeout_ms * NS_PER_MS;
	while ((count = epoll_take(epoll, events, max)) == 0 && schedule_now_ns() < until_ns)
		node_wait(node, until_ns);
	return (int)node_leave(node, "epoll_wait", count);
}

int
pipe2(int fds[2], int flags)
{
	struct node *node = node_enter("pipe2");
	long result = 0;

	if (node == NULL)
		return (int)syscall(SYS_pipe2, fds, flags);
	for (int i = 0; i < 2 && result >= 0; i++)
		result = fds[i] = (int)install(node, descriptor_new(DESCRIPTOR_SILENT));
	return (int)node_leave(node, "pipe2", result < 0 ? result : 0);
}

int
eventfd(unsigned count, int flags)
{
	struct node *node = node_enter("eventfd");

	if (node == NULL)
		return (int)syscall(SYS_eventfd2, count, flags);
	return (int)node_leave(node, "eventfd", install(node, descriptor_new(DESCRIPTOR_SILENT)));
}

/* All descriptors of the simulation are non-blocking and close on exec anyway. */
static int
control(int fd, int command, long argument)
{
	struct node *node = node_enter("fcntl");

	if (node == NULL)
		return (int)syscall(SYS_fcntl, fd, command, argument);
	return (int)node_leave(node, "fcntl",
	    node_descriptor(node, fd) == NULL ? -EBADF
	    : command == F_GETFL	      ? O_RDWR | O_NONBLOCK
					      : 0);
}

int
fcntl(int fd, int command, ...)
{
	va_list args;
	long argument;

	va_start(args, command);
	argument = va_arg(args, long);
	va_end(args);
	return control(fd, command, argument);
}

int fcntl64(int fd, int command, ...);

int
fcntl64(int fd, int command, ...)
{
	va_list args;
	long argument;

	va_start(args, command);
	argument = va_arg(args, long);
	va_end(args);
	return control(fd, command, argument);
}
