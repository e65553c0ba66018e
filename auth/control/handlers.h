/* handlers.h - the handlers of the endpoints, and what they share. */
#ifndef JOBGATE_CONTROL_HANDLERS_H
#define JOBGATE_CONTROL_HANDLERS_H

#include "auth/control/call.h"
#include "auth/control/control.h"
#include "auth/control/cursor.h"
#include "auth/control/disk.h"
#include "auth/control/endpoint.h"
#include "auth/control/events.h"
#include "auth/control/input.h"
#include "auth/control/unconfirmed.h"
#include "auth/control/uses.h"
#include "auth/control/walk.h"
#include "auth/control/workers.h"
#include "auth/redis/store.h"

/* The ctx of every call. */
struct control {
	const struct control_setup *setup;
	const struct endpoint_table *open;	  /* open_endpoints, for caller.c */
	struct store *store;			  /* for changes and single records */
	struct walks walks;			  /* of lists, with connections of their own */
	unsigned char cursor_key[CURSOR_KEY_LEN]; /* for a store without a mint key; see cursor.h */
	struct unconfirmed unconfirmed;
	unsigned cascades;	  /* of remote callers, under way (delete.c) */
	struct disk *disk;	  /* of a private store; NULL for another store */
	struct uses_writer *uses; /* NULL: uses of tokens are not noted */
	struct workers *workers;
	struct events *events; /* NULL: memory was short at the start */
};

/*
 * All endpoints (endpoints.c), and those that need no token: of control.metrics (observe.c), the
 * revocation of a token by its value, and what workers ask for the sign-in host (sign_ins.c).
 */
extern const struct endpoint_table api_endpoints, open_endpoints;

void tokens_create(struct call *call);
void tokens_list(struct call *call);
void tokens_get(struct call *call);
void tokens_delete(struct call *call);
void tokens_renew(struct call *call);
void tokens_patch(struct call *call);
void tokens_revoke(struct call *call);
void jobs_create(struct call *call);
void jobs_list(struct call *call);
void jobs_get(struct call *call);
void jobs_patch(struct call *call);
void jobs_delete(struct call *call);
void jobs_renew(struct call *call);
void jobs_tokens(struct call *call);
void sessions_list(struct call *call);
void sessions_cut(struct call *call);
void sessions_cut_one(struct call *call);
void events_read(struct call *call);
void authorize_explain(struct call *call);
void me_get(struct call *call);
void openapi_get(struct call *call);
void sign_ins_create(struct call *call);
void sign_ins_delete(struct call *call);
void codes_add(struct call *call);
void codes_take(struct call *call);
void observe_health(struct call *call);
void observe_ready(struct call *call);
void observe_metrics(struct call *call);

/* Parse the body (input_object); NULL after answering 400. */
json_t *handler_body(struct call *call, const char *const *known);

/* True for an id that no job may have, because its host is the gateway's own. */
bool handler_job_is_taken(const struct control *control, struct slice id);

/* Answer 400 for what is wrong with the input. */
void handler_refuse_input(struct call *call, const struct input_error *error);

/* Answer for a result other than STORE_OK; noun is the kind of thing, such as "token". */
void handler_store_refused(struct call *call, enum store_result result, const char *noun);

/* True when a change may make the store larger; false after answering 507. */
bool handler_may_grow(struct call *call);

/* A page of one kind (list.c), or one record of it, as the query or the path asks. */
void handler_list(struct call *call, enum record_kind kind);
void handler_get(struct call *call, enum record_kind kind);

/*
 * True when {id} can be an id of this kind, which is call->kind from now on; false after answering
 * 404.
 */
bool handler_id(struct call *call, enum record_kind kind);

/*
 * Call next, with the id of a token in call->id: the one in the path, or that of the only token
 * within the caller's scope that has the name in the path. Answers 404 if none has it, and 409 with
 * their ids if several have. A text of the form of an id is an id, never a name.
 */
void handler_token(struct call *call, void (*next)(struct call *call));

/* For whom, and in which scope, the store changes a record. Valid as long as the call. */
struct store_caller handler_caller(const struct call *call);

/*
 * The operator for whose quota the store counts the record, in *out; NULL for a caller without a
 * token.
 */
const struct store_maker *handler_maker(
    const struct call *call, enum record_kind kind, struct store_maker *out);

/*
 * What the caller may know of a read: a record out of its scope is absent. So is a broken record,
 * unless the scope is everything. record is NULL unless result is STORE_OK.
 */
enum store_result handler_in_scope(
    const struct call *call, enum store_result result, const struct record *record);

/*
 * Write a line of the audit log, at any log level: which caller did what to which record, and from
 * where. For a change that was made, or may have been made (STORE_UNKNOWN); other results write
 * nothing. Stores in the call how many replicas have the change.
 */
void handler_audit(struct call *call, enum store_result result, const char *did,
    enum record_kind kind, struct slice id);

/* The same, with what was changed at the end of the line; "": nothing is added. */
void handler_audit_change(struct call *call, enum store_result result, const char *did,
    enum record_kind kind, struct slice id, const char *change);

/*
 * The same after a deletion (see store_before). The line ends with what the record had, if that is
 * known: the record is gone, so this cannot be looked up any more.
 */
void handler_audit_gone(struct call *call, enum store_result result, const char *did,
    enum record_kind kind, struct slice id);

/*
 * What a renewal changes, old and new, what a token may do, what a patch changes in a job, what a
 * new job has, and what a deleted one had. A limit of 0 is none. The log cuts a line of over 1 KiB
 * at its end.
 */
#define AUDIT_CHANGE_MAX (2 * TOKEN_FROM_TEXT_MAX + 1024)
void audit_token_change(
    const struct token *before, const struct token *after, char out[AUDIT_CHANGE_MAX]);
void audit_token(const struct token *token, char out[AUDIT_CHANGE_MAX]);
void audit_job_change(
    const struct job *before, const struct job *after, char out[AUDIT_CHANGE_MAX]);
void audit_job_new(const struct job *job, char out[AUDIT_CHANGE_MAX]);
void audit_job_gone(const struct job *job, char out[AUDIT_CHANGE_MAX]);

/*
 * Call it after a revocation has its line in the audit log. False after answering 503: with
 * store.wait_required, too few replicas have confirmed the change. advice: what the caller can do.
 */
bool handler_confirmed(struct call *call, enum store_result result, const char *advice);

/*
 * Call it after the audit line of a deletion of the record that the path names. result:
 * STORE_ABSENT if there was nothing to delete. True when the deletion succeeded, also if it repeats
 * one that was not confirmed; false after answering.
 */
bool handler_deleted(struct call *call, enum store_result result);

#endif
