/* control.h - the control process: the API by which people and scripts change tokens and jobs. */
#ifndef JOBGATE_CONTROL_H
#define JOBGATE_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

#include "jobgate/log.h"
#include "jobgate/resolver.h"
#include "jobgate/settings.h"
#include "jobgate/tuning.h"

/* All text outlives the run, and so do the ranges. */
struct control_setup {
	/* The socket is made with mode 0600, its directory with 0700 if missing. store_url is set:
	 * redis://, rediss:// or unix: */
	struct control_settings settings;
	const char *gateway_secret; /* of the workers: CONTROL_SECRET_TEXT hex digits */
	const char *store_dir; /* where the files of a private store lie; NULL: it is elsewhere */
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

/*
 * The body of the control process: runs until SIGTERM or SIGINT. Returns the
 * exit status: 0 after an orderly end, 1 when it could not start: without its socket.
 * When it cannot listen at gateway_socket, it tries again until it can. Frees everything
 * it made, so that LeakSanitizer can watch. To be called in a process of its own: it
 * handles signals and sets jansson's allocator.
 */
int control_run(const struct control_setup *setup);

#endif
