/* control.h - the control process: the API by which people and scripts change tokens and jobs. */
#ifndef JOBGATE_CONTROL_H
#define JOBGATE_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

#include "jobgate/ip.h"
#include "jobgate/log.h"
#include "jobgate/resolver.h"
#include "jobgate/settings.h"
#include "jobgate/tuning.h"

/* All text outlives the run, and so do the ranges. */
struct control_setup {
	const char
	    *socket_path; /* of the API; made with mode 0600, its directory with 0700 if missing */
	const char *gateway_socket_path; /* where our own workers forward calls; NULL: off */
	const char *gateway_secret;	 /* of these workers: CONTROL_SECRET_TEXT hex digits */
	const char *store_url;		 /* of the primary: redis://, rediss://, unix: */
	struct replica_wait wait;
	const char *store_dir;	/* where the files of a private store lie; NULL: it is elsewhere */
	const char *key_prefix; /* "jobgate:" */
	const char *ca_file;	/* for rediss://; NULL: the system's */
	const char *public_url; /* what job_url shows, with {job} */
	const char *realm;	/* of WWW-Authenticate */
	const char *fixed_job;	/* the one job, at fixed_url whatever its record says; or NULL */
	const char *fixed_url;
	const struct ip_range *scoped_urls; /* see scope.h */
	size_t scoped_url_count;
	struct scope_quota scope;
	unsigned request_ms;	     /* for a request to arrive whole */
	unsigned idle_ms;	     /* between two requests */
	const struct tuning *tuning; /* NULL: jg_tuning */
	struct log log;
	void *observe_ctx; /* given to the following three */
	/* False, with a sentence in why, while the gateway cannot serve; NULL: no such check. */
	bool (*ready)(void *ctx, char *why, size_t cap);
	/* The text of /metrics, Prometheus' format, to be freed; NULL: none. */
	char *(*metrics)(void *ctx);
	/* Opens what resolves names in store_url. */
	resolver_open_fn *resolver_open;
	/* Called a few times per second while the event loop turns; may be NULL. */
	void (*beat)(void *ctx);
};

/* True when a control process would behave the same with both. A member that setup.c does not know
 * counts as different. */
bool control_setup_equal(const struct control_setup *a, const struct control_setup *b);

/*
 * The body of the control process: runs until SIGTERM or SIGINT. Returns the
 * exit status: 0 after an orderly end, 1 when it could not start: without its socket_path.
 * When it cannot listen at gateway_socket_path, it tries again until it can. Frees everything
 * it made, so that LeakSanitizer can watch. To be called in a process of its own: it
 * handles signals and sets jansson's allocator.
 */
int control_run(const struct control_setup *setup);

#endif
