/* state.h - what the files of this room share: one worker's data path. */
#ifndef JOBGATE_EXCHANGE_STATE_H
#define JOBGATE_EXCHANGE_STATE_H

#include "exchange/gateway.h"
#include "exchange/request_id.h"
#include "exchange/rewrite.h"
#include "http/head.h"
#include "http/target.h"
#include "http/write.h"
#include "jobgate/exchange.h"
#include "net/address.h"
#include "net/buffer.h"
#include "net/slab.h"

struct connection;
struct pool;
struct quotas;

TAILQ_HEAD(connection_list, connection);

/* Idle objects kept of each kind: more than a busy worker turns over, small next to its
 * connections. */
#define SLAB_KEEP 1024

/*
 * Room in which one head is taken apart and put together. It is used from the
 * moment a head is complete until it has been written anew, never across turns
 * of the loop, so one for each worker is enough.
 */
struct scratch {
	struct request_head request_head;
	struct response_head response_head;
	struct request request;
	struct rewritten rewritten;
	char path[PATH_ESCAPE_GROWTH * BUFFER_LARGE];
	char wire[(PATH_ESCAPE_GROWTH + 2) * BUFFER_LARGE];
	char location[(PATH_ESCAPE_GROWTH + 1) * BUFFER_LARGE]; /* of a redirect */
	struct field trailers[HEAD_FIELDS_MAX];
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

struct gateway {
	struct gateway_options options;
	struct loop *loop;
	struct directory *directory;
	struct resolver *resolver;
	struct worker_stats *stats;
	struct access_log *access_log;
	const struct log *log;

	struct buffer_pool *buffers;
	struct slab connections, exchanges, backend_conns, dials, http1_clients;
	struct pool *pool;
	struct quotas *quotas;
	size_t handshakes_in_turn; /* steps of handshakes taken in the turn of this number: */
	uint64_t handshake_turn;
	struct request_ids ids;
	struct bearer_memos memos;

	struct places places[PURPOSE_COUNT];
	uint64_t refusal_logged_ms; /* when a refused connection was last logged */
	bool draining;

	int64_t date_second; /* the Unix time that `date` says */
	char date[HTTP_DATE_LEN];
	struct scratch scratch;
};

/* The text of a peer's address, "unix" for a local one. */
static inline struct slice
peer_text(const struct exchange_peer *peer, char out[ADDRESS_TEXT_MAX])
{
	if (peer->local)
		return SLICE("unix");
	return (struct slice){out, address_bytes_format(peer->address, out)};
}

/*
 * Read the clock and, if the directory's due time has passed, let it tell its watchers. Each event
 * and task calls this before it moves bytes of an exchange: the worker may have been stopped since
 * the turn began, and a running exchange must be checked again first. The caller's own exchange may
 * end here. Must not be called from a callback of the directory.
 */
void gateway_catch_up(struct gateway *gateway);

/* The Date of now, made once a second. */
struct slice gateway_date(struct gateway *gateway);

#endif
