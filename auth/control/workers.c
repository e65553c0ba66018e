/* workers.c - asks one worker after the other, and passes on what they answer. */
#define _GNU_SOURCE 1 /* struct ucred, accept4 */
#include "auth/control/workers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "jobgate/clock.h"

/* A worker that has sent nothing for this time is taken as silent. */
#define PATIENCE_MS 2000
/* How long a question waits for workers to connect: they try a few times in a second. */
#define CONNECT_MS 1000
#define LOOK_AGAIN_MS 20

/* Of callers with tokens, waiting or being answered. */
#define QUESTIONS_MAX 16

/* More than workers of two generations. Only our own user can connect. */
#define CONNECTIONS_MAX 1024

/* The connection of a worker. */
struct told {
	TAILQ_ENTRY(told) link;
	struct workers *workers;
	int fd;
	struct event *readable;
	bool known; /* it has said hello: */
	uint32_t id;
	unsigned index;
};

struct workers {
	struct event_base *base;
	size_t (*running)(void *ctx);
	void *running_ctx;
	int fd; /* -1: does not listen */
	struct event *acceptable, *timer;
	TAILQ_HEAD(told_list, told) all;	  /* in the order of their ids; new ones are last */
	size_t count;				  /* of these */
	TAILQ_HEAD(, session_question) questions; /* the first one is being answered */
	size_t question_count;
	uint64_t wait_until_ms; /* for workers to connect; 0: it does not wait */
	struct told *asked;	/* whose answer is awaited, or NULL */
	uint32_t last;		/* the worker that was asked last */
	bool none_asked;	/* none yet */
	uint32_t orders;
};

static void go_on(struct workers *workers);

static void
start_timer(struct workers *workers, unsigned ms)
{
	const struct timeval pause = {
	    .tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};

	evtimer_add(workers->timer, &pause);
}

/* ---- the end of a question ---- */

static void
begin(struct workers *workers)
{
	workers->wait_until_ms = clock_ms(CLOCK_MONOTONIC) + CONNECT_MS;
	workers->none_asked = true;
	start_timer(workers, 0);
}

static void
answer(struct workers *workers)
{
	struct session_question *question = TAILQ_FIRST(&workers->questions);

	workers->asked = NULL;
	TAILQ_REMOVE(&workers->questions, question, link);
	workers->question_count--;
	evtimer_del(workers->timer);
	if (!TAILQ_EMPTY(&workers->questions))
		begin(workers);
	question->answered(question);
}

/* ---- one worker after the other ---- */

static void
told_close(struct told *told)
{
	struct workers *workers = told->workers;

	TAILQ_REMOVE(&workers->all, told, link);
	workers->count--;
	if (workers->asked == told) {
		workers->asked = NULL;
		TAILQ_FIRST(&workers->questions)->silent++;
		start_timer(workers, 0);
	}
	event_free(told->readable);
	close(told->fd);
	free(told);
}

static size_t
known_count(const struct workers *workers)
{
	const struct told *told;
	size_t count = 0;

	TAILQ_FOREACH(told, &workers->all, link)
	count += told->known;
	return count;
}

/* The worker that is to be asked next; NULL: none is left. */
static struct told *
next_worker(const struct workers *workers, const struct session_question *question)
{
	struct told *told;

	TAILQ_FOREACH(told, &workers->all, link)
	if (told->known && (workers->none_asked || told->id > workers->last) &&
	    (question->of_one ? told->id == question->from.worker
			      : told->id >= question->from.worker))
		return told;
	return NULL;
}

static void
put(struct workers *workers, struct session_question *question, struct told *told)
{
	struct session_order order = question->order;

	workers->none_asked = false;
	workers->last = told->id;
	workers->asked = told;
	order.number = ++workers->orders;
	if (question->of_one)
		order.filter.serial = question->from.serial;
	else if (told->id == question->from.worker)
		order.filter.before = question->from.serial;
	if (order.most > 0)
		order.most -= question->count;
	if (send(told->fd, &order, sizeof(order), MSG_DONTWAIT | MSG_NOSIGNAL) != sizeof(order))
		told_close(told);
	else
		start_timer(workers, PATIENCE_MS);
}

/* True while workers that run are not connected yet, and may still come. */
static bool
wait_for_workers(struct workers *workers, struct session_question *question)
{
	size_t running = workers->running != NULL ? workers->running(workers->running_ctx) : 0;
	size_t known = known_count(workers);

	if (workers->wait_until_ms == 0 || known >= running)
		workers->wait_until_ms = 0;
	if (workers->wait_until_ms == 0)
		return false;
	if (clock_ms(CLOCK_MONOTONIC) < workers->wait_until_ms)
		return true;
	workers->wait_until_ms = 0;
	question->silent += (unsigned)(running - known);
	return false;
}

/* Ask the next worker; or the question is answered. */
static void
go_on(struct workers *workers)
{
	struct session_question *question = TAILQ_FIRST(&workers->questions);
	struct told *told;

	if (wait_for_workers(workers, question)) {
		start_timer(workers, LOOK_AGAIN_MS);
		return;
	}
	told = next_worker(workers, question);
	if (told != NULL && question->order.most > 0 && question->count >= question->order.most) {
		question->more = true;
		told = NULL;
	}
	if (told != NULL)
		put(workers, question, told);
	else
		answer(workers);
}

static void
on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct workers *workers = ctx;

	(void)fd;
	(void)what;
	if (TAILQ_EMPTY(&workers->questions))
		return;
	if (workers->asked != NULL) {
		TAILQ_FIRST(&workers->questions)->silent++;
		workers->asked = NULL;
	}
	go_on(workers);
}

/* ---- what workers say ---- */

/* Texts of a worker end with NUL, and numbers lie in their ranges, whatever it has sent. */
static void
make_safe(struct session *session)
{
#define END(text) session->text[sizeof(session->text) - 1] = '\0'
	END(token_id);
	END(token_name);
	END(job);
	END(client);
	END(method);
	END(path);
#undef END
	if (session->state >= SESSION_STATE_COUNT)
		session->state = SESSION_RELAYING;
	if (session->version > HTTP_2)
		session->version = HTTP_1_1;
}

static void
found(struct told *told, struct session *session)
{
	struct session_question *question = TAILQ_FIRST(&told->workers->questions);
	const struct session_id id = {told->id, session->serial};

	if (question->order.cuts ||
	    (question->order.most > 0 && question->count >= question->order.most))
		return;
	make_safe(session);
	question->count++;
	question->found(question, &id, told->index, session);
	start_timer(told->workers, PATIENCE_MS);
}

static void
ended(struct told *told, const struct session_message *message)
{
	struct workers *workers = told->workers;
	struct session_question *question = TAILQ_FIRST(&workers->questions);

	workers->asked = NULL;
	if (question->order.cuts)
		question->count += message->end.count;
	if (message->end.more) {
		question->more = true;
		answer(workers);
	} else {
		go_on(workers);
	}
}

/* A worker that connects again takes the place of its earlier connection. */
static void
become_known(struct told *told, const struct session_message *message)
{
	struct workers *workers = told->workers;
	struct told *other, *next;

	told->known = true;
	told->id = message->hello.worker;
	told->index = message->hello.index;
	TAILQ_REMOVE(&workers->all, told, link);
	for (other = TAILQ_FIRST(&workers->all); other != NULL; other = next) {
		next = TAILQ_NEXT(other, link);
		if (other->known && other->id == told->id)
			told_close(other);
		else if (!other->known || other->id > told->id)
			break;
	}
	if (other != NULL)
		TAILQ_INSERT_BEFORE(other, told, link);
	else
		TAILQ_INSERT_TAIL(&workers->all, told, link);
}

/* False: the connection is of no use, and is to be closed. */
static bool
take_message(struct told *told, struct session_message *message)
{
	bool expected = told->workers->asked == told && message->number == told->workers->orders;

	switch (message->kind) {
	case SESSION_HELLO:
		if (told->known || message->hello.protocol != SESSION_PROTOCOL)
			return false;
		become_known(told, message);
		return true;
	case SESSION_ONE:
		if (expected)
			found(told, &message->session);
		return told->known;
	case SESSION_END:
		if (expected)
			ended(told, message);
		return told->known;
	default:
		return false;
	}
}

#define MESSAGES_AT_ONCE 64

static void
on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct told *told = ctx;
	struct session_message message;

	(void)what;
	for (unsigned i = 0; i < MESSAGES_AT_ONCE; i++) {
		ssize_t got = recv(fd, &message, sizeof(message), MSG_DONTWAIT | MSG_TRUNC);

		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (got != (ssize_t)sizeof(message) || !take_message(told, &message)) {
			told_close(told);
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

static void
on_acceptable(evutil_socket_t listening, short what, void *ctx)
{
	struct workers *workers = ctx;
	int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct told *told = fd >= 0 ? calloc(1, sizeof(*told)) : NULL;

	(void)what;
	if (told != NULL && is_ours(fd) && workers->count < CONNECTIONS_MAX) {
		*told = (struct told){.workers = workers, .fd = fd};
		told->readable =
		    event_new(workers->base, fd, EV_READ | EV_PERSIST, on_readable, told);
		if (told->readable != NULL && event_add(told->readable, NULL) == 0) {
			TAILQ_INSERT_TAIL(&workers->all, told, link);
			workers->count++;
			return;
		}
		if (told->readable != NULL)
			event_free(told->readable);
	}
	free(told);
	if (fd >= 0)
		close(fd);
}

static void
stop_listening(struct workers *workers)
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
	stop_listening(workers);
	workers->fd = fd;
	workers->acceptable =
	    event_new(workers->base, fd, EV_READ | EV_PERSIST, on_acceptable, workers);
	if (workers->acceptable != NULL && event_add(workers->acceptable, NULL) == 0)
		return true;
	stop_listening(workers);
	return false;
}

struct workers *
workers_new(struct event_base *base, size_t (*running)(void *ctx), void *running_ctx)
{
	struct workers *workers = calloc(1, sizeof(*workers));

	if (workers == NULL)
		return NULL;
	*workers = (struct workers){
	    .base = base, .running = running, .running_ctx = running_ctx, .fd = -1};
	TAILQ_INIT(&workers->all);
	TAILQ_INIT(&workers->questions);
	workers->timer = evtimer_new(base, on_timer, workers);
	if (workers->timer != NULL)
		return workers;
	free(workers);
	return NULL;
}

void
workers_ask(struct workers *workers, struct session_question *question)
{
	question->count = 0;
	question->more = false;
	question->silent = 0;
	TAILQ_INSERT_TAIL(&workers->questions, question, link);
	workers->question_count++;
	if (TAILQ_FIRST(&workers->questions) == question)
		begin(workers);
}

bool
workers_are_busy(const struct workers *workers, struct slice by)
{
	const struct session_question *question;

	TAILQ_FOREACH(question, &workers->questions, link)
	if (slice_equal(question->by, by))
		return true;
	return workers->question_count >= QUESTIONS_MAX;
}

void
workers_free(struct workers *workers)
{
	if (workers == NULL)
		return;
	while (!TAILQ_EMPTY(&workers->questions)) {
		TAILQ_FIRST(&workers->questions)->silent++;
		answer(workers);
	}
	while (!TAILQ_EMPTY(&workers->all))
		told_close(TAILQ_FIRST(&workers->all));
	stop_listening(workers);
	event_free(workers->timer);
	free(workers);
}
