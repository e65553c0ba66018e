/* route.h - which job a request is for. */
#ifndef JOBGATE_EXCHANGE_ROUTE_H
#define JOBGATE_EXCHANGE_ROUTE_H

#include "jobgate/job.h"
#include "jobgate/message.h"

/* The forms of job URLs that are in use; each may be NULL. */
struct route_forms {
	const char *domain;	  /* <job>.<domain>, and <job>-<port>.<domain> */
	const char *prefix;	  /* <prefix>/<job>/rest, and <prefix>/<job>:<port>/rest */
	const char *fixed;	  /* every request is for this job */
	const char *fixed_host;	  /* whose own host is this one; NULL: it has none */
	const char *control;	  /* a host that is no job's but the control API's */
	const char *sign_in;	  /* a host that is no job's but the sign-in host */
	const char *const *taken; /* ids that no job may have, because those hosts would be its
				     own; NULL at the end */
};

/*
 * A value, without pointers. With a port, the host "a-9000" may mean port 9000 of job "a" or the
 * job "a-9000": the latter wins if it exists, so the records of both have to be looked up. The path
 * "/jobs/a:9000" means the port alone, but it is served only if its host is no other job's.
 */
struct route {
	bool names_control, names_job; /* one of them at most */
	bool own_host;	       /* the host leads to this job alone: a browser origin of its own */
	bool names_sign_in;    /* the sign-in host; the job is then the one to come back to */
	unsigned char job_len; /* of the id that the request is for; 0 unless names_job */
	char job[JOB_ID_ROOM]; /* a valid id, in lower case (host form: RFC 9110 section 4.2.3) */
	uint32_t prefix_len;   /* path form: of "/jobs/<job>", with which the path begins; else 0 */
	uint16_t port;	       /* 0: the route names no port */
	unsigned char owner_len; /* with a port: of the id of the job that may have it */
	unsigned char label_len; /* with a port: of the label of its host; 0: too long for a host */
};

/*
 * Find the job, or the control API. authority is the request's host[:port], path its path with dot
 * segments resolved. A host under the domain decides by itself, so that one job's
 * host can never reach another job by its path; the path form is for all other
 * hosts. A request for the control API's host is for the control API, whatever its path, and one
 * for the sign-in host likewise; the ids in these hosts are no job's in either form. No job:
 * names_job is false. With a port that may also be a job of its own, the route is for that job
 * until route_choose is called.
 */
void route_find(
    const struct route_forms *forms, struct slice authority, struct slice path, struct route *out);

static inline struct slice
route_job(const struct route *route)
{
	return (struct slice){route->job, route->job_len};
}

/* With a port: the job that may have it, and the job whose id is the label of the port's host. */
static inline struct slice
route_owner(const struct route *route)
{
	return (struct slice){route->job, route->owner_len};
}

static inline struct slice
route_label(const struct route *route)
{
	return (struct slice){route->job, route->label_len};
}

/* True when the request is for the job of the label, if that exists. */
static inline bool
route_may_be_label(const struct route *route)
{
	return route->prefix_len == 0;
}

/* Note that the request is for the port's job, or for the job of the label. */
static inline void
route_choose(struct route *route, bool owner)
{
	route->job_len = owner ? route->owner_len : route->label_len;
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
