/* settings.h - parts of the configuration that rooms get by value. deploy/jobgate.yaml explains
 * each key.
 */
#ifndef JOBGATE_SETTINGS_H
#define JOBGATE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jobgate/directory.h"
#include "jobgate/ip.h"
#include "jobgate/job.h"
#include "jobgate/log.h"
#include "jobgate/purpose.h"

/* Bytes of browser.help; pages have room for no more. */
#define BROWSER_HELP_MAX 500

/* Bytes of all origins in browser.embed, with a blank before each; a field of answers has them. */
#define BROWSER_EMBED_MAX 1000

/* Milliseconds. */
struct timeouts {
	uint64_t handshake, head, keep_alive, body, connect, start, start_max, first_byte, answer,
	    tunnel, linger, drain, lookup, watchdog;
};

/* Limits of the head of one message. */
struct head_limits {
	size_t head_bytes; /* start line and fields, with all line ends */
	size_t target_bytes;
	size_t fields; /* at most HEAD_FIELDS_MAX (http/head.h) */
};

/* Connections and rates are limited in each worker, tokens in the whole gateway. */
struct limits {
	struct head_limits head;
	uint64_t body_bytes;	       /* of a request; 0: no limit */
	uint64_t body_rate_min;	       /* bytes per second; 0: no limit */
	uint64_t drain_bytes;	       /* of a refused request's content */
	size_t connections;	       /* of clients of jobs */
	size_t connections_per_client; /* 0: no limit */
	size_t handshakes;	       /* of TLS, unfinished */
	size_t failed_auth_rate;       /* per second and client; 0: no limit */
	size_t failed_auth_burst;      /* at once */
	struct token_limits token;     /* of tokens whose records have none of their own */
	uint64_t gateways;	       /* that share the limits of tokens */
};

/* Limits of HTTP/2 connections. */
struct http2_limits {
	size_t streams; /* at a time, of one connection of a client */
	size_t buffer;	/* bytes by which the windows of all streams of one worker may grow in
			 * total */
};

/* How requests name jobs. All text is the configuration's. */
struct job_forms {
	const char *domain; /* host form <job>.<domain>; NULL: off */
	const char *prefix; /* path form <prefix>/<job>/..., such as "/jobs"; NULL: off */
	const char *fixed;  /* the job of a sidecar, which has neither domain nor prefix; or NULL */
	const char *fixed_host;	     /* its own host, where people sign in; NULL: none */
	const char *fixed_url;	     /* its backend, instead of the one in its record; or NULL */
	struct job_url fixed_target; /* fixed_url, parsed */
	const char *labels; /* of the fixed job, as a selector's text; NULL: its record has them */
	const char *labels_file; /* adds to labels; NULL: none */
	struct job fixed_job;	 /* with `labels`: all of the job, in place of its record */
	const char *taken[3]; /* ids whose hosts, <id>.<domain>, are control.host and browser.host,
				 so that no job may have them; NULL at the end */
};

/* How requests are changed on their way to backends. All text is the configuration's. */
struct forwarding {
	const char *realm;	   /* of WWW-Authenticate */
	bool forward_token;	   /* leave our token in Authorization */
	bool query_token;	   /* a token in the query counts */
	const char **cors_origins; /* whose pages may read answers, or "*"; NULL at the end */
	bool preserve_host;	   /* send the client's Host, otherwise the backend's */
	const char **upgrades; /* protocols that may become tunnels, lower case; NULL at the end */
	const char **drop_fields; /* further field names that only trusted proxies may send: lower
				     case, '-' for any punctuation mark, '*' at one end; NULL at the
				     end (name_is_listed) */
};

/* What connections from one client address may hold in one worker. */
struct quota_limits {
	size_t connections[PURPOSE_COUNT]; /* open at the same time; 0: any number */
	size_t handshakes;		   /* unfinished, of TLS; 0: any number */
	size_t failure_rate;  /* failed authentications per second that get 401 instead of 429; 0:
			       * all */
	size_t failure_burst; /* and this many at once; at least 1 */
};

/* When the gateway stops trying to connect to a backend for some time. */
struct circuit_rules {
	size_t failures;      /* this many in a row open the circuit; 0: it never opens */
	uint64_t pause_ms;    /* pause until the first probe; doubled after each failed probe */
	uint64_t patience_ms; /* the circuit opens only after refusals have lasted this long */
};

/* Settings of HTTP/2 connections to backends. */
struct backend_http2 {
	bool https;	/* offered to backends at https:// URLs, too */
	size_t streams; /* of one connection, at a time */
	size_t buffer;	/* bytes by which the windows of all streams of one worker may grow in
			 * total */
};

/* Settings of connections to backends; times are in milliseconds. */
struct pool_settings {
	struct backend_http2 http2;
	struct circuit_rules circuit; /* of each backend */
	size_t idle_max;	      /* idle connections kept to each backend */
	uint64_t idle_ms;	      /* a connection is kept idle for this long */
	uint64_t connect_ms;	      /* for name, connection and TLS together */
};

/* Time-outs of a worker's connections to the store, in milliseconds. */
struct store_timeouts {
	uint64_t connect;
	uint64_t ping_interval; /* how often a worker proves that the store's pushes arrive */
	uint64_t ping_deadline; /* for the answers that a proof needs */
};

/* How a change waits for the store's replicas. */
struct replica_wait {
	size_t count; /* replicas that should confirm it; 0: it does not wait */
	uint64_t timeout_ms;
	size_t required; /* a revocation that fewer replicas confirm gets 503; 0: never */
};

/* How many records operators with one label selector may create. */
struct scope_quota {
	size_t most[RECORD_KINDS];
};

/*
 * All members of struct control_settings. Each kind of row says how a member is compared: TEXT by
 * its content (all text is the configuration's), RANGES likewise, VALUE by its bytes.
 */
#define CONTROL_SETTINGS(TEXT, RANGES, VALUE)                                                      \
	TEXT(socket)	     /* Unix socket of the control API */                                  \
	TEXT(gateway_socket) /* where workers forward calls; NULL when none take such calls */     \
	TEXT(workers_socket) /* to which workers connect, to tell of sessions */                   \
	TEXT(store_url)	     /* of the primary; NULL: a private store's */                         \
	TEXT(key_prefix)     /* "jobgate:" */                                                      \
	TEXT(ca_file)	     /* for rediss://; NULL: the system's */                               \
	TEXT(password_file)  /* in place of the URL's password; NULL: none */                      \
	TEXT(public_url)     /* what job_url shows, with {job} */                                  \
	TEXT(realm)	     /* of WWW-Authenticate */                                             \
	TEXT(fixed_job)	     /* the one job of a sidecar; or NULL */                               \
	TEXT(fixed_url)	     /* in place of its record's; or NULL */                               \
	TEXT(fixed_labels)   /* in place of its record, as a selector's text; or NULL */           \
	TEXT(register_url)   /* in the record that register_ms asks for; or NULL */                \
	TEXT(taken_job)	     /* an id that no job may have: its host is control.host or            \
				browser.host; or NULL */                                           \
	TEXT(taken_too)	     /* another one; NULL where taken_job is */                            \
	RANGES(scoped_urls)  /* the addresses to which job URLs of operators with a label selector \
				may lead (auth/control/scope.h) */                                 \
	RANGES(reach_allow)  /* with reach_deny and reach_loopback: where the URLs in the record   \
				of the fixed job may lead, if they count */                        \
	RANGES(reach_deny)                                                                         \
	VALUE(bool, reach_loopback)                                                                \
	VALUE(struct replica_wait, wait) /* wait.required: 0, or the same as wait.count */         \
	VALUE(struct scope_quota, scope)                                                           \
	VALUE(uint64_t, start_ms)    /* how long the fixed job may take to start */                \
	VALUE(uint64_t, register_ms) /* lease of the fixed job's record, whole seconds; 0: none */ \
	VALUE(uint64_t, request_ms)  /* for a request to arrive completely */                      \
	VALUE(uint64_t, idle_ms)     /* between two requests */                                    \
	VALUE(enum log_level, log_level)                                                           \
	VALUE(bool, log_json)

/*
 * All that the control process takes from the configuration. A reload restarts the process when
 * any of it has changed. A new member is a row above, so that it is compared.
 */
struct control_settings {
#define TEXT(name) const char *name;
#define RANGES(name) struct ip_ranges name;
#define VALUE(type, name) type name;
	CONTROL_SETTINGS(TEXT, RANGES, VALUE)
#undef TEXT
#undef RANGES
#undef VALUE
};

/* True when both have the same values. */
bool control_settings_equal(const struct control_settings *a, const struct control_settings *b);

#endif
