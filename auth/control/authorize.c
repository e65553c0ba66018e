/* authorize.c - explains what the gateway would decide, for people who debug access. */
#define _GNU_SOURCE 1 /* asprintf */
#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#include "auth/control/caller.h"
#include "auth/control/handlers.h"
#include "auth/control/knowledge.h"
#include "auth/moment.h"
#include "jobgate/clock.h"
#include "jobgate/decision.h"

#define SELECTOR_TEXT_MAX (SELECTOR_LABELS_MAX * (LABEL_NAME_MAX + LABEL_VALUE_MAX + 2))

/* A question under way: first the token is read, then the job. */
struct question {
	json_t *body; /* what the slices below point into */
	struct authorize_input input;
	char *field; /* "Bearer <token>", as the gateway would see it */
	struct evidence evidence;
	struct bearer bearer;
	struct slice id; /* the token's id, in the bearer; empty: the value has another form */
	bool minted_elsewhere;	  /* it has the form of a token's value */
	struct record *token;	  /* NULL: not known */
	struct job fixed;	  /* the job with the URL that the configuration gives it */
	struct record configured; /* all of the job, where the configuration has its labels, too */
	struct label labels[SELECTOR_LABELS_MAX];
};

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

/* Explain why a value proves no token. */
static void
reason_invalid(const struct question *question, char *reason, size_t cap)
{
	const char *id = question->id.at;

	if (question->id.len == 0 && question->minted_elsewhere)
		snprintf(reason, cap,
		    "this value was not made here: its minted part was not made with this store's "
		    "key");
	else if (question->id.len == 0)
		snprintf(reason, cap,
		    "this is not the value of a token: its form or its checksum is wrong");
	else if (question->evidence.token_known == RECORD_ABSENT)
		snprintf(reason, cap,
		    "there is no token %.*s: it was deleted, or is from another store",
		    TOKEN_ID_LEN, id);
	else
		snprintf(reason, cap,
		    "the value is not that of token %.*s: the token was renewed since",
		    TOKEN_ID_LEN, id);
}

/* Explain why a valid token may or may not use the job. */
static void
reason_job(const struct question *question, enum verdict verdict, char *reason, size_t cap)
{
	const struct token *token = &question->token->token;
	struct slice job = question->input.job;
	char selector[SELECTOR_TEXT_MAX];
	bool known = question->evidence.job_known == RECORD_KNOWN;

	jg_selector_format(&token->selector, selector, sizeof(selector));
	if (verdict == VERDICT_ALLOW)
		snprintf(reason, cap, "token %.*s (%s, %s) may use job %.*s", (int)token->name.len,
		    token->name.at, jg_role_name(token->role),
		    selector[0] != '\0' ? selector : "every job", (int)job.len, job.at);
	else
		snprintf(reason, cap, "token %.*s is scoped to %s; job %.*s %s",
		    (int)token->name.len, token->name.at, selector, (int)job.len, job.at,
		    known ? "has other labels" : "does not exist");
}

static void
reason_of(const struct question *question, enum verdict verdict, char *reason, size_t cap)
{
	int len = (int)question->input.job.len;
	const char *job = question->input.job.at;
	char moment[MOMENT_TEXT_MAX];

	switch (verdict) {
	case VERDICT_PUBLIC:
		snprintf(reason, cap,
		    "job %.*s is public: everyone may use it, also with a token of another scope",
		    len, job);
		return;
	case VERDICT_ALLOW:
	case VERDICT_OUT_OF_SCOPE:
		reason_job(question, verdict, reason, cap);
		return;
	case VERDICT_BAD_CREDENTIAL:
		snprintf(
		    reason, cap, "the value has characters that a Bearer credential must not have");
		return;
	case VERDICT_NO_CREDENTIAL:
		snprintf(reason, cap, "there is no value");
		return;
	case VERDICT_INVALID_TOKEN:
		reason_invalid(question, reason, cap);
		return;
	case VERDICT_EXPIRED:
		moment_format(question->evidence.token->expires_ms, moment);
		snprintf(reason, cap, "the token expired at %s; renew it with another expires_at",
		    moment);
		return;
	case VERDICT_OTHER_ADDRESS:
		snprintf(reason, cap, "the token is limited to other addresses");
		return;
	case VERDICT_UNAVAILABLE:
		snprintf(reason, cap, "the store does not answer");
		return;
	case VERDICT_NOT_A_JOB:
		snprintf(reason, cap, "no job can have this id");
		return;
	case VERDICT_NO_SUCH_JOB:
		snprintf(reason, cap, "there is no job %.*s", len, job);
		return;
	case VERDICT_NO_URL:
		snprintf(reason, cap, "job %.*s has no URL yet", len, job);
		return;
	case VERDICT_OVER_RATE:
	case VERDICT_OVER_CONCURRENCY:
	case VERDICT_LIMITS_FULL: /* only workers count requests */
		snprintf(reason, cap, "the token is over its limits");
		return;
	}
}

/*
 * The question names no address, so it is decided as for one that the token is limited to, and the
 * answer names the limit.
 */
static void
add_addresses(const struct question *question, char *reason, size_t cap)
{
	const struct token *token = question->evidence.token;
	char from[TOKEN_FROM_TEXT_MAX];
	size_t len = strlen(reason);

	if (token->from.count == 0)
		return;
	jg_ip_ranges_format(&token->from, from, sizeof(from));
	snprintf(reason + len, cap - len, ", only from %s", from);
}

static void
decide(struct call *call)
{
	struct question *question = call->state;
	struct evidence *evidence = &question->evidence;
	enum verdict verdict;
	char reason[SELECTOR_TEXT_MAX + TOKEN_FROM_TEXT_MAX + 256];

	evidence->wall_ms = clock_ms(CLOCK_REALTIME);
	if (evidence->token_known == RECORD_KNOWN && evidence->token->from.count > 0)
		evidence->address = &evidence->token->from.items[0].address;
	verdict = jg_decide(evidence);
	if (jg_token_gives_way(evidence, verdict))
		verdict = jg_decide_public_again(evidence->job_known, evidence->job);
	reason_of(question, verdict, reason, sizeof(reason));
	if (verdict == VERDICT_ALLOW)
		add_addresses(question, reason, sizeof(reason));
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

/* True when it is the job of this sidecar, at the URL of the configuration. */
static bool
has_fixed_url(const struct call *call, struct slice job)
{
	const struct control *control = call->ctx;
	const struct control_settings *settings = &control->setup->settings;

	return settings->fixed_url != NULL && slice_equal(job, slice_of(settings->fixed_job));
}

/* The job with the URL that the gateway uses. */
static const struct job *
effective_job(struct call *call, const struct job *job)
{
	const struct control *control = call->ctx;
	struct question *question = call->state;
	struct job_url fixed;
	size_t bad;

	if (!has_fixed_url(call, job->id))
		return job;
	jg_job_url_parse(slice_of(control->setup->settings.fixed_url), &fixed, &bad);
	return jg_effective_job(job, &fixed, &question->fixed);
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

static void
got_job(void *ctx, enum store_result result, const struct record *record)
{
	struct call *call = ctx;
	struct question *question = call->state;

	if (!learn(call, result, record, &question->evidence.job_known))
		return;
	if (question->evidence.job_known == RECORD_KNOWN)
		question->evidence.job = effective_job(call, &record->job);
	decide(call);
}

/* Read the job if the verdict can depend on it. */
static void
read_job(struct call *call)
{
	struct question *question = call->state;
	struct control *control = call->ctx;
	const struct record *configured = configured_job(call);

	question->evidence.names_job = jg_job_id_valid(question->input.job) &&
				       !handler_job_is_taken(control, question->input.job);
	if (question->evidence.token_known != RECORD_KNOWN || !question->evidence.names_job)
		decide(call);
	else if (configured != NULL)
		got_job(call, STORE_OK, configured);
	else
		store_get(control->store, RECORD_JOB, question->input.job, got_job, call);
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
			call_refuse(call, 500, NULL, "memory is short");
			return;
		}
		question->evidence.token = &question->token->token;
	}
	read_job(call);
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
		call_refuse(call, 500, NULL, "memory is short");
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
		call_refuse(call, 500, NULL, "memory is short");
		return;
	}
	store_mint_know(control->store, know_mint, call);
}
