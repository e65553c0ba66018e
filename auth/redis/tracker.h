/* tracker.h - keeps a directory current: reads, invalidations, and proofs that both work. */
#ifndef JOBGATE_REDIS_TRACKER_H
#define JOBGATE_REDIS_TRACKER_H

#include <event2/event.h>
#include <sys/socket.h>

#include "jobgate/directory.h"
#include "jobgate/dump.h"
#include "jobgate/resolver.h"
#include "jobgate/settings.h"
#include "jobgate/tuning.h"

/*
 * A tracker has two connections that open and close together. The data connection reads (HGETALL,
 * pipelined). The push connection is subscribed to the invalidations that Redis sends for what the
 * data connection has read (CLIENT TRACKING ... REDIRECT). If a replica is read, a third connection
 * leads to the primary. A tracker reconnects by itself.
 */
struct redis_tracker;

/* Bytes of options.prefix. */
#define REDIS_PREFIX_MAX 256

struct redis_tracker_options {
	const char *url; /* what is read */
	const char
	    *primary_url; /* where changes go; NULL, or the same as url, when that is the primary */
	const char *prefix;	   /* of keys, "jobgate:" */
	const char *ca_file;	   /* for rediss://; NULL: the system's */
	const char *password_file; /* in place of the URLs' password, outlives the tracker; NULL:
				      none */
	struct resolver *resolver; /* outlives the tracker; NULL where no URL has a name */
	struct store_timeouts timeouts;
	const struct tracker_tuning *tuning; /* NULL: that of jg_tuning */
	uint64_t (*now_ms)(void *ctx);	     /* the directory's clock */
	void *clock_ctx;
};

/* All text is copied. NULL, with a sentence in error, when the URL is not valid or memory is short.
 */
struct redis_tracker *redis_tracker_new(struct event_base *base,
    const struct redis_tracker_options *options, const struct log *log, char *error,
    size_t error_cap);

/* The functions by which a directory reads through this tracker. */
struct directory_store redis_tracker_store(struct redis_tracker *tracker);

/* Connect, and keep this directory current from now on. */
void redis_tracker_start(struct redis_tracker *tracker, struct directory *directory);

/* Free the tracker, before its directory is freed. */
void redis_tracker_free(struct redis_tracker *tracker);

struct redis_tracker_stats {
	bool up;
	uint64_t connects;	/* how often it has come up */
	uint64_t round_trip_ms; /* the duration of the last proof */
	uint64_t bad_records;	/* records met so far that break the rules */
};
void redis_tracker_stats(const struct redis_tracker *tracker, struct redis_tracker_stats *out);

/* Write its state, its proof, its connections and its election. */
void redis_tracker_dump(const struct redis_tracker *tracker, struct dump *dump);

/* The server that is read, the primary, and as many voters as there may be. */
#define REDIS_TRACKER_PEERS 66

/*
 * Write the addresses of the store's servers, each to a fixed place in out. The place of a server
 * that is not connected, or reached over a Unix socket, stays unchanged.
 */
void redis_tracker_peers(
    const struct redis_tracker *tracker, struct sockaddr_storage out[REDIS_TRACKER_PEERS]);

#endif
