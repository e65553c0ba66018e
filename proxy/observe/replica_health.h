/* replica_health.h - what the workers know of the health of replicas, in shared memory. */
#ifndef JOBGATE_REPLICA_HEALTH_H
#define JOBGATE_REPLICA_HEALTH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "jobgate/job.h"

#define REPLICA_CHECK_MS 5000	/* between two checks of a replica */
#define REPLICA_FORGET_MS 30000 /* a result without a later check counts for so long */

#define REPLICA_PLACES 8192 /* a power of two: replicas that are checked at a time */

/* A replica counts as not healthy after so many failed checks in a row. One good check ends that.
 */
#define REPLICA_FAILURES 2

#define REPLICA_NAME_MAX 128
#define REPLICA_SAMPLES_MAX 1000 /* replicas that are shown one by one, at most */

/*
 * One replica: a URL with a health path, by its hash. Workers find places by themselves and never
 * wait for one another. A wrong count, of two URLs with the same hash or of two workers that take a
 * place at the same time, only sends requests to another URL of the same job.
 */
struct replica_place {
	_Atomic uint64_t key;	   /* the hash; 0: free */
	_Atomic uint64_t due_ms;   /* the next check; the worker that moves it on makes the check */
	_Atomic uint64_t known_ms; /* the end of the last check; 0: there was none */
	_Atomic uint32_t failures; /* in a row */
	/*
	 * Which replica it is, for metrics. The worker that takes the place writes it, then sets
	 * `named`. A reader that copies it meanwhile may get a mixture, but never more than fits.
	 */
	_Atomic uint32_t named;
	char job[JOB_ID_MAX + 1];
	char name[REPLICA_NAME_MAX]; /* host:port; a longer one is cut */
};

/* Start with a zeroed one, and a random key. */
struct replica_places {
	uint64_t
	    hash_key[2]; /* SipHash: an operator must not choose which replicas share a place */
	struct replica_place places[REPLICA_PLACES];
};

/* What a check changed. */
enum replica_change {
	REPLICA_SAME,
	REPLICA_FAILED,	   /* it is not healthy from now on */
	REPLICA_RECOVERED, /* it is healthy again */
};

/* All times are milliseconds of one clock of the machine. */

/* Which replica it is. */
struct replica_label {
	struct slice job, name; /* the job's id; host:port */
};

/*
 * True when the check of this replica is due: the caller makes it, and other workers do not until
 * REPLICA_CHECK_MS have passed. False as well when no place is left.
 */
bool replica_take_check(struct replica_places *places, uint64_t key,
    const struct replica_label *label, uint64_t now_ms);

/* Note the result of such a check. */
enum replica_change replica_note_check(
    struct replica_places *places, uint64_t key, bool good, uint64_t now_ms);

/* False only when the last checks failed. */
bool replica_is_healthy(const struct replica_places *places, uint64_t key, uint64_t now_ms);

/* How many are not healthy. */
size_t replicas_unhealthy(const struct replica_places *places, uint64_t now_ms);

/*
 * Render as Prometheus reads it which replicas are healthy: those that are checked now, those that
 * are not healthy first, at most REPLICA_SAMPLES_MAX. URLs of a job with the same host and port
 * have one sample. False when memory is short.
 */
bool replicas_render(const struct replica_places *places, uint64_t now_ms, FILE *out);

#endif
