/* dial.c - resolve, then connect to one address after the other. */
#include "auth/redis/dial.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A question to the C library's resolver; the loop and the thread each hold it. */
struct question {
	atomic_int holders;
	int ready; /* eventfd: written by the thread when it is done */
	char host[REDIS_TEXT_MAX], port[8];
	int error; /* of getaddrinfo */
	struct addrinfo *addresses;
};

struct redis_dial {
	struct event_base *base;
	redis_dial_fn *done;
	void *ctx;
	struct redis_url url;
	unsigned timeout_ms;	   /* for all addresses, then for each */
	struct event *event;	   /* waits for the question, then for connect(2) */
	struct question *question; /* not for Unix sockets */
	struct sockaddr_un path;
	struct addrinfo path_info; /* of path, as getaddrinfo would have told it */
	struct addrinfo *next;	   /* address to try */
	int fd;			   /* being connected, or -1 */
	char reason[160];
};

static void
question_drop(struct question *question)
{
	if (atomic_fetch_sub(&question->holders, 1) > 1)
		return;
	if (question->addresses != NULL)
		freeaddrinfo(question->addresses);
	close(question->ready);
	free(question);
}

static int
question_resolve(struct question *question, int flags)
{
	const struct addrinfo hints = {
	    .ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};

	return getaddrinfo(question->host, question->port, &hints, &question->addresses);
}

static void *
question_thread(void *arg)
{
	struct question *question = arg;
	const uint64_t one = 1;

	question->error = question_resolve(question, AI_ADDRCONFIG);
	/* An address of a family that has no route here fails at connect(2), and says so. */
	if (question->error != 0)
		question->error = question_resolve(question, 0);
	if (write(question->ready, &one, sizeof(one)) < 0)
		abort(); /* an eventfd of ours, written once */
	question_drop(question);
	return NULL;
}

static bool
question_ask(struct question *question)
{
	sigset_t all, before;
	pthread_attr_t detached;
	pthread_t thread;
	bool started;

	/* Signals are the loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	atomic_store(&question->holders, 2);
	started = pthread_create(&thread, &detached, question_thread, question) == 0;
	if (!started)
		atomic_store(&question->holders, 1);
	pthread_attr_destroy(&detached);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return started;
}

static struct question *
question_new(const struct redis_url *url)
{
	struct question *question = calloc(1, sizeof(*question));

	if (question == NULL)
		return NULL;
	atomic_init(&question->holders, 1);
	memcpy(question->host, url->host, sizeof(question->host));
	snprintf(question->port, sizeof(question->port), "%u", (unsigned)url->port);
	question->ready = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (question->ready < 0) {
		free(question);
		return NULL;
	}
	return question;
}

void
redis_dial_cancel(struct redis_dial *dial)
{
	if (dial == NULL)
		return;
	if (dial->event != NULL)
		event_free(dial->event);
	if (dial->question != NULL)
		question_drop(dial->question);
	if (dial->fd >= 0)
		close(dial->fd);
	redis_url_wipe(&dial->url);
	free(dial);
}

static void
dial_finish(struct redis_dial *dial, int fd)
{
	redis_dial_fn *done = dial->done;
	void *ctx = dial->ctx;
	char reason[sizeof(dial->reason)];

	memcpy(reason, dial->reason, sizeof(reason));
	redis_dial_cancel(dial);
	done(ctx, fd, reason);
}

/* Wait for fd, and call then. False when memory is short. */
static bool
dial_wait(struct redis_dial *dial, int fd, short what, const struct timeval *timeout,
    event_callback_fn then)
{
	if (dial->event != NULL)
		event_free(dial->event);
	dial->event = event_new(dial->base, fd, what, then, dial);
	if (dial->event != NULL && event_add(dial->event, timeout) == 0)
		return true;
	snprintf(dial->reason, sizeof(dial->reason), "out of memory");
	return false;
}

static void on_connected(evutil_socket_t fd, short what, void *ctx);

/* Begin to connect to one address; false when it has failed already. */
static bool
dial_try(struct redis_dial *dial, const struct addrinfo *address)
{
	const struct timeval timeout = {
	    .tv_sec = dial->timeout_ms / 1000, .tv_usec = dial->timeout_ms % 1000 * 1000};
	const int one = 1;

	dial->fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (dial->fd < 0)
		goto fail;
	if (address->ai_family != AF_UNIX)
		setsockopt(dial->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(dial->fd, address->ai_addr, address->ai_addrlen) != 0 && errno != EINPROGRESS)
		goto fail;
	return dial_wait(dial, dial->fd, EV_WRITE, &timeout, on_connected);
fail:
	snprintf(dial->reason, sizeof(dial->reason), "cannot connect: %s", strerror(errno));
	return false;
}

/* Go on with the next address. The dial may be gone afterwards. */
static void
dial_next(struct redis_dial *dial)
{
	while (dial->next != NULL) {
		struct addrinfo *address = dial->next;

		dial->next = address->ai_next;
		if (dial_try(dial, address))
			return;
		if (dial->fd >= 0)
			close(dial->fd);
		dial->fd = -1;
	}
	dial_finish(dial, -1);
}

static void
on_connected(evutil_socket_t fd, short what, void *ctx)
{
	struct redis_dial *dial = ctx;
	int error = ETIMEDOUT;
	socklen_t len = sizeof(error);

	if ((what & EV_TIMEOUT) == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	dial->fd = -1;
	if (error == 0) {
		event_free(dial->event); /* before the descriptor is somebody else's */
		dial->event = NULL;
		dial_finish(dial, fd);
		return;
	}
	snprintf(dial->reason, sizeof(dial->reason), "cannot connect: %s", strerror(error));
	event_free(dial->event);
	dial->event = NULL;
	close(fd);
	dial_next(dial);
}

static void
dial_resolved(struct redis_dial *dial)
{
	unsigned count = 0;

	if (dial->question->error != 0)
		snprintf(dial->reason, sizeof(dial->reason), "cannot resolve its host: %s",
		    gai_strerror(dial->question->error));
	else
		dial->next = dial->question->addresses;
	for (struct addrinfo *at = dial->next; at != NULL; at = at->ai_next)
		count++;
	if (count > 1)
		dial->timeout_ms /= count;
	dial_next(dial);
}

static void
on_answer(evutil_socket_t ready, short what, void *ctx)
{
	uint64_t one;

	(void)what;
	/* Not for its value: what the thread wrote before it wrote there is ours to read from here
	 * on. */
	if (read(ready, &one, sizeof(one)) == sizeof(one))
		dial_resolved(ctx);
	else
		dial_finish(ctx, -1);
}

/* The first turn of the loop, so that done is never called from within redis_dial_start. */
static void
on_begin(evutil_socket_t fd, short what, void *ctx)
{
	struct redis_dial *dial = ctx;

	(void)fd;
	(void)what;
	if (dial->url.path[0] != '\0') {
		dial->next = &dial->path_info;
		dial_next(dial);
	} else if (question_resolve(dial->question, AI_NUMERICHOST) == 0) {
		dial_resolved(dial);
	} else if (!question_ask(dial->question)) {
		snprintf(dial->reason, sizeof(dial->reason),
		    "cannot start a thread to resolve its host");
		dial_finish(dial, -1);
	} else if (!dial_wait(dial, dial->question->ready, EV_READ, NULL, on_answer)) {
		dial_finish(dial, -1);
	}
}

struct redis_dial *
redis_dial_start(struct event_base *base, const struct redis_url *url, unsigned timeout_ms,
    redis_dial_fn *done, void *ctx)
{
	struct redis_dial *dial = calloc(1, sizeof(*dial));

	if (dial == NULL)
		return NULL;
	*dial = (struct redis_dial){.base = base,
	    .done = done,
	    .ctx = ctx,
	    .url = *url,
	    .timeout_ms = timeout_ms,
	    .fd = -1};
	dial->path.sun_family = AF_UNIX;
	memcpy(dial->path.sun_path, url->path, sizeof(dial->path.sun_path));
	dial->path_info = (struct addrinfo){.ai_family = AF_UNIX,
	    .ai_addr = (struct sockaddr *)&dial->path,
	    .ai_addrlen = sizeof(dial->path)};
	dial->event = event_new(base, -1, 0, on_begin, dial);
	if (url->path[0] == '\0')
		dial->question = question_new(url);
	if (dial->event == NULL || (url->path[0] == '\0' && dial->question == NULL)) {
		redis_dial_cancel(dial);
		return NULL;
	}
	event_active(dial->event, 0, 0);
	return dial;
}
