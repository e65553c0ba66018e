/* records_state.h - what records.c and records_history.c share; only they include it. */
#ifndef SIM_RECORDS_STATE_H
#define SIM_RECORDS_STATE_H

#include "records.h"

/* A copy of the last state, which ends now; the caller changes it. */
struct token_state *records_next_token_state(
    const struct records *records, struct token_history *token);
struct job_state *records_next_job_state(const struct records *records, struct job_history *job);

/* The record ends by itself then, unless it is changed before. */
void records_end_token_at(
    const struct records *records, struct token_history *token, uint64_t at_ns);
void records_end_job_at(const struct records *records, struct job_history *job, uint64_t at_ns);

/* The record does not end by itself any more. False: it would not have. */
bool records_forget_token_end(struct token_history *token);
bool records_forget_job_end(struct job_history *job);

/* The SHA-256 of a value, as records have it. */
void records_hash_text(const char *value, char out[65]);

/* The key of a record at the server that takes changes; NULL: there is none. kind: "token", "job".
 */
struct redis_key *records_key(const struct records *records, const char *kind, const char *id);

#endif
