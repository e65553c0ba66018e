/* job_reach.h - logs which URLs of a sidecar's job take no connections, before a request fails. */
#ifndef JOBGATE_CONTROL_JOB_REACH_H
#define JOBGATE_CONTROL_JOB_REACH_H

#include <sys/socket.h>

#include <event2/event.h>

#include "jobgate/job.h"
#include "jobgate/log.h"
#include "jobgate/resolver.h"

#define REACH_PAUSE_MS 30000 /* between two rounds, and before the first one */
#define REACH_AGAIN_MS 5000  /* the same, while a connection has failed */
#define REACH_CONNECT_MS 5000

/* All of it outlives the job_reach. */
struct job_reach_options {
	struct event_base *base;
	struct resolver *resolver;
	const struct log *log;
	const char *job;    /* its id */
	const char *remedy; /* how its URL is corrected, such as "correct jobs.fixed_url" */
	uint64_t start_ms;  /* failures are not logged within it: the job may be starting */
	uint64_t pause_ms, again_ms, connect_ms;
	/*
	 * False for an address to which no connection may be made; NULL: there is none. path as for
	 * `allows` of control.h.
	 */
	bool (*allows)(void *ctx, const struct sockaddr *address, int path);
	void *ctx;
};

/*
 * Connect to each of the job's URLs from time to time, one after the other and without blocking,
 * and close the connection at once. A URL that has failed twice in a row, and for start_ms, is
 * logged; and again when it takes connections. NULL when memory is short.
 */
struct job_reach;
struct job_reach *job_reach_new(const struct job_reach_options *options);

/*
 * These are the job's URLs now: valid ones, separated by single spaces, or none; copied. What is
 * known of those that were there before stays. A NULL reach is harmless.
 */
void job_reach_set(struct job_reach *reach, struct slice urls);

/* NULL is harmless. */
void job_reach_free(struct job_reach *reach);

#endif
