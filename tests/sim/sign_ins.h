/*
 * sign_ins.h - a model of what the control process answers to workers about browsers' sign-ins and
 * one-time codes, and of what became of each.
 */
#ifndef SIM_SIGN_INS_H
#define SIM_SIGN_INS_H

#include <stdbool.h>
#include <stdint.h>

#include "host.h"
#include "jobgate/sign_in.h"
#include "random.h"

struct world;
struct listener;

#define SIGN_INS_MAX 4096
#define SIGN_INS_URL "http://10.0.4.2:80" /* where workers ask */

struct sim_sign_in {
	char id[SIGN_IN_TEXT_LEN + 1];
	uint64_t made_ns, ended_ns; /* ended_ns: when it ends by itself, or has been ended */
};

struct sim_code {
	char digest[SIGN_IN_CODE_TEXT_LEN + 1];
	unsigned sign_in;
	uint64_t made_ns;
	unsigned worked; /* times that a browser was signed in with it */
};

struct sign_ins {
	struct world *world;
	struct host host;
	struct random random;
	struct listener *listener;
	struct sim_sign_in all[SIGN_INS_MAX];
	struct sim_code codes[SIGN_INS_MAX];
	unsigned count, code_count;
};

void sign_ins_start(struct sign_ins *sign_ins, struct world *world);

/* The store has lost all. */
void sign_ins_lost(struct sign_ins *sign_ins);

/* The code with this text; NULL: it was never made. */
struct sim_code *sign_ins_code(struct sign_ins *sign_ins, const char *text);

#endif
