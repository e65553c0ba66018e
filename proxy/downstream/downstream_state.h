/* downstream_state.h - what all client connections of a worker share; for this room and the rooms
 * of its protocols. */
#ifndef JOBGATE_DOWNSTREAM_STATE_H
#define JOBGATE_DOWNSTREAM_STATE_H

#include <sys/queue.h>

#include "downstream/downstream.h"
#include "http/h2_fields.h"
#include "http/head.h"
#include "http/target.h"
#include "jobgate/exchange.h"
#include "net/slab.h"
#include "net/window_budget.h"

struct connection;
struct quotas;

TAILQ_HEAD(connection_list, connection);

/*
 * Closed connections whose memory is kept for the next ones: more than a busy worker closes at a
 * time, few compared with its open connections.
 */
#define CONNECTIONS_KEEP 1024

/*
 * Room to read one request's head and to write one answer's head. It is used within one turn of the
 * loop, never across turns, so one for each worker is enough. The last head stays in it, so it is
 * in no core dump.
 */
struct head_scratch {
	struct request_head request_head;
	struct request request;
	char path[PATH_ESCAPE_GROWTH * BUFFER_LARGE];
	char wire[(PATH_ESCAPE_GROWTH + 2) * BUFFER_LARGE];
	struct field trailers[HEAD_FIELDS_MAX];
	/* A decoded field block of HTTP/2: its fields, and what they point to. */
	struct field h2_fields[H2_FIELDS_MAX];
	char h2_text[BUFFER_LARGE + HPACK_FIELD_OVERHEAD * H2_FIELDS_MAX + HPACK_TABLE_MAX];
};

/* The connections for one purpose. */
struct places {
	struct connection_list connections; /* those last considered for eviction are at the end */
	struct connection_list
	    handshaking;   /* those in a TLS handshake, instead; the oldest first */
	size_t count;	   /* in either list */
	size_t handshakes; /* of clients, unfinished */
	size_t max, handshakes_max;
};

/* Where a walk over all connections stands (walk.c). */
struct walk {
	unsigned list; /* two of each purpose */
	size_t left;   /* of this list, as it was when the walk came to it */
	struct connection *next;
};

struct downstream {
	struct downstream_options options;
	struct loop *loop;
	struct exchange_context *exchanges;
	struct buffer_pool *buffers;
	struct worker_stats *stats;
	const struct log *log;

	struct slab connections;
	struct slab streams;		    /* of HTTP/2 */
	struct window_budget http2_windows; /* of these */
	struct places places[PURPOSE_COUNT];
	struct quotas *quotas;
	size_t handshakes_in_turn; /* steps of handshakes taken in the turn of this number: */
	uint64_t handshake_turn;
	struct walk walk;
	uint64_t refusal_logged_ms; /* when a refused connection was last logged */
	bool draining;
	struct head_scratch *scratch;
};

#endif
