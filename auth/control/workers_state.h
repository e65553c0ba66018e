/* workers_state.h - what the files about workers' connections share; only they include it. */
#ifndef JOBGATE_CONTROL_WORKERS_STATE_H
#define JOBGATE_CONTROL_WORKERS_STATE_H

#include "auth/control/workers.h"

/*
 * workers.c              questions, one at a time, to one worker after the other
 * workers_watch.c        tells of sessions that begin and end
 * worker_connections.c   the socket, connections, and the messages that come
 */

/* The connection of a worker. */
struct worker_connection {
	TAILQ_ENTRY(worker_connection) link;
	struct workers *workers;
	int fd;
	struct event *readable;
	bool known; /* it has said hello: */
	uint32_t id;
	unsigned index;
	uint32_t watched[SESSION_SLOTS]; /* the number of the order that it has confirmed last */
};

/* Who is told of sessions that begin and end. */
struct watch_slot {
	bool used;
	uint32_t number; /* of the order to watch for it; another one each time */
	struct session_order order;
};

struct workers {
	struct event_base *base;
	size_t (*running)(void *ctx);
	void *running_ctx;
	int fd; /* -1: does not listen */
	struct event *acceptable, *timer;
	struct event *again; /* accepts again after a pause */
	TAILQ_HEAD(worker_list, worker_connection)
	all;					  /* in the order of their ids; new ones are last */
	size_t count;				  /* of these */
	TAILQ_HEAD(, session_question) questions; /* the first one is being answered */
	uint64_t wait_until_ms;			  /* for workers to connect; 0: it does not wait */
	struct worker_connection *asked;	  /* whose answer is awaited, or NULL */
	uint32_t last;				  /* the worker that was asked last */
	bool none_asked;			  /* none yet */
	uint32_t orders;
	struct workers_watcher watcher; /* functions are NULL: there is none */
	struct watch_slot slots[SESSION_SLOTS];
	uint32_t watches; /* orders to watch that were given so far */
};

/* ---- workers.c ---- */

/* Messages of the worker that is being asked, about the order that it was given. */
void question_found(struct worker_connection *worker, struct session *session);
void question_ended(struct worker_connection *worker, const struct session_message *message);

/* How many workers are connected and have said hello; how many take clients' connections. */
size_t workers_known_count(const struct workers *workers);
size_t workers_running_count(const struct workers *workers);

/* The worker is gone: it is silent, if it is being asked. */
void question_lost(struct worker_connection *worker);

/* Texts of a session end with NUL afterwards, and its numbers lie in their ranges, whatever the
 * worker has sent. */
void question_make_safe(struct session *session);

/* ---- workers_watch.c ---- */

/* A worker has said hello; it is gone; it confirms an order, or tells of a session. */
void watch_worker_came(struct worker_connection *worker);
void watch_worker_left(const struct worker_connection *worker);
void watch_confirmed(struct worker_connection *worker, uint32_t number);
void watch_told(const struct worker_connection *worker, struct session_event *event);

/* ---- worker_connections.c ---- */

/*
 * Send an order. A worker that cannot take it now is of no use: the connection is shut down, and
 * its readable event closes it later, so that callers can go on with the worker and with the list.
 */
void worker_connection_give(struct worker_connection *worker, const struct session_order *order);
void worker_connection_give_count(
    struct worker_connection *worker, const struct session_count_order *order);

/* Close the connection, and free it. Not from within a message of this worker. */
void worker_connection_close(struct worker_connection *worker);

void workers_stop_listening(struct workers *workers);

/* Timer: accept again after a pause. */
void workers_accept_again(evutil_socket_t fd, short what, void *ctx);

#endif
