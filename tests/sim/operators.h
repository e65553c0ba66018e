/*
 * operators.h - people and programs that call the control API, and the rules for what they are
 * told: what was answered as done has been done, what was answered as not done never is, what is
 * not known may be either, and nothing is done twice.
 */
#ifndef SIM_OPERATORS_H
#define SIM_OPERATORS_H

#include "auth/control/head.h"
#include "exchanges.h"
#include "jobgate/record_use.h"
#include "random.h"
#include "records.h"

struct world;

#define OPERATORS_MAX 3
#define OPERATORS_MADE_MAX 64
#define OPERATORS_ID_MAX 64
#define OPERATORS_USES_MAX 1024
#define NO_CALL (-1)
#define OPERATORS_PATH_MAX 120

struct operator_request {
	const char *method;
	char path[OPERATORS_PATH_MAX];
	const char *query;
	char body[400];		 /* "": none */
	char authorization[128]; /* "": the request has no such field */
	bool by_worker;		 /* a worker passes it on, and vouches for its token */
	struct vouched vouched;	 /* without the secret */
};

enum operator_act {
	ACT_DELETE_TOKEN,
	ACT_CASCADE,
	ACT_REVOKE,
	ACT_RENEW_TOKEN,
	ACT_LIMIT,
	ACT_CREATE_TOKEN,
	ACT_DELETE_MADE, /* a token that a call has created */
	ACT_LIST_TOKENS,
	ACT_LIST_JOBS,
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
	unsigned index; /* of its token or job */
	unsigned value; /* of ACT_REVOKE */
	bool widens;	/* of ACT_PATCH_JOB: it takes nothing from anyone */
	bool has_token; /* then caller says which value of which token, and from where */
	struct exchange_plan caller;
	char request[72]; /* its id, in the audit log */
	uint64_t begun_ns, ended_ns;
	unsigned done;	 /* changes of records that it has made, at whatever server */
	unsigned audits; /* lines of the audit log */
	unsigned
	    perhaps; /* of these, lines that say that it is not known whether the change was made */
	uint32_t tokens_done, jobs_done; /* a bit for each record that it has changed */
	char hash[65];			 /* of the token when it was renewed or created */
	char made[TOKEN_ID_LEN + 1];	 /* the token that it has created */
};

/* A token that a call has created. */
struct made_token {
	char id[TOKEN_ID_LEN + 1];
	int call, owner;  /* owner: the call that deletes it, or did so last; or NO_CALL */
	int label;	  /* of its selector; or NO_LABEL */
	uint64_t gone_ns; /* when it was deleted at the primary; 0: it was not */
};

/* Through a list, page by page, with the same token. */
struct operator_walk {
	bool runs, of_jobs;
	uint64_t begun_ns;
	char cursor[200]; /* of the next page */
	char query[240];
	unsigned pages;
	uint32_t jobs_indexed, jobs_seen, jobs_twice; /* a bit for each */
	uint64_t made_seen;			      /* likewise */
	struct operator_call first;		      /* its caller */
	struct operator_request shown;
	size_t made_before; /* tokens that had been created when it began */
};

/* What a worker has noted, when the control process took it. */
struct noted_use {
	struct record_use use;
	uint64_t ns;
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
	int labels_before[RECORDS_TOKENS_MAX + RECORDS_JOBS_MAX]; /* of these; or NO_LABEL */
	struct made_token made[OPERATORS_MADE_MAX];
	size_t made_count;
	struct operator_walk walks[OPERATORS_MAX];
	struct random list_random, use_random;
	struct noted_use uses[OPERATORS_USES_MAX];
	size_t use_count, uses_judged;
	bool settled; /* they make no more calls */
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

/* No call that may still change something is this one; NO_CALL: there is none. */
bool operators_is_free(struct operators *operators, int owner);

/* It changes a job, not tokens. */
bool operators_is_of_job(enum operator_act act);

/* ---- operators_watch.c: of struct redis_watch ---- */

/* True when the control process had had the time to ask which server was elected last, and was not
 * stopped meanwhile. */
bool operators_knew_primary(const struct world *world, uint64_t at_ns);

void operators_script_begins(void *ctx, struct redis *redis);
void operators_script_changed(void *ctx, struct redis *redis);

/* ---- operators_caller.c: callers with tokens ---- */

/* With which token it comes, if any, and how the request shows it. */
void operators_draw_caller(
    struct operators *operators, struct operator_call *call, struct operator_request *out);

/* The call changes a record (in words: `what`) that has had this label, or has it now. */
void operators_judge_caller(struct world *world, const struct operator_call *call,
    const struct redis *redis, const char *what, int label);

/* Its token, which is not what it changes, is still there, with the value that was shown. */
void operators_judge_maker(
    struct world *world, const struct operator_call *call, struct redis *redis);

/* A record with this label may have been out of the caller's scope. */
bool operators_may_miss(const struct world *world, const struct operator_call *call, int label);

/* A record with this label may have been in it. */
bool operators_may_reach(const struct world *world, const struct operator_call *call, int label);

/* The call may have read from a server that was no longer the primary. */
bool operators_may_go_by_old(const struct world *world, const struct operator_call *call);

/* It was answered 401 or 403. */
void operators_judge_refused(
    struct world *world, const struct operator_call *call, unsigned status);

/* ---- operators_made.c: tokens that calls create ---- */

/* False: there are too many already. */
bool operators_draw_creation(
    struct operators *operators, struct operator_call *call, struct operator_request *out);
bool operators_draw_deletion(
    struct operators *operators, struct operator_call *call, struct operator_request *out);

/* What the script that has run has done to them, and how many there are of each scope. */
void operators_made_changed(struct operators *operators, struct redis *redis);

/* The answer 201. */
void operators_judge_created(struct world *world, struct operator_call *call, const char *content);

/* The text of a member of an answer; "": it has none. */
void operators_member(const char *content, const char *name, char *out, size_t size);

/* A cascade is over: nothing is left of what the token had created before. */
void operators_judge_cascade(struct world *world, const struct operator_call *call);

/* ---- operators_lists.c ---- */

/* The next page of the walk of this one, or the first of a new one. False: it makes no list now. */
bool operators_draw_list(struct operators *operators, unsigned index, struct operator_call *call,
    struct operator_request *out);

/* A page, or its refusal. */
void operators_judge_page(struct world *world, const struct operator_call *call, unsigned index,
    unsigned status, const char *content);

/* ---- operators_uses.c ---- */

/* What workers have noted: setup->uses_take. */
size_t operators_take_uses(struct world *world, struct record_use *out, size_t most);

/* What the script that has run has written. */
void operators_uses_changed(struct operators *operators, struct redis *redis);

/* The process has ended. */
void operators_judge_uses(struct world *world);

/* ---- operators_judge.c ---- */

/* A rule is broken. */
void operators_wrong(struct world *world, const struct operator_call *call, const char *what);

/* A fault of the store, of the control process or its machine may be the reason. */
bool operators_is_troubled(const struct world *world, const struct operator_call *call);

/* The rules for an answer. Returns the stage that follows. */
enum operator_stage operators_judge(
    struct world *world, struct operator_call *call, unsigned status, const char *content);

#endif
