/* supervisor.h - the supervisor's state machine over simulated workers. */
#ifndef SIM_SUPERVISOR_H
#define SIM_SUPERVISOR_H

#include <stdbool.h>

#include "schedule.h"
#include "server/supervision.h"

struct gateway;

struct supervisor_model {
	struct gateway *gateway;
	struct supervision *machine;
	struct supervision_settings settings;
	struct alarm tick;
	bool control; /* the control process runs: it has nothing to do here */
	uint64_t control_beats;
	bool to_nowhere; /* the configuration of the next reload has a store that no machine has */
	bool nowhere, was_nowhere; /* the one in force or on its way has; the one before had */
	bool in_nowhere;	   /* the one in force has */
	uint64_t reloads, taken_back;
};

void supervisor_model_start(struct supervisor_model *supervisor, struct gateway *gateway);

/* A worker has ended, by itself or by a kill: looked at with the next tick, which is now. */
void supervisor_model_look(struct supervisor_model *supervisor);

void supervisor_model_reload(struct supervisor_model *supervisor, bool to_nowhere);
void supervisor_model_stop(struct supervisor_model *supervisor);

#endif
