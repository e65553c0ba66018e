/* shared.h - the one mapping that all processes share: what workers count and publish. */
#ifndef JOBGATE_SHARED_H
#define JOBGATE_SHARED_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "jobgate/decision.h"
#include "jobgate/message.h"
#include "jobgate/outcome.h"
#include "observe/counter.h"
#include "observe/exemplar.h"
#include "observe/job_stats.h"
#include "observe/replica_health.h"
#include "observe/uses.h"

/*
 * Durations by powers of two: the first bucket holds up to 64 microseconds, each next one up to
 * twice as much, the last but one up to 134 s, and the last one everything longer.
 */
#define HISTOGRAM_BOUNDS 22
#define HISTOGRAM_FIRST_US 64

struct histogram {
	counter buckets[HISTOGRAM_BOUNDS + 1];
	counter sum_us;
};

static inline unsigned
histogram_bucket(uint64_t us)
{
	/* The bits of (us - 1) / 64: 0 up to 64, 1 up to 128, 2 up to 256 ... */
	uint64_t over = us > 0 ? (us - 1) / HISTOGRAM_FIRST_US : 0;
	unsigned bits = over > 0 ? 64 - (unsigned)__builtin_clzll(over) : 0;

	return bits < HISTOGRAM_BOUNDS ? bits : HISTOGRAM_BOUNDS;
}

static inline void
histogram_add(struct histogram *histogram, uint64_t us)
{
	counter_add(&histogram->buckets[histogram_bucket(us)], 1);
	counter_add(&histogram->sum_us, us);
}

/* What is timed: exchanges, and turns of the event loop. */
enum timed {
	TIMED_DECISION,	  /* from a request's head to its verdict */
	TIMED_CONNECT,	  /* making a connection to a backend; one from the pool takes no time */
	TIMED_FIRST_BYTE, /* from sending a request to the head of its answer */
	TIMED_TOTAL,	  /* a whole exchange, except for tunnels */
	TIMED_REVOCATION, /* from the store's push to the end of the exchange that it revokes */
	TIMED_TURN,	  /* a turn of the event loop, without its waiting */
};
#define TIMED_COUNT (TIMED_TURN + 1)

const char *outcome_name(enum outcome outcome); /* "answered", ...; static */

/* The peers to which a certificate is shown. */
enum certificate_use {
	CERTIFICATE_CLIENTS,  /* tls.certificates */
	CERTIFICATE_CONTROL,  /* control.certificate */
	CERTIFICATE_BACKENDS, /* backends.certificate */
};
#define CERTIFICATE_USE_COUNT (CERTIFICATE_BACKENDS + 1)

/* The statuses of gRPC, 0 to 16, and one more for calls that ended without any: they were cut, or
 * their job's answer had only an HTTP status. */
#define GRPC_STATUSES 18
#define GRPC_NO_STATUS (GRPC_STATUSES - 1)

/* Why a connection was closed before its first request. */
enum connection_refusal {
	CONNECTION_OVER_LIMIT,	      /* limits.connections */
	CONNECTION_OVER_CLIENT_LIMIT, /* limits.connections_per_client */
	CONNECTION_OVER_HANDSHAKES,   /* limits.handshakes */
	CONNECTION_NOT_TRUSTED,	      /* at a listener for proxies, from another peer */
	CONNECTION_BAD_PROXY_HEADER, /* from a proxy whose PROXY header is not valid, or too late */
};
#define CONNECTION_REFUSAL_COUNT (CONNECTION_BAD_PROXY_HEADER + 1)

const char *connection_refusal_name(enum connection_refusal refusal); /* "limit", ...; static */

#define PROTOCOLS (HTTP_2 + 1)

/* Lines that are missing in a log. */
struct log_losses {
	_Alignas(64) counter full;   /* no room to keep them; counted by the loop */
	_Alignas(64) counter failed; /* the write failed; counted by the log's thread */
};

/* The longest line by which a log reports its own dropped lines. */
#define LOG_DROPPED_MAX 128
void log_dropped_text(char out[LOG_DROPPED_MAX], uint64_t dropped);

/* What one worker publishes; on cache lines of its own. */
struct worker_stats {
	_Alignas(64) counter serving; /* 1: of the generation in force; set by the supervisor */
	counter without_store;	      /* 1: it may accept without its store; set by the
				       * supervisor */
	/* The supervisor sets these four, too. */
	counter silent_ms;	     /* since its last beat, in the supervisor's running time */
	counter sockets;	     /* says which workers share one set of listening sockets */
	counter index;		     /* which of these sockets are its own */
	counter orphaned;	     /* 1 while it does not accept from them although it should */
	counter beats;		     /* grows with the turns of its event loop */
	counter accepting;	     /* 1 once it takes connections */
	counter draining;	     /* 1 once it was told to end: it takes no more */
	counter started_at;	     /* Unix seconds */
	counter ready;		     /* 1 while the directory can answer */
	counter store_good_age_ms;   /* since the pushes were last known to work */
	counter mint_enforced;	     /* 1 while values are refused that were not minted */
	counter store_up;	     /* 1 while both connections to the store are */
	counter store_round_trip_ms; /* of the last proof */
	counter store_connects;
	counter longest_turn_us; /* of the event loop, in the last 30 to 60 s */
	counter connections, connections_total;
	counter connections_refused[CONNECTION_REFUSAL_COUNT];
	counter connections_evicted;
	counter handshakes, handshakes_full, handshakes_resumed, handshakes_failed;
	counter tunnels;
	counter held; /* requests that may wait, or wait, for a job that is not up */
	counter requests;
	/* Exchanges that have ended, by protocol (enum http_version) and status_class. */
	counter responses[PROTOCOLS][STATUS_CLASSES];
	counter outcomes[OUTCOME_COUNT];
	counter verdicts[VERDICT_COUNT];
	counter grpc_calls[GRPC_STATUSES];
	counter bytes_in, bytes_out; /* of message bodies and tunnels, from and to clients */
	counter backend_connections, backend_idle, backend_connects, backend_reuses,
	    backend_retries;
	counter circuits_open, circuit_opens;
	counter health_checks, health_failures; /* of replicas */
	counter cache_hits, cache_misses, cache_entries, cache_evictions, invalidations,
	    bad_records, records_watched;
	struct histogram timed[TIMED_COUNT];
	struct exemplar exemplars[HISTOGRAM_BOUNDS + 1]; /* of the buckets of TIMED_TOTAL */
	struct log_losses access_log, service_log;
	struct uses uses;		       /* of tokens; not cleared, the next worker goes on */
	struct job_counts jobs[JOB_SLOTS + 1]; /* the same */
};

/* A worker that has been silent this long is not ready, and others accept in its place. */
#define HEARTBEAT_LATE_MS 2000

struct shared_stats {
	size_t worker_count; /* parts: more than workers, as old ones drain while new ones serve */
	counter draining;    /* 1 once shutdown has begun: /readyz fails */
	counter store_cut;   /* 1: the private store's file was cut short, and not yet checked */
	/* When the first certificate of each use expires, Unix seconds; 0: there is none. */
	counter certificate_expiry[CERTIFICATE_USE_COUNT];
	struct log_losses supervisor_log, control_log, redis_log; /* redis: until it is exec'd */
	counter control_beats, control_silent_ms;		  /* as those of a worker */
	/* 1: the control process ends for another one, which keeps what it has registered. */
	counter control_hands_over;
	counter hung;		/* processes that were ended because they hung */
	counter failed_checks;	/* processes that ended themselves at a CHECK */
	counter orphan_changes; /* counts changes of any worker's `orphaned` */
	struct job_slots job_slots;
	struct replica_places replica_places;
	struct worker_stats workers[];
};

/* Map it before the fork; NULL when memory is short. */
struct shared_stats *shared_stats_map(size_t worker_count);
void shared_stats_unmap(struct shared_stats *stats);

#endif
