/* route.h - which job a request is for. */
#ifndef JOBGATE_EXCHANGE_ROUTE_H
#define JOBGATE_EXCHANGE_ROUTE_H

#include "jobgate/job.h"
#include "jobgate/message.h"

/* The forms of job URLs that are in use; each may be NULL. */
struct route_forms {
	const char *domain;  /* <job>.<domain> */
	const char *prefix;  /* <prefix>/<job>/rest */
	const char *fixed;   /* every request is for this job */
	const char *control; /* a host that is no job's but the control API's */
};

struct route {
	bool names_control, names_job; /* one of them at most */
	struct slice
	    job; /* a valid id; points into `text`, path or forms: do not copy the struct */
	char text[JOB_ID_MAX]; /* host form: the id in lower case (RFC 9110 section 4.2.3) */
	struct slice prefix; /* path form: what was taken off the path, "/jobs/<job>"; else empty */
	struct slice path;   /* what the backend gets to see; points into path, or is "/" */
};

/*
 * Find the job, or the control API. authority is the request's host[:port], path its path with dot
 * segments resolved. A host under the domain decides by itself, so that one job's
 * host can never reach another job by its path; the path form is for all other
 * hosts. The control API's host is nothing else's, whatever the path. No job:
 * names_job is false.
 */
void route_find(
    const struct route_forms *forms, struct slice authority, struct slice path, struct route *out);

/* "host[:port]" of a backend, as its Host field has it; for a Unix socket "localhost". */
#define ROUTE_AUTHORITY_MAX 264
struct slice route_authority(const struct job_url *target, char out[ROUTE_AUTHORITY_MAX]);

/* True when host lies under the domain, in any case of letters; *label is then what stands before
 * it. */
bool route_under_domain(struct slice host, struct slice domain, struct slice *label);

#endif
