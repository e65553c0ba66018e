/* worker_connections.c - takes connections of our workers, and reads what they say. */
#define _GNU_SOURCE 1 /* struct ucred, accept4 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "auth/control/workers_state.h"

/* The pause in accepting when there are no descriptors. */
#define PAUSE_S 1

/* More than workers of two generations. Only our own user can connect. */
#define CONNECTIONS_MAX 1024

void
worker_connection_close(struct worker_connection *worker)
{
	struct workers *workers = worker->workers;

	TAILQ_REMOVE(&workers->all, worker, link);
	workers->count--;
	question_lost(worker);
	watch_worker_left(worker);
	event_free(worker->readable);
	close(worker->fd);
	free(worker);
}

static void
give(struct worker_connection *worker, const void *order, size_t len)
{
	if (send(worker->fd, order, len, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)len)
		shutdown(worker->fd, SHUT_RDWR);
}

void
worker_connection_give(struct worker_connection *worker, const struct session_order *order)
{
	give(worker, order, sizeof(*order));
}

void
worker_connection_give_count(
    struct worker_connection *worker, const struct session_count_order *order)
{
	give(worker, order, sizeof(*order));
}

/* ---- what workers say ---- */

/* A worker that connects again takes the place of its earlier connection. */
static void
become_known(struct worker_connection *worker, const struct session_message *message)
{
	struct workers *workers = worker->workers;
	struct worker_connection *other, *next;

	worker->known = true;
	worker->id = message->hello.worker;
	worker->index = message->hello.index;
	TAILQ_REMOVE(&workers->all, worker, link);
	for (other = TAILQ_FIRST(&workers->all); other != NULL; other = next) {
		next = TAILQ_NEXT(other, link);
		if (other->known && other->id == worker->id)
			worker_connection_close(other);
		else if (!other->known || other->id > worker->id)
			break;
	}
	if (other != NULL)
		TAILQ_INSERT_BEFORE(other, worker, link);
	else
		TAILQ_INSERT_TAIL(&workers->all, worker, link);
	watch_worker_came(worker);
}

/* False: the connection is of no use, and is to be closed. */
static bool
take_message(struct worker_connection *worker, struct session_message *message)
{
	bool expected =
	    worker->workers->asked == worker && message->number == worker->workers->orders;

	switch (message->kind) {
	case SESSION_HELLO:
		if (worker->known || message->hello.protocol != SESSION_PROTOCOL)
			return false;
		become_known(worker, message);
		return true;
	case SESSION_ONE:
		if (expected)
			question_found(worker, &message->session);
		return worker->known;
	case SESSION_WATCHING:
		if (worker->known)
			watch_confirmed(worker, message->number);
		return worker->known;
	case SESSION_EVENT:
		if (worker->known)
			watch_told(worker, &message->event);
		return worker->known;
	case SESSION_END:
		if (expected)
			question_ended(worker, message);
		return worker->known;
	default:
		return false;
	}
}

#define MESSAGES_AT_ONCE 64

static void
on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct worker_connection *worker = ctx;
	struct session_message message;

	(void)what;
	for (unsigned i = 0; i < MESSAGES_AT_ONCE; i++) {
		ssize_t got = recv(fd, &message, sizeof(message), MSG_DONTWAIT | MSG_TRUNC);

		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (got != (ssize_t)sizeof(message) || !take_message(worker, &message)) {
			worker_connection_close(worker);
			return;
		}
	}
}

/* ---- connections ---- */

static bool
is_ours(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 && cred.uid == geteuid();
}

/* Without a pause, a connection that cannot be accepted would keep the loop busy. */
static void
pause_accepting(struct workers *workers)
{
	const struct timeval pause = {.tv_sec = PAUSE_S};

	event_del(workers->acceptable);
	evtimer_add(workers->again, &pause);
}

void
workers_accept_again(evutil_socket_t fd, short what, void *ctx)
{
	struct workers *workers = ctx;

	(void)fd;
	(void)what;
	if (workers->acceptable != NULL)
		event_add(workers->acceptable, NULL);
}

static void
on_acceptable(evutil_socket_t listening, short what, void *ctx)
{
	struct workers *workers = ctx;
	int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct worker_connection *worker = fd >= 0 ? calloc(1, sizeof(*worker)) : NULL;

	(void)what;
	if (fd < 0 && errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
		pause_accepting(workers);
	if (worker != NULL && is_ours(fd) && workers->count < CONNECTIONS_MAX) {
		*worker = (struct worker_connection){.workers = workers, .fd = fd};
		worker->readable =
		    event_new(workers->base, fd, EV_READ | EV_PERSIST, on_readable, worker);
		if (worker->readable != NULL && event_add(worker->readable, NULL) == 0) {
			TAILQ_INSERT_TAIL(&workers->all, worker, link);
			workers->count++;
			return;
		}
		if (worker->readable != NULL)
			event_free(worker->readable);
	}
	free(worker);
	if (fd >= 0)
		close(fd);
}

void
workers_stop_listening(struct workers *workers)
{
	if (workers->acceptable != NULL)
		event_free(workers->acceptable);
	workers->acceptable = NULL;
	if (workers->fd >= 0)
		close(workers->fd);
	workers->fd = -1;
}

bool
workers_listen(struct workers *workers, int fd)
{
	workers_stop_listening(workers);
	workers->fd = fd;
	workers->acceptable =
	    event_new(workers->base, fd, EV_READ | EV_PERSIST, on_acceptable, workers);
	if (workers->acceptable != NULL && event_add(workers->acceptable, NULL) == 0)
		return true;
	workers_stop_listening(workers);
	return false;
}
