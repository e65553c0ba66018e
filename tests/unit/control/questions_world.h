/* questions_world.h - the control process's end of the connections of workers, and workers that the
 * test plays. */
#ifndef TEST_CONTROL_QUESTIONS_WORLD_H
#define TEST_CONTROL_QUESTIONS_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "auth/control/workers.h"
#include "jobgate/clock.h"

static struct event_base *base;
static struct workers *workers;
static struct sockaddr_un address;
static size_t running; /* how many workers there are said to be */
static struct session_question question;
static unsigned found, answered;
static uint64_t serials[16];

static inline size_t
count_running(void *ctx)
{
	(void)ctx;
	return running;
}

static inline void
on_found(struct session_question *one, const struct session_id *id, unsigned index,
    const struct session *session)
{
	assert_ptr_equal(one, &question);
	assert_true(id->serial == session->serial && strlen(session->path) <= SESSION_PATH_MAX);
	assert_true(index < 10 && found < 16);
	serials[found++] = id->serial;
}

static inline void
on_answered(struct session_question *one)
{
	assert_ptr_equal(one, &question);
	answered++;
}

static unsigned others_answered;

static inline void
on_other_answered(struct session_question *one)
{
	assert_ptr_not_equal(one, &question);
	others_answered++;
}

static inline bool
is_abandoned(const struct session_question *one)
{
	(void)one;
	return true;
}

static inline int
setup(void **state)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);

	(void)state;
	address = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/questions-%d", (int)getpid());
	unlink(address.sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 8), 0);
	base = event_base_new();
	workers = workers_new(base, count_running, NULL);
	assert_true(workers != NULL && workers_listen(workers, fd));
	running = 0;
	found = answered = others_answered = 0;
	question =
	    (struct session_question){.order.most = 10, .found = on_found, .answered = on_answered};
	return 0;
}

static inline int
teardown(void **state)
{
	(void)state;
	workers_free(workers);
	event_base_free(base);
	unlink(address.sun_path);
	return 0;
}

static inline void
turn(void)
{
	for (int i = 0; i < 5; i++) {
		event_base_loop(base, EVLOOP_NONBLOCK);
		usleep(1000);
	}
}

static inline void
tell(int fd, const struct session_message *message)
{
	assert_int_equal(
	    send(fd, message, sizeof(*message), MSG_NOSIGNAL), (ssize_t)sizeof(*message));
	turn();
}

/* A worker that connects and says hello. */
static inline int
connect_worker(uint32_t id, uint32_t protocol)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	turn();
	tell(
	    fd, &(struct session_message){.kind = SESSION_HELLO, .hello = {protocol, id % 10, id}});
	return fd;
}

/* The order that this worker has got; false: none. */
static inline bool
got_order(int fd, struct session_order *order)
{
	return recv(fd, order, sizeof(*order), MSG_DONTWAIT) == (ssize_t)sizeof(*order);
}

static inline bool
is_closed(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

static inline void
tell_session(int fd, uint32_t number, uint64_t serial)
{
	struct session_message message = {
	    .kind = SESSION_ONE, .number = number, .session.serial = serial};

	memset(message.session.path, 'x', sizeof(message.session.path)); /* without a NUL */
	message.session.state = 200;
	message.session.version = 200;
	tell(fd, &message);
}

static inline void
tell_end(int fd, uint32_t number, uint64_t count, bool more)
{
	tell(fd,
	    &(struct session_message){.kind = SESSION_END, .number = number, .end = {count, more}});
}

/* True when a token of this id must wait. */
static inline bool
is_busy(const char *by, bool scoped)
{
	struct session_question other = {.by = slice_of(by)};

	other.order.filter.scoped = scoped;
	return workers_are_busy(workers, &other);
}

#endif
