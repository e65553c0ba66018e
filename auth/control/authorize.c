/* authorize.c - explains what the gateway would decide, for people who debug access. */
#define _GNU_SOURCE 1 /* asprintf */
#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#include "auth/control/authorize_state.h"
#include "auth/control/caller.h"
#include "auth/control/handlers.h"
#include "auth/control/knowledge.h"
#include "jobgate/clock.h"

static void
question_free(void *state)
{
	struct question *question = state;

	json_decref(question->body);
	if (question->field != NULL)
		OPENSSL_cleanse(question->field, strlen(question->field));
	free(question->field);
	free(question->token);
	free(question);
}

static void
decide(struct call *call)
{
	struct question *question = call->state;
	struct evidence *evidence = &question->evidence;
	enum verdict verdict;
	char reason[REASON_MAX];

	evidence->wall_ms = clock_ms(CLOCK_REALTIME);
	if (evidence->token_known == RECORD_KNOWN && evidence->token->from.count > 0)
		evidence->address = &evidence->token->from.items[0].address;
	verdict = jg_decide(evidence);
	if (jg_token_gives_way(evidence, verdict))
		verdict = jg_decide_public_again(evidence->job_known, evidence->job);
	authorize_reason(question, verdict, reason);
	caller_answer(call, json_pack("{s:b, s:s, s:i, s:s}", "allowed", jg_verdict_allows(verdict),
				"verdict", jg_verdict_name(verdict), "status",
				(int)jg_verdict_status(verdict), "reason", reason));
}

/*
 * What the caller may know of a record: one outside the caller's scope counts as absent. False
 * after answering 503.
 */
static bool
learn(
    struct call *call, enum store_result result, const struct record *record, enum knowledge *known)
{
	result = handler_in_scope(call, result, record);
	*known = store_result_knowledge(result);
	if (*known != RECORD_UNKNOWN)
		return true;
	handler_store_refused(call, result, "record");
	return false;
}

/* True for the job of this sidecar. */
static bool
is_fixed(const struct call *call, struct slice job)
{
	const struct control *control = call->ctx;
	const char *fixed = control->setup->settings.fixed_job;

	return fixed != NULL && slice_equal(job, slice_of(fixed));
}

/* True when it is the job of this sidecar, at the URL of the configuration. */
static bool
has_fixed_url(const struct call *call, struct slice job)
{
	const struct control *control = call->ctx;

	return control->setup->settings.fixed_url != NULL && is_fixed(call, job);
}

/* The job with the URL that the gateway uses; NULL when it has no such port. */
static const struct job *
effective_job(struct call *call, const struct job *job)
{
	const struct control *control = call->ctx;
	struct question *question = call->state;
	const struct job_port *port;
	struct job_url fixed;
	size_t bad;

	if (question->input.port != 0) {
		port = jg_job_port_find(job, question->input.port);
		return port != NULL ? jg_effective_job(job, &port->url, &question->effective)
				    : NULL;
	}
	if (!has_fixed_url(call, job->id))
		return job;
	jg_job_url_parse(slice_of(control->setup->settings.fixed_url), &fixed, &bad);
	return jg_effective_job(job, &fixed, &question->effective);
}

/* The job of a sidecar whose labels the configuration has, in place of a record; or NULL. */
static const struct record *
configured_job(struct call *call)
{
	const struct control *control = call->ctx;
	const char *labels = control->setup->settings.fixed_labels;
	struct question *question = call->state;
	struct job *job = &question->configured.job;
	size_t bad;

	if (labels == NULL || !has_fixed_url(call, question->input.job))
		return NULL;
	question->configured.kind = RECORD_JOB;
	*job = (struct job){.id = question->input.job, .labels.items = question->labels};
	jg_selector_parse(slice_of(labels), question->labels, &job->labels.count, &bad);
	return &question->configured;
}

/* There is no such port to serve. */
static void
lacks_port(struct call *call, enum port_state why)
{
	struct question *question = call->state;

	question->port = why;
	question->evidence.job_known = RECORD_ABSENT;
	decide(call);
}

static void
got_job(void *ctx, enum store_result result, const struct record *record)
{
	struct call *call = ctx;
	struct question *question = call->state;
	struct evidence *evidence = &question->evidence;

	if (!learn(call, result, record, &evidence->job_known))
		return;
	if (evidence->job_known == RECORD_KNOWN)
		evidence->job = effective_job(call, &record->job);
	if (evidence->job_known == RECORD_KNOWN && evidence->job == NULL)
		lacks_port(call, PORT_ABSENT);
	else
		decide(call);
}

static void
read_job(struct call *call)
{
	struct control *control = call->ctx;
	struct question *question = call->state;
	const struct record *configured = configured_job(call);

	if (configured != NULL)
		got_job(call, STORE_OK, configured);
	else
		store_get(control->store, RECORD_JOB, question->input.job, got_job, call);
}

/*
 * The job whose id is the label of the port's host has been read. Its record counts even if it is
 * broken, or out of the caller's scope: the port's job is within it, so the caller learns as much
 * from a refused change of the port (409).
 */
static void
got_label(void *ctx, enum store_result result, const struct record *record)
{
	struct call *call = ctx;

	(void)record;
	switch (result) {
	case STORE_ABSENT:
		read_job(call);
		return;
	case STORE_OK:
	case STORE_BROKEN:
	case STORE_TOO_LARGE:
		lacks_port(call, PORT_HOST_TAKEN);
		return;
	default:
		handler_store_refused(call, result, "record");
		return;
	}
}

/*
 * The port's job has been read. One that is out of the caller's scope must look as if it did not
 * exist, whatever its ports' hosts are.
 */
static void
got_owner(void *ctx, enum store_result result, const struct record *record)
{
	struct call *call = ctx;
	struct question *question = call->state;
	struct control *control = call->ctx;
	char room[JOB_PORT_LABEL_MAX];

	if (!learn(call, result, record, &question->evidence.job_known))
		return;
	if (question->evidence.job_known != RECORD_KNOWN)
		decide(call);
	else
		store_get(control->store, RECORD_JOB,
		    jg_job_port_label(question->input.job, question->input.port, room), got_label,
		    call);
}

/* Read the job, and the one whose host a port would have, if the verdict can depend on them. */
static void
read_jobs(struct call *call)
{
	struct question *question = call->state;
	struct control *control = call->ctx;
	struct slice job = question->input.job, label = {0};
	char room[JOB_PORT_LABEL_MAX];
	bool names_job = jg_job_id_valid(job) && !handler_job_is_taken(control, job);

	if (names_job && question->input.port != 0) {
		label = jg_job_port_label(job, question->input.port, room);
		names_job = !handler_job_is_taken(control, label);
	}
	question->evidence.names_job = names_job;
	if (question->evidence.token_known != RECORD_KNOWN || !names_job)
		decide(call);
	else if (label.len > 0 && is_fixed(call, job))
		lacks_port(call, PORT_OF_FIXED_JOB);
	else if (label.len > 0 && label.len <= JOB_ID_MAX)
		store_get(control->store, RECORD_JOB, job, got_owner, call);
	else
		read_job(call);
}

static void
got_token(void *ctx, enum store_result result, const struct record *record)
{
	struct call *call = ctx;
	struct question *question = call->state;

	if (!learn(call, result, record, &question->evidence.token_known))
		return;
	if (question->evidence.token_known == RECORD_KNOWN) {
		question->token = record_copy(record);
		if (question->token == NULL) {
			call_refuse_memory(call);
			return;
		}
		question->evidence.token = &question->token->token;
	}
	read_jobs(call);
}

/* The mint key has been read. A value that was not made here names no token. */
static void
know_mint(void *ctx, enum store_result result, const struct record *none)
{
	struct call *call = ctx;
	struct control *control = call->ctx;
	struct question *question = call->state;
	struct slice value, id;

	(void)none;
	question->evidence.credential = jg_credential_parse(slice_of(question->field), &value);
	question->evidence.bearer = &question->bearer;
	jg_bearer_read(store_mint(control->store), value, &question->bearer);
	if (question->evidence.credential != CREDENTIAL_BEARER || !question->bearer.formed) {
		question->id = SLICE("");
		question->minted_elsewhere = jg_token_value_parse(value, &id);
		decide(call);
		return;
	}
	if (result != STORE_OK) {
		handler_store_refused(call, result, "record");
		return;
	}
	question->id = (struct slice){question->bearer.id, TOKEN_ID_LEN};
	store_get(control->store, RECORD_TOKEN, question->id, got_token, call);
}

void
authorize_explain(struct call *call)
{
	struct control *control = call->ctx;
	json_t *body = handler_body(call, authorize_input_fields);
	struct question *question;
	struct input_error error;

	if (body == NULL)
		return;
	question = calloc(1, sizeof(*question));
	if (question == NULL) {
		json_decref(body);
		call_refuse_memory(call);
		return;
	}
	call->state = question;
	call->state_free = question_free;
	question->body = body;
	if (!input_authorize(body, &question->input, &error)) {
		handler_refuse_input(call, &error);
		return;
	}
	if (asprintf(&question->field, "Bearer %s", question->input.token.at) < 0) {
		question->field = NULL;
		call_refuse_memory(call);
		return;
	}
	store_mint_know(control->store, know_mint, call);
}
