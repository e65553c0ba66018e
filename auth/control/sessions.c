/* sessions.c - calls about sessions: what runs now, across all workers, and its end. */
#include <stdlib.h>

#include "auth/control/caller.h"
#include "auth/control/handlers.h"
#include "auth/control/session_query.h"
#include "auth/control/session_view.h"
#include "jobgate/check.h"
#include "jobgate/container_of.h"

/* A call that waits for workers. */
struct asking {
	struct session_question question;
	struct call *call;
	json_t *items; /* of a list */
	struct session_id last;
	char filter[256]; /* of a cut, for the audit line */
};

static void
asking_free(void *state)
{
	struct asking *asking = state;

	json_decref(asking->items);
	free(asking);
}

static struct asking *
asking_of(struct session_question *question)
{
	return container_of(question, struct asking, question);
}

static bool
is_abandoned(const struct session_question *question)
{
	const struct call *call = container_of(question, struct asking, question)->call;

	return call->has_left != NULL && call->has_left(call);
}

/* Put the question of a call that may ask it, or refuse. */
static void
ask(struct call *call)
{
	struct control *control = call->ctx;
	struct asking *asking = call->state;
	struct session_question *question = &asking->question;

	if (call->scope.count > 0 && !session_query_scope(&call->scope, question)) {
		call_refuse(call, 500, NULL, "the token's label selector is too long");
		return;
	}
	if (control->workers == NULL) {
		call_refuse(call, 503, NULL, SHUTTING_DOWN "try again");
		return;
	}
	if (call->token != NULL) {
		question->by = call->token->token.id;
		question->scope = &call->scope;
	}
	if (!call->local && workers_are_busy(control->workers, question)) {
		call_refuse(call, 429, NULL,
		    "too many calls about sessions run (one at a time for each token): try again "
		    "in a second");
		return;
	}
	question->is_abandoned = is_abandoned;
	workers_ask(control->workers, question);
}

/* NULL after answering. */
static struct asking *
asking_new(struct call *call)
{
	struct asking *asking = calloc(1, sizeof(*asking));

	CHECK(call->caller != CALLER_UNAUTHENTICATED, call_dump, call);
	if (asking == NULL) {
		call_refuse_memory(call);
		return NULL;
	}
	asking->call = call;
	call->state = asking;
	call->state_free = asking_free;
	return asking;
}

/* ---- the list ---- */

static void
list_found(struct session_question *question, const struct session_id *id, unsigned index,
    const struct session *session)
{
	struct asking *asking = asking_of(question);

	asking->last = *id;
	json_array_append_new(asking->items, session_view(id, index, session));
}

static void
list_answered(struct session_question *question)
{
	struct asking *asking = asking_of(question);
	struct call *call = asking->call;
	char cursor[SESSION_ID_MAX];

	session_id_format(&asking->last, cursor);
	if (json_array_size(asking->items) != question->count)
		call_refuse_memory(call);
	else
		caller_answer(
		    call, json_pack("{s:O, s:s?, s:i}", "items", asking->items, "next_cursor",
			      question->more && question->count > 0 ? cursor : NULL,
			      "silent_workers", (int)question->silent));
}

void
sessions_list(struct call *call)
{
	struct asking *asking = asking_new(call);
	struct input_error error;

	if (asking == NULL)
		return;
	asking->items = json_array();
	asking->question.found = list_found;
	asking->question.answered = list_answered;
	if (session_query_parse(call->query, &asking->question, &error))
		ask(call);
	else
		handler_refuse_input(call, &error);
}

/* ---- the end of sessions ---- */

/* Written whatever log.level is, also if nothing was ended. */
static void
audit(const struct asking *asking)
{
	const struct call *call = asking->call;
	const struct control *control = call->ctx;
	struct log log = control->setup->log;
	struct slice token = call->token != NULL ? call->token->token.id : SLICE("");

	if (log.level < LOG_LEVEL_INFO)
		log.level = LOG_LEVEL_INFO;
	log_info(&log, "audit: sessions cut (%s) by %s%.*s%s%s request %s: %llu sessions",
	    asking->filter, token.len > 0 ? "token " : "", (int)token.len, token.at,
	    token.len > 0 ? " from " : "", call->peer, call->request_id,
	    (unsigned long long)asking->question.count);
}

static void
cut_answered(struct session_question *question)
{
	struct asking *asking = asking_of(question);
	struct call *call = asking->call;

	audit(asking);
	if (question->silent > 0 && (!question->of_one || question->count == 0))
		call_refuse(call, 503, NULL,
		    "not finished: %u workers did not answer; %llu sessions were ended: repeat the "
		    "request",
		    question->silent, (unsigned long long)question->count);
	else if (!question->of_one)
		call_answer(
		    call, 200, json_pack("{s:I}", "cut_sessions", (json_int_t)question->count));
	else if (question->count > 0)
		call_answer(call, 204, NULL);
	else
		call_refuse(call, 404, NULL, "there is no session %.*s; it may have ended",
		    (int)call->id.len, call->id.at);
}

/* The caller's token still counts now, so the order goes out. */
static void
cut(struct call *call)
{
	struct asking *asking = call->state;

	asking->question.order.cuts = true;
	asking->question.answered = cut_answered;
	ask(call);
}

void
sessions_cut(struct call *call)
{
	struct asking *asking = asking_new(call);
	struct input_error error;

	if (asking == NULL)
		return;
	asking->question.order.cuts = true;
	if (!session_query_parse(call->query, &asking->question, &error)) {
		handler_refuse_input(call, &error);
		return;
	}
	snprintf(
	    asking->filter, sizeof(asking->filter), "%.*s", (int)call->query.len, call->query.at);
	caller_confirm(call, cut);
}

void
sessions_cut_one(struct call *call)
{
	struct asking *asking = asking_new(call);

	if (asking == NULL)
		return;
	if (!session_id_parse(call->id, &asking->question.from)) {
		call_refuse(
		    call, 404, NULL, "there is no session %.*s", (int)call->id.len, call->id.at);
		return;
	}
	asking->question.of_one = true;
	snprintf(asking->filter, sizeof(asking->filter), "%.*s", (int)call->id.len, call->id.at);
	caller_confirm(call, cut);
}
