/* records_state.h - what the files of records share; only they and the operators include it. */
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

/* Draw an expiry of a token, or a renewal with a grace or by a program that knows of none. */
void records_draw_times(
    struct records *records, struct token_history *token, struct token_state *state);

/* The token has expired by the wall clock. */
bool records_has_expired(const struct token_state *state);

#define RECORDS_TIMES_WORDS 10

/*
 * Texts of the fields for expiry and grace; what the state does not have is deleted from the key
 * before. words: name and value in turn; returns how many words. They are good until the next call.
 */
size_t records_put_times(const struct records *records, const struct token_history *token,
    const struct token_state *state, const char *words[RECORDS_TIMES_WORDS]);

/* Read them from a server's record. */
void records_read_times(
    const struct token_history *token, struct redis_key *key, struct token_state *state);

/* Draw the addresses that a token is limited to. */
void records_draw_ranges(struct records *records, struct token_state *state);

/* The text of these as a field of a record, and which ones a text stands for; "": NO_RANGES. */
const char *records_ranges_text(int ranges);
int records_ranges_of(const char *text);

#define RECORDS_URL_MAX 400

/* All URLs of a job as the field has them; which backends these are. */
void records_write_urls(
    const struct records *records, const struct job_state *state, char out[RECORDS_URL_MAX]);
void records_read_urls(const struct records *records, const char *text, struct job_state *state);

/* Draw the further URLs of a job, also at a change; write how they are used, and read it. */
void records_draw_replicas(struct records *records, struct job_state *state);
void records_put_replicas(
    const struct records *records, const char *key, const struct job_state *state);
void records_read_replicas(struct redis_key *key, struct job_state *state);

/* Draw whether a job is public: at first, and at a change. */
void records_draw_public(struct records *records, struct job_state *state);
void records_change_public(struct records *records, struct job_state *state);

/* Write it, to the record and to the set, and read it from a server; key NULL: there is no record.
 */
void records_put_public(
    const struct records *records, const char *id, const struct job_state *state);
void records_read_public(
    struct redis *redis, const char *id, struct redis_key *key, struct job_state *state);

/* Draw the creators of all tokens, and note one of them in the store. */
void records_draw_makers(struct records *records);
void records_put_maker(const struct records *records, const struct token_history *token);

/* A script deletes the token, and in a cascade those that it has created: as the seed wants it. */
void records_run_end(struct records *records, struct token_history *token);

/* Another value of the token. */
void records_new_value(struct records *records, struct token_history *token);

/* What a server has of it; key NULL: nothing. `state` is a copy of the one before. */
void records_read_token(
    struct token_history *token, struct redis_key *key, struct token_state *state);
void records_read_job(
    const struct records *records, struct redis_key *key, struct job_state *state);

/* It has ended by itself, whether or not its key is deleted. */
bool records_key_has_ended(const struct redis_key *key);

/* Which of the token's values has this hash; RECORDS_VALUES_MAX: none. */
unsigned records_value_of(const struct token_history *token, const char *hash);

/* The label in the text of a selector; or NO_LABEL. */
int records_label_of(const char *text);

/* A field of a record; "": it has none. */
const char *records_field(struct redis_key *key, const char *name);

/* The SHA-256 of a value, as records have it. */
void records_hash_text(const char *value, char out[65]);

/* The same of one of the token's values. */
void records_hash_of(const struct token_history *token, unsigned value, char out[65]);

/* The key of a record at the server that takes changes; NULL: there is none. kind: "token", "job".
 */
struct redis_key *records_key(const struct records *records, const char *kind, const char *id);

#endif
