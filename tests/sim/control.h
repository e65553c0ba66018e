/*
 * control.h - the control process: its real code (auth/control, auth/redis) in a node, all but its
 * HTTP server. Operators (operators.h) make its calls.
 */
#ifndef SIM_CONTROL_H
#define SIM_CONTROL_H

#include "host.h"
#include "node.h"
#include "schedule.h"

struct event_base;
struct world;
struct control_work; /* state of the real code */

struct control_process {
	struct world *world;
	struct random random;
	struct host host;
	struct node node;
	struct control_work *work;
	char url[100];
	bool stops;	      /* it is told to end */
	uint64_t spawned_ns;  /* when it began, the last time */
	uint64_t troubled_ns; /* faults of its own are at work until then */
	struct alarm next;    /* fault */
	struct alarm again;   /* it starts again after it was killed */
	struct alarm over;    /* a fault ends */
};

/* An event base as the process has it; NULL when memory is short. */
struct event_base *control_base_new(void);

/* It starts, in runs in which there is one. */
void control_start(struct control_process *process, struct world *world);

/* No more faults of its own. */
void control_settle(struct control_process *process);

/* It is told to end, as by SIGTERM; it has ended a while later. */
void control_stop(struct control_process *process);
void control_check_ended(struct control_process *process);

#endif
