/* route.h - which job a request is for. */
#ifndef JOBGATE_EXCHANGE_ROUTE_H
#define JOBGATE_EXCHANGE_ROUTE_H

#include "jobgate/job.h"
#include "jobgate/message.h"

/* The forms of job URLs that are in use; each may be NULL. */
struct route_forms {
	const char *domain;	  /* <job>.<domain> */
	const char *prefix;	  /* <prefix>/<job>/rest */
	const char *fixed;	  /* every request is for this job */
	const char *control;	  /* a host that is no job's but the control API's */
	const char *sign_in;	  /* a host that is no job's but the sign-in host */
	const char *const *taken; /* ids that no job may have, because those hosts would be its
				     own; NULL at the end */
};

/* A value, without pointers. */
struct route {
	bool names_control, names_job; /* one of them at most */
	bool names_sign_in;    /* the sign-in host; the job is then the one to come back to */
	unsigned char job_len; /* 0 unless names_job */
	char job[JOB_ID_MAX];  /* a valid id, in lower case (host form: RFC 9110 section 4.2.3) */
	uint32_t prefix_len;   /* path form: of "/jobs/<job>", with which the path begins; else 0 */
};

/*
 * Find the job, or the control API. authority is the request's host[:port], path its path with dot
 * segments resolved. A host under the domain decides by itself, so that one job's
 * host can never reach another job by its path; the path form is for all other
 * hosts. A request for the control API's host is for the control API, whatever its path, and one
 * for the sign-in host likewise; the ids in these hosts are no job's in either form. No job:
 * names_job is false.
 */
void route_find(
    const struct route_forms *forms, struct slice authority, struct slice path, struct route *out);

static inline struct slice
route_job(const struct route *route)
{
	return (struct slice){route->job, route->job_len};
}

/* What is taken off the path that the route was found for: "/jobs/<job>", or nothing. */
static inline struct slice
route_prefix(const struct route *route, struct slice path)
{
	return (struct slice){path.at, route->prefix_len};
}

/* What the backend gets to see of that path. */
static inline struct slice
route_path(const struct route *route, struct slice path)
{
	return route->prefix_len < path.len ? slice_after(path, route->prefix_len) : SLICE("/");
}

/* "host[:port]" of a backend, as its Host field has it; for a Unix socket "localhost". */
#define ROUTE_AUTHORITY_MAX 264
struct slice route_authority(const struct job_url *target, char out[ROUTE_AUTHORITY_MAX]);

/* True when host lies under the domain, in any case of letters; *label is then what stands before
 * it. */
bool route_under_domain(struct slice host, struct slice domain, struct slice *label);

#endif
