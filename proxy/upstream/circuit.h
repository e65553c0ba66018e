/* circuit.h - stops trying to connect to a backend that takes no connections. */
#ifndef JOBGATE_UPSTREAM_CIRCUIT_H
#define JOBGATE_UPSTREAM_CIRCUIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jobgate/dump.h"
#include "jobgate/settings.h"
#include "jobgate/tuning.h"

enum circuit_state {
	CIRCUIT_CLOSED,	 /* connections are made */
	CIRCUIT_OPEN,	 /* none is, until the pause is over */
	CIRCUIT_PROBING, /* one is, to see whether the backend takes connections again */
};

/* Zero it at first. Pure: callers pass in the time. */
struct circuit {
	size_t failures; /* in a row, while closed */
	uint64_t pause_ms, probe_at_ms;
	uint64_t refused_since_ms, refused_at_ms; /* the first refusal in a row, and the last */
	uint64_t redial_ms, redial_at_ms;	  /* the pause after that, and its end */
	bool refused;				  /* there was one; while closed */
	enum circuit_state state;
};

/*
 * True when a connection may be made now. *probe tells whether it is the probe. A probe that ends
 * without success or failure must call circuit_abandon.
 */
bool circuit_admits(struct circuit *circuit, uint64_t now_ms, bool *probe);

/* A connection was made. True when that closed the circuit. */
bool circuit_success(struct circuit *circuit);

/*
 * A connection could not be made. True when that opened the circuit, or opened it again after a
 * probe. Failures of connections that were under way when it opened do not count.
 */
bool circuit_failure(struct circuit *circuit, const struct circuit_rules *rules,
    const struct backend_tuning *tuning, bool probe, uint64_t now_ms);

/*
 * A connection was refused: the backend may be restarting, and requests wait for it. began_ms: when
 * the dial began. True when that opened the circuit, as with circuit_failure.
 */
bool circuit_refusal(struct circuit *circuit, const struct circuit_rules *rules,
    const struct backend_tuning *tuning, bool probe, uint64_t began_ms, uint64_t now_ms);

/*
 * True while the backend is known to refuse connections. The next one is then made at redial_at_ms,
 * and none before.
 */
bool circuit_refuses(
    const struct circuit *circuit, const struct circuit_rules *rules, uint64_t now_ms);

/* The probe ended without a result: the next connection probes. */
void circuit_abandon(struct circuit *circuit);

/* Whole seconds until the next try makes sense, at least 1. */
unsigned circuit_retry_s(const struct circuit *circuit, uint64_t now_ms);

void circuit_dump(const struct circuit *circuit, struct dump *dump);

#endif
