/* world.h - one run: the gateway's workers, the store, clients, backends, and what is known of
 * them.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "backend.h"
#include "changes.h"
#include "client.h"
#include "control.h"
#include "cuts.h"
#include "exchanges.h"
#include "faults.h"
#include "gateway.h"
#include "guest.h"
#include "judge.h"
#include "operators.h"
#include "records.h"
#include "registrar.h"
#include "scenario.h"
#include "sign_ins.h"
#include "store.h"
#include "visitor.h"

struct world {
	uint64_t seed;
	struct scenario scenario;
	struct random random;
	struct records records;
	struct store store;
	struct sim_exchanges exchanges;
	struct backend backends[SCENARIO_BACKENDS_MAX];
	struct client clients[SCENARIO_CLIENTS_MAX];
	struct visitor visitors[SCENARIO_VISITORS]; /* with scenario.visitors */
	struct sign_ins sign_ins;
	struct guest guests[SCENARIO_GUESTS]; /* with scenario.sign_in_host */
	struct gateway gateway;
	struct judge judge;
	struct faults faults;
	struct changes changes;
	struct cuts cuts;
	struct operators operators;
	struct control_process control;
	struct registrars registrars;
};

/* Run a seed to its end; scenario NULL: the one that it draws. Prints what was wrong; returns how
 * many violations there were. */
unsigned world_run(struct world *world, uint64_t seed, const struct scenario *scenario);

/* Figures of the run, one line. */
void world_report(const struct world *world);

#endif
