/* state.h - what all exchanges of a worker share. */
#ifndef JOBGATE_EXCHANGE_STATE_H
#define JOBGATE_EXCHANGE_STATE_H

#include "exchange/gateway.h"
#include "exchange/peer.h"
#include "exchange/request_id.h"
#include "exchange/rewrite.h"
#include "http/head.h"
#include "http/target.h"
#include "http/write.h"
#include "jobgate/exchange.h"
#include "net/buffer.h"
#include "net/slab.h"

struct pool;

/* Idle objects kept of each kind: more than a busy worker turns over, small next to its
 * connections. */
#define SLAB_KEEP 1024

/*
 * Room in which one head is taken apart and put together. It is used from the
 * moment a head is complete until it has been written anew, never across turns
 * of the loop, so one for each worker is enough.
 */
struct scratch {
	struct response_head response_head;
	struct rewritten rewritten;
	char wire[(PATH_ESCAPE_GROWTH + 2) * BUFFER_LARGE];
	struct field trailers[HEAD_FIELDS_MAX];
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
	struct slab exchanges, backend_conns, dials, http1_clients;
	struct pool *pool;
	struct request_ids ids;
	struct bearer_memos memos;

	bool draining;

	int64_t date_second; /* the Unix time that `date` says */
	char date[HTTP_DATE_LEN];
	struct scratch scratch;
};

/* Where the sidecar's job is reached, whatever its record says; NULL: as its record says. */
static inline const struct job_url *
gateway_fixed_target(const struct gateway *gateway)
{
	return gateway->options.jobs.fixed_url != NULL ? &gateway->options.jobs.fixed_target : NULL;
}

/* The Date of now, made once a second. */
struct slice gateway_date(struct gateway *gateway);

#endif
