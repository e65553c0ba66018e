/* authorize_reason.c - says why the gateway would decide so about a token and a job. */
#include <stdio.h>
#include <string.h>

#include "auth/control/authorize_state.h"
#include "auth/moment.h"

/* Bytes of what the question is about, with the NUL: "job a", or "port 9000 of job a". */
#define SUBJECT_MAX (JOB_ID_MAX + sizeof("port 65535 of job "))

static void
subject_of(const struct question *question, char out[SUBJECT_MAX])
{
	const struct authorize_input *input = &question->input;

	if (input->port != 0)
		snprintf(out, SUBJECT_MAX, "port %u of job %.*s", (unsigned)input->port,
		    (int)input->job.len, input->job.at);
	else
		snprintf(out, SUBJECT_MAX, "job %.*s", (int)input->job.len, input->job.at);
}

/* True after explaining why a port is not served although its job may be there. */
static bool
reason_port(const struct question *question, char *reason, size_t cap)
{
	struct slice job = question->input.job;
	unsigned port = question->input.port;

	switch (question->port) {
	case PORT_SERVED:
		return false;
	case PORT_OF_FIXED_JOB:
		snprintf(reason, cap,
		    "this gateway is in front of job %.*s alone, and serves none of its ports",
		    (int)job.len, job.at);
		return true;
	case PORT_HOST_TAKEN:
		snprintf(reason, cap,
		    "port %u of job %.*s is not served: there is a job %.*s-%u, which has its host",
		    port, (int)job.len, job.at, (int)job.len, job.at, port);
		return true;
	case PORT_ABSENT:
		snprintf(reason, cap,
		    "job %.*s has no port %u; jobgate job set --port %u=URL %.*s gives it one",
		    (int)job.len, job.at, port, port, (int)job.len, job.at);
		return true;
	}
	return false;
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
	char selector[SELECTOR_TEXT_MAX], subject[SUBJECT_MAX];
	bool known = question->evidence.job_known == RECORD_KNOWN;

	subject_of(question, subject);
	jg_selector_format(&token->selector, selector, sizeof(selector));
	if (verdict == VERDICT_ALLOW)
		snprintf(reason, cap, "token %.*s (%s, %s) may use %s", (int)token->name.len,
		    token->name.at, jg_role_name(token->role),
		    selector[0] != '\0' ? selector : "every job", subject);
	else if (!reason_port(question, reason, cap))
		snprintf(reason, cap, "token %.*s is scoped to %s; %s %s", (int)token->name.len,
		    token->name.at, selector, subject,
		    known ? "has other labels" : "does not exist");
}

static void
reason_of(const struct question *question, enum verdict verdict, char *reason, size_t cap)
{
	char moment[MOMENT_TEXT_MAX], subject[SUBJECT_MAX];

	subject_of(question, subject);
	switch (verdict) {
	case VERDICT_PUBLIC:
		snprintf(reason, cap,
		    "%s is public: everyone may use it, also with a token of another scope",
		    subject);
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
		snprintf(reason, cap, "no job can have this id%s",
		    question->input.port != 0 ? " or port" : "");
		return;
	case VERDICT_NO_SUCH_JOB:
		if (!reason_port(question, reason, cap))
			snprintf(reason, cap, "there is no %s", subject);
		return;
	case VERDICT_NO_URL:
		snprintf(reason, cap, "%s has no URL yet", subject);
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

void
authorize_reason(const struct question *question, enum verdict verdict, char out[REASON_MAX])
{
	reason_of(question, verdict, out, REASON_MAX);
	if (verdict == VERDICT_ALLOW)
		add_addresses(question, out, REASON_MAX);
}
