/* tuning.h - limits that are fixed in the code, not configured; tests and the simulator make them
 * small.
 */
#ifndef JOBGATE_TUNING_H
#define JOBGATE_TUNING_H

#include <stddef.h>
#include <stdint.h>

/*
 * The options of each room hold a pointer to its part; NULL means the part of jg_tuning. The part
 * outlives the room's object. Names with _ms are milliseconds.
 */

/* The timer wheel (net/loop.h). A timer that is due later than the wheel reaches is seated again.
 */
struct loop_tuning {
	uint64_t tick_ms;   /* the precision of timers; less than 1000 */
	size_t wheel_seats; /* one for each of the next ticks; at least 2 */
};

/* The record cache (jobgate/directory.h). */
struct directory_tuning {
	size_t refreshing_max; /* watched entries that are read again at the same time, so that a
			       reconnect does not flood Redis */
	uint64_t retry_ms;     /* pause after a read that Redis answered with an error */
	size_t freed_max; /* dead entries that one tick frees: takes well under a millisecond */
	size_t chances; /* entries that are looked at to make room for one: recently used ones get a
			   second chance, but not forever */
	uint64_t
	    extension_ms; /* a record past its time to live is read again for its watchers, since it
			     may have been extended; meanwhile they may rely on it for this long */
	size_t epochs;	  /* epochs whose bound is kept, the current one included; at most
			   * EPOCHS_MAX */
	size_t told_max;  /* watches that are told in one go: takes about half a millisecond */
};

#define EPOCHS_MAX 16

/* The tracker of a worker (redis/tracker.h). */
struct tracker_tuning {
	uint64_t tick_ms; /* the longest time between two looks at the clock; less than 1000 */
	uint64_t backoff_first_ms; /* pause before the next dial: it begins with this */
	uint64_t backoff_last_ms;  /* and doubles up to this; up to half of it is random */
	uint64_t failure_log_ms;   /* the shortest time between two log lines about failed reads */
	size_t careful_max;	   /* records that are read by a script; at most CAREFUL_MAX */
};

#define CAREFUL_MAX 256

/* The store of the control process (redis/store.h). */
struct store_tuning {
	unsigned deadline_ms; /* of an operation, without the time for confirmations by replicas */
	unsigned connect_ms;
	unsigned election_ms;	       /* how often sentinels are asked for the primary */
	unsigned election_deadline_ms; /* and how long they have to answer */
	unsigned backoff_first_ms, backoff_last_ms; /* pause before the next dial, doubled */
};

/* The control process (control/control.h). */
struct control_tuning {
	size_t connections_max; /* of each socket */
	unsigned beat_ms;	/* between two heartbeats */
	unsigned confirm_ms;	/* a caller's token is read again if the last read was longer ago */
	unsigned walk_ms; /* after this time the walk of a list ends, and its page has a cursor */
	size_t walks_waiting_max; /* walks of remote callers that wait for a place */
};

/* The pool of a worker's backends (upstream/pool.h). */
struct backend_tuning {
	uint64_t address_ms; /* how long an address is tried alone before the next one is tried in
				parallel (RFC 8305 section 5): a family that leads nowhere costs
				this time once, not the time-out */
	size_t parallel_max; /* sockets that all dials together may open beside the first one of
			      * each, for which there is always a descriptor. When these are used
			      * up, the next address is tried in place of the previous one */
	uint64_t linger_ms;  /* how long a backend without users is remembered, with its addresses,
				TLS session and circuit */
	uint64_t warn_ms;    /* the shortest time between two log lines about one backend */
	size_t
	    spare_max; /* idle blocks kept of each kind: more than a busy worker uses at a time */
	uint64_t pause_last_ms;	  /* the longest pause before a probe */
	uint64_t redial_first_ms; /* while a backend refuses connections, the pause before another
				     dial, */
	uint64_t redial_last_ms;  /* doubled up to this */
	size_t turn_bytes;	  /* bytes of an answer that are read in one turn, so that other
				   * connections do not wait longer */
	unsigned interims_max;	  /* interim answers to one request */
	uint64_t settings_ms;	  /* for SETTINGS of HTTP/2 to come, and ours to be acknowledged */
	uint64_t ping_ms;	  /* how long a connection is silent before a PING is sent, and how
				   * long its answer may take */
	uint64_t keep_margin_ms;  /* an idle connection is closed this long before the backend would
				   * close it */
};

/* A worker process (server/worker.h). */
struct worker_tuning {
	unsigned accept_max;	  /* connections accepted at once from one listener */
	unsigned batch_from;	  /* connections in one to two ticks from which events are taken in
				   * batches (server/batch.h) */
	uint64_t accept_pause_ms; /* the pause in accepting when there are no descriptors */
	uint64_t accept_check_ms; /* how often a worker that does not accept yet checks whether the
				     store is in reach */
	uint64_t stats_ms;	  /* between two publications of its state */
	uint64_t flush_ms;	  /* between two writes of its access log */
};

/* What the supervisor decides (server/supervision.h). */
struct supervision_tuning {
	uint64_t restart_second_ms; /* a child that ends is started again immediately, the next time
				       after this pause, which doubles */
	uint64_t restart_last_ms;   /* up to this pause */
	uint64_t stayed_ms;	    /* a child that ran for longer is started again immediately */
	uint64_t grace_ms;	    /* time after the drain time before a child is killed */
	uint64_t
	    kill_again_ms;   /* a killed child that still exists is killed again after this time */
	uint64_t gap_max_ms; /* the longest time between two ticks that counts as silence */
	unsigned
	    start_factor;  /* silence before the first heartbeat may be this many times longer */
	uint64_t abort_ms; /* between SIGABRT, for a core dump, and SIGKILL */
};

struct tuning {
	struct loop_tuning loop;
	struct directory_tuning directory;
	struct tracker_tuning tracker;
	struct store_tuning store;
	struct control_tuning control;
	struct backend_tuning backend;
	struct worker_tuning worker;
	struct supervision_tuning supervision;
};

/* The values of a real gateway. */
extern const struct tuning jg_tuning;

static inline const struct tuning *
tuning_or_default(const struct tuning *tuning)
{
	return tuning != NULL ? tuning : &jg_tuning;
}

#endif
