/* control.h - the control process: the API by which people and scripts change tokens and jobs. */
#ifndef JOBGATE_CONTROL_H
#define JOBGATE_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "jobgate/limits.h"
#include "jobgate/log.h"
#include "jobgate/record_use.h"
#include "jobgate/resolver.h"
#include "jobgate/settings.h"
#include "jobgate/tuning.h"

/* All text outlives the run, and so do the ranges. */
struct control_setup {
	/*
	 * The socket gets mode 0600; its directory is created with 0700 if it is missing. store_url
	 * is never NULL here.
	 */
	struct control_settings settings;
	struct token_limits token_limits; /* of tokens whose records have none of their own */
	const char *gateway_secret; /* shared with the workers: CONTROL_SECRET_TEXT hex digits */
	/* Of its registrations (jobs.register): STORE_MARK_LEN characters a-z and 0-9 that no other
	 * gateway has, and the next control process of this one has, too. */
	const char *mark;
	const char *store_dir;	     /* the directory of a private store; NULL for another store */
	const struct tuning *tuning; /* NULL: jg_tuning */
	struct log log;
	void *observe_ctx; /* the ctx of all functions below but resolver_open */
	/* False, with a sentence in why, while the gateway cannot serve; NULL: no such check. */
	bool (*ready)(void *ctx, char *why, size_t cap);
	/*
	 * The text of /metrics, as OpenMetrics or in the text form of Prometheus, which the caller
	 * frees. NULL: there is none.
	 */
	char *(*metrics)(void *ctx, bool openmetrics);
	/*
	 * Takes up to `most` uses of tokens that workers have noted, into out; returns how many.
	 * NULL: none are noted.
	 */
	size_t (*uses_take)(void *ctx, struct record_use *out, size_t most);
	/* True when another control process takes over what this one has registered; NULL: false.
	 */
	bool (*hands_over)(void *ctx);
	/*
	 * True when the URL in a job's record may lead to this address, an Internet or a Unix
	 * socket's. path: for a Unix socket, the descriptor that holds it open (socket_path.h), or
	 * -1 when it could not be opened; -1 for Internet addresses. NULL: true.
	 */
	bool (*allows)(void *ctx, const struct sockaddr *address, int path);
	/*
	 * True once the gateway has been told to end. Workers end before this process does, and
	 * would wait for readers of events. NULL: false.
	 */
	bool (*drains)(void *ctx);
	/* How many workers take connections; NULL: that is not known. */
	size_t (*workers)(void *ctx);
	/* Opens the resolver for names in store_url. */
	resolver_open_fn *resolver_open;
	/* Called a few times per second while the event loop turns; may be NULL. */
	void (*beat)(void *ctx);
};

/*
 * Run the control process until SIGTERM or SIGINT. Returns the exit status: 0 after an orderly end,
 * 1 when it could not start, for example without its socket. If it cannot listen at gateway_socket,
 * it tries again until it can. Frees everything it allocated, so that LeakSanitizer can check. Call
 * it in a process of its own: it handles signals and sets jansson's allocator.
 */
int control_run(const struct control_setup *setup);

#endif
