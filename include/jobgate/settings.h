/* settings.h - parts of the configuration that rooms take by value. Each key is explained in
 * deploy/jobgate.yaml. */
#ifndef JOBGATE_SETTINGS_H
#define JOBGATE_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

/* Milliseconds. */
struct timeouts {
	uint64_t handshake, head, keep_alive, body, connect, first_byte, answer, tunnel, linger,
	    drain, lookup, backend_idle, watchdog;
};

/* Of the head of one message. */
struct head_limits {
	size_t head_bytes; /* start line and fields with all their line ends */
	size_t target_bytes;
	size_t fields; /* at most HEAD_FIELDS_MAX (http/head.h) */
};

/* Connections and rates are those of one worker. */
struct limits {
	struct head_limits head;
	uint64_t body_bytes;		 /* of a request; 0: no limit */
	uint64_t body_rate_min;		 /* bytes per second; 0: no limit */
	uint64_t drain_bytes;		 /* of a refused request's content */
	size_t connections;		 /* of clients of jobs */
	size_t connections_per_client;	 /* 0: no limit */
	size_t handshakes;		 /* of TLS, unfinished */
	size_t failed_auth_rate;	 /* per second and client; 0: no limit */
	size_t failed_auth_burst;	 /* at once */
	size_t idle_backend_connections; /* of each backend */
};

/* When a backend is left alone. */
struct circuit_rules {
	size_t failures;      /* in a row open the circuit; 0: it never opens */
	uint64_t pause_ms;    /* until the first probe; doubled after each one that failed */
	uint64_t patience_ms; /* refusals open it once they have lasted this long */
};

/* The connections of a worker to the store, in milliseconds. */
struct store_timeouts {
	uint64_t connect;
	uint64_t ping_interval; /* how often the store's pushes are proved to arrive */
	uint64_t ping_deadline; /* for the answer */
};

/* How a change waits for the store's replicas. */
struct replica_wait {
	size_t count; /* replicas that are to confirm it; 0: it does not wait */
	uint64_t timeout_ms;
	size_t required; /* a revocation that fewer confirm gets 503; 0: never */
};

/* How many records operators with one label selector may create. */
struct scope_quota {
	size_t tokens, jobs;
};

#endif
