/* tuning.h - limits that the code sets, not the configuration: a simulator makes them small. */
#ifndef JOBGATE_TUNING_H
#define JOBGATE_TUNING_H

#include <stddef.h>
#include <stdint.h>

/*
 * Each room takes a pointer to its part with its options; NULL means the part of jg_tuning. What it
 * points to outlives the object. Times with _ms are milliseconds.
 */

/* The timer wheel (net/loop.h). A timer that is due later than the wheel reaches is seated again.
 */
struct loop_tuning {
	uint64_t tick_ms;   /* how coarse timers are; less than 1000 */
	size_t wheel_seats; /* one for each of the next ticks; at least 2 */
};

/* The record cache (jobgate/directory.h). */
struct directory_tuning {
	size_t rereads_max; /* watched entries that are read again at the same time, so that a
			       reconnect does not stampede Redis */
	uint64_t retry_ms;  /* pause after a read that Redis answered with an error */
	size_t freed_max;   /* dead entries freed by one tick: well under a millisecond */
	size_t chances; /* entries looked at to make room for one: recently used ones get a second
			   chance, but not for ever */
	uint64_t extension_ms; /* past its time to live a record is read again for its watchers, as
				  it may have been extended; they may rely on it for this long */
	size_t epochs;	       /* past epochs whose bound is remembered; at most EPOCHS_MAX */
};

#define EPOCHS_MAX 16

/* The tracker of a worker (redis/tracker.h). */
struct tracker_tuning {
	uint64_t tick_ms;	   /* the clock is looked at no later than this; less than 1000 */
	uint64_t backoff_first_ms; /* pause before the next dial: doubled from the first to */
	uint64_t backoff_last_ms;  /* the last one, and up to half of it random */
	uint64_t failure_log_ms;   /* shortest time between two log lines about failed reads */
	size_t careful_max;	   /* records that are read by a script; at most CAREFUL_MAX */
};

#define CAREFUL_MAX 256

/* The store of the control process (redis/store.h). */
struct store_tuning {
	unsigned
	    deadline_ms; /* of an operation, besides the time in which replicas are waited for */
	unsigned connect_ms;
	unsigned election_ms;	       /* sentinels are asked for the primary this often, */
	unsigned election_deadline_ms; /* and answer within this */
	unsigned backoff_first_ms, backoff_last_ms; /* pause before the next dial, doubled */
};

/* The control process (control/control.h). */
struct control_tuning {
	size_t connections_max; /* of each socket */
	unsigned beat_ms;	/* between two signs of life */
	unsigned confirm_ms;	/* a caller's token that was read longer ago is read again */
	unsigned walk_ms;	/* after this the walk of a list ends, and its page has a cursor */
	size_t walks_waiting_max; /* walks of remote callers that wait for a place */
};

/* The pool of a worker's backends (upstream/pool.h). */
struct backend_tuning {
	uint64_t address_ms; /* an address has this long before the next one is tried beside it
				(RFC 8305 section 5): a family that leads nowhere costs this
				once, not the time-out */
	size_t
	    parallel_max; /* sockets of all dials, besides the first of each. There are descriptors
			     for one of each dial, and some to spare. When the spare ones are
			     used up, the next address is tried in place of the one before */
	uint64_t linger_ms; /* a backend without users is remembered for this long: its
			       addresses, TLS session and circuit */
	uint64_t warn_ms;   /* shortest time between two log lines about one backend */
	size_t spare_max;   /* idle blocks kept of each kind: more than a busy worker turns over */
	uint64_t pause_last_ms;	  /* the longest pause before a probe */
	uint64_t redial_first_ms; /* while a backend refuses connections, one dials after this, */
	uint64_t redial_last_ms;  /* doubled up to this */
	size_t turn_bytes;	  /* of an answer, read before the loop turns: others wait for it */
	unsigned interims_max;	  /* interim answers to one request */
	uint64_t settings_ms;	  /* for SETTINGS of HTTP/2 to come, and ours to be acknowledged */
	uint64_t ping_ms;	  /* for the answer to a PING on a connection that is silent */
	uint64_t keep_margin_ms;  /* an idle connection closes this long before the backend said it
				     would */
};

/* A worker process (server/worker.h). */
struct worker_tuning {
	unsigned accept_max;	  /* connections taken in one go from one listener */
	uint64_t accept_pause_ms; /* accepting pauses after running out of descriptors */
	uint64_t accept_check_ms; /* how often a worker that does not accept yet looks whether the
				     store is in reach */
	uint64_t stats_ms;	  /* between two publications of its state */
	uint64_t flush_ms;	  /* between two writes of its access log */
};

/* What the supervisor decides (server/supervision.h). */
struct supervision_tuning {
	uint64_t restart_second_ms; /* a child that ends is started again immediately; the next time
				       after this pause, which doubles */
	uint64_t restart_last_ms;   /* up to this one */
	uint64_t stayed_ms;	    /* a child that has run for longer starts immediately again */
	uint64_t grace_ms;	    /* after the drain time, before a child is killed */
	uint64_t kill_again_ms;	    /* a killed child that still exists is killed again */
	uint64_t gap_max_ms;	    /* the longest time between two ticks that counts as silence */
	unsigned start_factor; /* silence before the first beat may be this many times longer */
	uint64_t abort_ms;     /* between SIGABRT, for a core dump, and SIGKILL */
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

/* The values of a gateway in service. */
extern const struct tuning jg_tuning;

static inline const struct tuning *
tuning_or_default(const struct tuning *tuning)
{
	return tuning != NULL ? tuning : &jg_tuning;
}

#endif
