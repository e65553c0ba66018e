/* workers_state.h - what the files about workers' connections share; only they include it. */
#ifndef JOBGATE_CONTROL_WORKERS_STATE_H
#define JOBGATE_CONTROL_WORKERS_STATE_H

#include "auth/control/workers.h"

/*
 * workers.c              questions, one at a time, to one worker after the other
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
	size_t question_count;
	uint64_t wait_until_ms;		 /* for workers to connect; 0: it does not wait */
	struct worker_connection *asked; /* whose answer is awaited, or NULL */
	uint32_t last;			 /* the worker that was asked last */
	bool none_asked;		 /* none yet */
	uint32_t orders;
};

/* ---- workers.c ---- */

/* Messages of the worker that is being asked, about the order that it was given. */
void question_found(struct worker_connection *worker, struct session *session);
void question_ended(struct worker_connection *worker, const struct session_message *message);

/* The worker is gone: it is silent, if it is being asked. */
void question_lost(struct worker_connection *worker);

/* ---- worker_connections.c ---- */

/* Close the connection, and free it. */
void worker_connection_close(struct worker_connection *worker);

void workers_stop_listening(struct workers *workers);

/* Timer: accept again after a pause. */
void workers_accept_again(evutil_socket_t fd, short what, void *ctx);

#endif
