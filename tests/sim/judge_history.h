/* judge_history.h - decisions over the history of the records; only judge.c asks for them. */
#ifndef SIM_JUDGE_HISTORY_H
#define SIM_JUDGE_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

struct world;
struct exchange_plan;
struct job_history;
struct token_history;

enum decision { FORWARD, BAD_CREDENTIAL, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, NOT_READY };

/*
 * Some state of the token and some state of the job that held in the window give this decision for
 * the request; backend: the job leads there, -1: anywhere.
 */
bool judge_holds(const struct world *world, const struct exchange_plan *plan, uint64_t from_ns,
    uint64_t to_ns, enum decision wanted, int backend);

/* A record has changed after one moment and up to another one, or to now. */
bool judge_job_changed(const struct job_history *job, uint64_t from_ns, uint64_t to_ns);
bool judge_token_changed(const struct token_history *token, uint64_t from_ns);

#endif
