/* stream.h - TCP as two kernels and a wire behave: buffers, segments, FIN, RST. */
#ifndef SIM_STREAM_H
#define SIM_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>
#include <sys/uio.h>

#include "bytes.h"
#include "descriptor.h"
#include "host.h"
#include "schedule.h"

struct segment;
struct end;

/* When bytes were handed to the kernel: a process may be stopped between these two. */
struct stamp {
	uint64_t offset;   /* of the first of them in all that was sent */
	uint64_t begun_ns; /* when the sender's call began: it could not know of anything later */
	uint64_t sent_ns;
};

enum end_state { END_CONNECTING, END_CONNECTED, END_FAILED };

/* One end of a connection. Its owner reads it, and is told of changes. */
struct end {
	struct descriptor descriptor; /* first */
	struct end *peer;
	struct host *host;
	struct place local, remote;
	enum end_state state;
	int error;			  /* SO_ERROR */
	bool closed;			  /* its owner has done with it */
	bool linger_none;		  /* closing resets */
	void (*changed)(struct end *end); /* a model's; NULL: epoll alone */
	void *owner;
	/* receiving */
	struct bytes in;
	size_t in_max;
	bool in_ended, in_shut;
	bool in_pending;   /* a segment is just being taken */
	uint64_t received; /* bytes that the owner has taken */
	/* sending */
	STAILQ_HEAD(, segment) out;
	struct alarm arrive;
	uint64_t out_at_ns; /* nothing sent later arrives before */
	size_t unacknowledged, out_max;
	bool wants_room, out_shut;
	uint64_t sent;
	struct stamp *stamps; /* of what the peer has not released */
	size_t stamp_count, stamp_room;
	struct alarm connect;
	unsigned tries;
	struct place target;
};

/* ---- listening ---- */

struct listener {
	struct descriptor descriptor; /* first */
	LIST_ENTRY(listener) link;
	struct host *host;
	struct place place;
	bool open;
	unsigned queued, backlog;
	struct end *queue[256];
	void (*accepted)(struct listener *listener, struct end *end); /* a model's */
	void *owner;
};

/* It listens until its descriptor is released, or listener_close. */
struct listener *listener_new(struct host *host, struct place place);
void listener_close(struct listener *listener);

/* The connection that waits longest; NULL: none. */
struct end *listener_take(struct listener *listener);

/* ---- connections ---- */

/* Set out to a place. The result comes as a change. */
struct end *end_connect(struct host *host, struct place target);

/* Returns how many bytes were taken; negative errno. stamp says when. */
long end_send(struct end *end, const struct iovec *pieces, int count, const struct stamp *stamp);

/* Returns how many bytes came; 0: the end; negative errno. */
long end_receive(struct end *end, const struct iovec *pieces, int count, bool peek);

void end_shutdown(struct end *end, bool in, bool out);

/* Its owner has done with it: it is freed once nothing needs it any more. */
void end_close(struct end *end);

/* A packet from the peer's side resets it, as a broken machine or a firewall would do. */
void end_reset(struct end *end);

/* What was known when the byte at this offset was sent; offsets only grow. */
const struct stamp *end_stamp(struct end *sender, uint64_t offset);

#endif
