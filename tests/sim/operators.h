/*
 * operators.h - people and programs that call the control API, and the rules for what they are
 * told: what was answered as done has been done, what was answered as not done never is, what is
 * not known may be either, and nothing is done twice.
 */
#ifndef SIM_OPERATORS_H
#define SIM_OPERATORS_H

#include "random.h"
#include "records.h"

struct world;

#define OPERATORS_MAX 3
#define NO_CALL (-1)
#define OPERATORS_PATH_MAX 120

struct operator_request {
	const char *method;
	char path[OPERATORS_PATH_MAX];
	const char *query;
	char body[400]; /* "": none */
};

enum operator_act {
	ACT_DELETE_TOKEN,
	ACT_CASCADE,
	ACT_REVOKE,
	ACT_RENEW_TOKEN,
	ACT_LIMIT,
	ACT_CREATE_JOB,
	ACT_DELETE_JOB,
	ACT_PATCH_JOB,
	ACT_RENEW_JOB,
	ACTS
};

enum operator_stage {
	STAGE_RUNS,
	STAGE_KNOWN, /* it was answered, and nothing of it may happen any more */
	STAGE_OPEN,  /* whether it was done is not known: it may still be done */
};

/* A call of the API. */
struct operator_call {
	enum operator_act act;
	enum operator_stage stage;
	unsigned index;	  /* of its token or job */
	unsigned value;	  /* of ACT_REVOKE */
	bool widens;	  /* of ACT_PATCH_JOB: it takes nothing from anyone */
	char request[72]; /* its id, in the audit log */
	uint64_t begun_ns, ended_ns;
	unsigned done;	 /* changes of records that it has made, at whatever server */
	unsigned audits; /* lines of the audit log */
	unsigned
	    perhaps; /* of these, lines that say that it is not known whether the change was made */
	uint32_t tokens_done, jobs_done; /* a bit for each record that it has changed */
	char hash[65];			 /* of the token when it was renewed */
};

struct operators {
	struct world *world;
	struct random random;
	struct redis_watch watch;
	struct operator_call *calls;
	size_t count, room;
	int running[OPERATORS_MAX]; /* the call of each; -1: none */
	/* The call that changes a record, or did so last; -1: none. */
	int token_owner[RECORDS_TOKENS_MAX], job_owner[RECORDS_JOBS_MAX];
	uint64_t
	    record_hashes[RECORDS_TOKENS_MAX + RECORDS_JOBS_MAX]; /* of records, before a script */
	bool settled;						  /* they make no more calls */
	uint64_t answers, done;
};

void operators_start(struct operators *operators, struct world *world);

/* They make no more calls. */
void operators_stop(struct operators *operators);
void operators_check_ended(struct operators *operators);

/* ---- called by control.c ---- */

/* What this one asks for next; more than 0: so long it waits before it asks anything. */
uint64_t operators_ask(struct world *world, unsigned index, struct operator_request *out);

/* The call has this id. */
void operators_begin(struct world *world, unsigned index, const char *request);

/* Returns how long it waits before it asks again. */
uint64_t operators_answered(
    struct world *world, unsigned index, unsigned status, const char *content, size_t len);

/* The process is gone: calls that run get no answer. */
void operators_lost(struct world *world);

/* A line of its log. */
void operators_read_log(struct world *world, const char *line, size_t len);

/* ---- operators_draw.c ---- */

/* Draw a call. False: not now. */
bool operators_draw(
    struct operators *operators, struct operator_call *call, struct operator_request *out);

/* It changes a job, not tokens. */
bool operators_is_of_job(enum operator_act act);

/* ---- operators_watch.c: of struct redis_watch ---- */

void operators_script_begins(void *ctx, struct redis *redis);
void operators_script_changed(void *ctx, struct redis *redis);

/* ---- operators_judge.c ---- */

/* The rules for an answer. Returns the stage that follows. */
enum operator_stage operators_judge(
    struct world *world, struct operator_call *call, unsigned status, const char *content);

#endif
