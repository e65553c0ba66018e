/* handlers.c - the endpoints, and what their handlers share. */
#include "auth/control/handlers.h"

#include <time.h>

#include "auth/control/view.h"

static const struct endpoint api_rows[] = {
    {"GET", "/v1/tokens", tokens_list},
    {"POST", "/v1/tokens", tokens_create},
    {"GET", "/v1/tokens/{id}", tokens_get},
    {"DELETE", "/v1/tokens/{id}", tokens_delete},
    {"POST", "/v1/tokens/{id}/renew", tokens_renew},
    {"GET", "/v1/jobs", jobs_list},
    {"POST", "/v1/jobs", jobs_create},
    {"GET", "/v1/jobs/{id}", jobs_get},
    {"PATCH", "/v1/jobs/{id}", jobs_patch},
    {"DELETE", "/v1/jobs/{id}", jobs_delete},
    {"POST", "/v1/authorize", authorize_explain},
    {"GET", "/healthz", observe_health},
    {"GET", "/readyz", observe_ready},
    {"GET", "/metrics", observe_metrics},
};

/* The last three of the API's: all that can be had without being the local administrator. */
#define OBSERVE_ROWS 3

const struct endpoint_table api_endpoints = {api_rows, sizeof(api_rows) / sizeof(api_rows[0])};
const struct endpoint_table observe_endpoints = {
    api_rows + sizeof(api_rows) / sizeof(api_rows[0]) - OBSERVE_ROWS, OBSERVE_ROWS};

uint64_t
handler_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void
handler_mistake(struct call *call, const struct mistake *mistake)
{
	call_refuse(
	    call, 400, mistake->field[0] != '\0' ? mistake->field : NULL, "%s", mistake->detail);
}

json_t *
handler_body(struct call *call, const char *const *known)
{
	struct mistake mistake;
	json_t *object = input_object(call->body, call->body_len, known, &mistake);

	if (object == NULL)
		handler_mistake(call, &mistake);
	return object;
}

static const char *
noun_of(enum record_kind kind)
{
	return kind == RECORD_TOKEN ? "token" : "job";
}

bool
handler_id(struct call *call, enum record_kind kind)
{
	bool valid = kind == RECORD_TOKEN ? jg_token_id_valid(call->id) : jg_job_id_valid(call->id);

	if (!valid) /* says the same as for one that could exist */
		handler_store_refused(call, STORE_ABSENT, noun_of(kind));
	return valid;
}

void
handler_store_refused(struct call *call, enum store_result result, const char *noun)
{
	switch (result) {
	case STORE_ABSENT:
		call_refuse(
		    call, 404, NULL, "there is no %s %.*s", noun, (int)call->id.len, call->id.at);
		return;
	case STORE_CONFLICT:
		call_refuse(
		    call, 409, NULL, "the %s was changed by somebody else at the same time", noun);
		return;
	case STORE_TOO_MANY:
		call_refuse(call, 400, "labels", "a job has at most %d labels", JOB_LABELS_MAX);
		return;
	case STORE_BROKEN:
		call_refuse(call, 500, NULL, "the record of %s %.*s breaks the rules of the store",
		    noun, (int)call->id.len, call->id.at);
		return;
	case STORE_UNAVAILABLE:
		call_refuse(call, 503, NULL,
		    "the store does not answer; a change that was asked for happened whole or not "
		    "at all");
		return;
	case STORE_OK:
		break;
	}
	call_refuse(call, 500, NULL, "this should not happen");
}

void
handler_audit(const struct call *call, const char *did, const char *noun, struct slice id)
{
	const struct control *control = call->ctx;

	log_info(&control->setup->log, "audit: %s %s %.*s by uid %d pid %d request %s", noun, did,
	    (int)id.len, id.at, (int)call->peer_uid, (int)call->peer_pid, call->request_id);
}

static void
got_record(
    struct call *call, enum record_kind kind, enum store_result result, const struct record *record)
{
	const struct control *control = call->ctx;

	if (result == STORE_OK)
		call_answer(call, 200, view_record(record, control->setup->public_url));
	else
		handler_store_refused(call, result, noun_of(kind));
}

static void
got_token(void *ctx, enum store_result result, const struct record *record)
{
	got_record(ctx, RECORD_TOKEN, result, record);
}

static void
got_job(void *ctx, enum store_result result, const struct record *record)
{
	got_record(ctx, RECORD_JOB, result, record);
}

void
handler_get(struct call *call, enum record_kind kind)
{
	struct control *control = call->ctx;

	if (handler_id(call, kind))
		store_get(control->store, kind, call->id,
		    kind == RECORD_TOKEN ? got_token : got_job, call);
}

static void
deleted(struct call *call, enum record_kind kind, enum store_result result)
{
	if (result != STORE_OK) {
		handler_store_refused(call, result, noun_of(kind));
		return;
	}
	handler_audit(call, "deleted", noun_of(kind), call->id);
	call_answer(call, 204, NULL);
}

static void
token_deleted(void *ctx, enum store_result result, const struct record *record)
{
	(void)record;
	deleted(ctx, RECORD_TOKEN, result);
}

static void
job_deleted(void *ctx, enum store_result result, const struct record *record)
{
	(void)record;
	deleted(ctx, RECORD_JOB, result);
}

void
handler_delete(struct call *call, enum record_kind kind)
{
	struct control *control = call->ctx;

	if (handler_id(call, kind))
		store_delete(control->store, kind, call->id,
		    kind == RECORD_TOKEN ? token_deleted : job_deleted, call);
}
