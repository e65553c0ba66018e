/* node.h - a simulated process: real code in a fiber, with descriptors, memory and clocks of its
 * own.
 */
#ifndef SIM_NODE_H
#define SIM_NODE_H

#include "descriptor.h"
#include "fiber.h"
#include "heap.h"
#include "random.h"
#include "schedule.h"

#define NODE_DESCRIPTORS 1024
#define NODE_FIRST_DESCRIPTOR 3 /* those before it are the real standard streams */

#define NODE_PAUSES 64

/* A time in which the process was stopped. */
struct pause {
	uint64_t from_ns, to_ns;
};

/* A call that is made to fail. */
struct call_failure {
	uint64_t at; /* the failable call with this number; 0: none */
	unsigned per_million;
};

struct node {
	char name[24];
	struct host *host;
	struct fiber fiber;
	struct alarm wake;
	struct descriptor *table[NODE_DESCRIPTORS];
	unsigned descriptors_max; /* what getrlimit says */
	struct heap heap;
	struct random random;
	int saved_errno;
	bool alive, waiting;		  /* waiting: in epoll_wait */
	bool refuses;			  /* it is out of descriptors: new ones get EMFILE */
	uint64_t full_ns;		  /* when its table last had no room; 0: it always had */
	uint64_t begun_ns;		  /* when its code made the call that runs, or ran last */
	uint64_t pause_ns;		  /* how long it is stopped at one of its next calls: */
	const char *pause_at;		  /* a call of this name, or after_clock; NULL: any */
	unsigned pause_after;		  /* after this many of them */
	unsigned pause_within;		  /* which is less than this */
	bool pause_by_order;		  /* often rather where its calls come in a rare order: */
	uint64_t recent;		  /* its last four calls, a number for each */
	uint64_t pause_salt;		  /* where these, with this number, */
	unsigned pause_share;		  /* are one of so many; 0: that does not matter */
	bool read_clock;		  /* its last call was a reading of the clock */
	struct pause pauses[NODE_PAUSES]; /* the latest, in a ring */
	uint64_t pause_count;
	void (*stopped)(
	    struct node *node, uint64_t ns); /* it is stopped for that long from now on */
	uint64_t calls, failable;	     /* so far; those that may fail */
	struct call_failure failing;
	unsigned call_ns_max; /* a call takes up to this long */
};

/* The node whose code runs; NULL: the simulator's own. */
struct node *node_current(void);

/* It runs main(ctx) from the given time on. */
void node_start(struct node *node, void (*main)(void *ctx), void *ctx, uint64_t at_ns);

/* SIGKILL: its descriptors close and its memory is freed. */
void node_kill(struct node *node);

/* After it has ended by itself: close and free what it has left, as the kernel does. */
void node_free(struct node *node);

/* Its code has come to its end by itself. */
bool node_has_ended(const struct node *node);

/* It is stopped for that long in the middle of one of its next calls of a drawn kind: of the first
 * so many. */
void node_pause(struct node *node, uint64_t ns, unsigned within, bool by_order);

/* What it waits for may have come. */
void node_wake(struct node *node);

/* Within the node: wait until node_wake, or until that time. */
void node_wait(struct node *node, uint64_t until_ns);

/* The moment since which it had run for that long by the other one: pauses do not count. */
uint64_t node_ran_since_ns(const struct node *node, uint64_t at_ns, uint64_t ran_ns);

/* When it ran on after it was last stopped; 0: it never was. */
uint64_t node_last_stop_ns(const struct node *node);

/* ---- calls of its code ---- */

/*
 * A call begins: it takes time, in which everything else goes on. NULL: the simulator itself calls.
 * Between this and node_leave, memory is the simulator's.
 */
struct node *node_enter(const char *call);

/* A call ends with a result, or with a negative errno. */
long node_leave(struct node *node, const char *call, long result);

/* Whether this call is one of those that are made to fail. */
bool node_call_fails(struct node *node);

/* ---- descriptors ---- */

/* At the lowest free number; -EMFILE when there is none. The table holds the descriptor. */
int node_install(struct node *node, struct descriptor *descriptor);

/* NULL: there is none. */
struct descriptor *node_descriptor(const struct node *node, int fd);

int node_close(struct node *node, int fd);

/* Open descriptors. */
unsigned node_open(const struct node *node);

#endif
