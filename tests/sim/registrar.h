/*
 * registrar.h - gateways that keep the record of a job of their own in the store (jobs.register):
 * of each the registration of its control process, in a process of its own.
 */
#ifndef SIM_REGISTRAR_H
#define SIM_REGISTRAR_H

#include "host.h"
#include "node.h"
#include "schedule.h"

struct world;
struct registrar_work; /* state of the real code */

#define REGISTRARS_MAX 2
#define REGISTRAR_JOB "side"

struct registrar {
	struct world *world;
	unsigned index;
	struct random random;
	struct host host;
	struct node node;
	struct registrar_work *work;
	char url[100], mark[17];
	bool stops, hands_over; /* it is told to end; another process takes over then */
	struct alarm next;	/* fault */
	struct alarm again;	/* it is started again, once it has ended */
	struct alarm over;	/* a fault ends */
};

struct registrars {
	struct registrar all[REGISTRARS_MAX];
	struct alarm look; /* at the record, once all must be well */
	unsigned looks;
	bool stops;
};

void registrars_start(struct registrars *registrars, struct world *world);

/* No more faults: all run, and after a while the record is there. */
void registrars_settle(struct registrars *registrars);

/* All are told to end. */
void registrars_stop(struct registrars *registrars);

/* All have ended, and the record is gone. */
void registrars_check_ended(struct registrars *registrars);

#endif
