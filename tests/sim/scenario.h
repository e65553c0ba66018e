/* scenario.h - the parts of a run, drawn from the seed. */
#ifndef SIM_SCENARIO_H
#define SIM_SCENARIO_H

#include <stdbool.h>
#include <stdint.h>

#include "host.h"
#include "jobgate/settings.h"
#include "jobgate/tuning.h"

#define SCENARIO_WORKERS_MAX 3
#define SCENARIO_BACKENDS_MAX 5
#define SCENARIO_CLIENTS_MAX 24
#define SCENARIO_VISITORS 4
#define SCENARIO_GUESTS 3
#define SCENARIO_LIMIT_PLACES 256 /* of tokens with limits; a power of two */

struct scenario {
	/* how many */
	unsigned workers, tokens, jobs, backends, clients;
	unsigned servers;     /* of the store; the first is the primary at first */
	uint64_t duration_ns; /* with faults and changes; then comes the quiet end */
	uint64_t
	    early_stop_ns; /* the gateway is told to stop then, perhaps while it starts; 0: no */
	uint64_t last_reload_ns; /* it is told to reload, and so much later to stop; 0: no */
	uint64_t think_ns;	 /* of a client between two exchanges, on average */
	uint64_t change_ns;	 /* between two changes of records, on average */
	uint64_t fault_ns;	 /* between two faults, on average; 0: there are none */
	/* the configuration, in milliseconds */
	uint64_t staleness, ping_interval, ping_deadline, connect_store, lookup;
	uint64_t connect, first_byte, answer, tunnel, keep_alive, body, linger, head, backend_idle,
	    circuit_pause, drain, start;
	uint64_t session;
	unsigned failed_auth_rate, failed_auth_burst;
	unsigned circuit_failures, cache_entries;
	/* of each token; 0: not limited. Its table has this many places. */
	unsigned limit_rate, limit_burst, limit_concurrency, limit_places;
	struct tuning tuning;
	struct host_rules rules[4]; /* of clients, backends, the store, the gateway */
	unsigned descriptors;
	/* features, as swarm testing wants them: each on or off in a run */
	bool expires, minted, tunnels, chunks, uploads, interim, pipelines, misdeeds, desertions,
	    slow_readers, streams, wrong_tokens, splits, http2, sentinels, strange_urls, visitors;
	bool calls;	      /* gRPC, of clients that speak HTTP/2 */
	bool timed;	      /* tokens expire, and renewals have a grace */
	bool aimed;	      /* workers are stopped often; records change just then */
	bool ports;	      /* jobs have ports */
	bool collides;	      /* one of them has the host of another job */
	bool cuts;	      /* operators end sessions */
	bool sign_in_host;    /* browsers sign in there, and not at jobs' hosts */
	bool replicas;	      /* jobs have several URLs */
	bool publics;	      /* some jobs are public, and strangers use them */
	bool scripted;	      /* scripts delete tokens, and those that these have created */
	bool limited;	      /* some tokens are limited to addresses */
	unsigned operators;   /* of the control API; 0: there is no control process */
	uint64_t operator_ns; /* between two calls of one, on average */
	bool control_faults;  /* the control process has faults of its own */
	struct replica_wait wait;
	/* tokens of operators, and how many records operators with a scope may create */
	unsigned staff;
	struct scope_quota scope;
	/* gateways that register a job of their own, and the lease of its record */
	unsigned registrars;
	uint64_t lease_s;
	/* operators make lists, and give names in place of ids; last uses are written */
	bool lists, uses;
	unsigned h2_backends;		     /* a bit for each backend that speaks HTTP/2 */
	unsigned h2_tunnels;		     /* and for each of these that takes WebSockets */
	unsigned h2_window_min;		     /* the least window of a stream to them, in bytes */
	unsigned fault_kinds;		     /* a bit for each enum fault_kind */
	uint64_t fail_allocation, fail_call; /* of the first worker: this one; 0: none */
};

enum { RULES_CLIENT, RULES_BACKEND, RULES_STORE, RULES_GATEWAY };

/* A short run with all kinds of exchanges, in which nothing goes wrong. */
void scenario_small(struct scenario *scenario);

void scenario_draw(struct scenario *scenario, uint64_t seed);

/* R of the specification: how long after the last fault all must be served again. */
uint64_t scenario_recovery_ns(const struct scenario *scenario);

#endif
